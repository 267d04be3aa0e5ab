"""Batches with two texts, A and B, of which each person is assigned one at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, and_

from app.errors import DomainError
from app.models import Outreach, OutreachBatch, OutreachTemplateVersion
from app.rules.holdout import Lottery
from app.selection.special import FILTERS

A, B = "A", "B"


@dataclass(frozen=True)
class SecondText:
    """The second text of a batch, and the percentage of people who get it instead of the first."""

    version: OutreachTemplateVersion
    share: int


class Draw:
    """The random assignment of texts in a batch: stable, and independent of other batches."""

    def __init__(self, batch: OutreachBatch) -> None:
        # No rule's code contains a space, so a batch never shares its draw with a rule.
        self._lottery = Lottery(current_app.config["SETTINGS"], f"batch {batch.id}")
        self._share = batch.share_b or 0

    def gets_b(self, id_hash: str) -> bool:
        """Whether the person gets the second text."""
        return self._lottery.holds_out(id_hash, self._share)


def texts(batch: OutreachBatch) -> list[tuple[str, OutreachTemplateVersion, int]]:
    """Return letter, version and percentage of each text; the letter is empty when there is only one."""
    if batch.version_b is None:
        return [("", batch.version, 100)]
    share = batch.share_b or 0
    return [(A, batch.version, 100 - share), (B, batch.version_b, share)]


def letter(batch: OutreachBatch, version_id: int) -> str:
    """Return the letter of one of the batch's texts, empty when there is only one."""
    if batch.version_b_id is None:
        return ""
    return B if version_id == batch.version_b_id else A


def with_text(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for contacts with text A or B. Raises DomainError for another letter."""
    if text not in (A, B):
        raise DomainError("A batch has templates A and B, not %(letter)s.", letter=text[:20])
    column = OutreachBatch.version_b_id if text == B else OutreachBatch.version_id
    of_two = and_(OutreachBatch.version_b_id.is_not(None), column == Outreach.version_id)
    return Outreach.batch.has(of_two)


FILTERS[Outreach] = {"letter": with_text}

"""Filters of the lists of batches and contacts that belong to no column."""

from __future__ import annotations

from flask import g
from sqlalchemy import exists, select

from app import labels
from app.access.scope import visible_to
from app.console.filter_row import MAX_CHOICES
from app.console.filters import ChoiceFilter
from app.extensions import db
from app.models import Outreach, OutreachBatch

#: states of batches in the words of both channels
STATES = labels.of_both(labels.batch_words("sms"), labels.batch_words("call"))


class BatchState(ChoiceFilter):
    """Batches by state, as their tags say it."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the states, in the words of both channels."""
        return [(code, str(said)) for code, said in STATES.items()]


class BatchOfContacts(ChoiceFilter):
    """Contacts by batch, whoever made it."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the newest batches with contacts that the user sees."""
        seen = exists().where(Outreach.batch_id == OutreachBatch.id, visible_to(g.user, Outreach))
        newest = select(OutreachBatch).where(seen).order_by(OutreachBatch.id.desc()).limit(MAX_CHOICES)
        return [(str(batch.id), str(batch)) for batch in db.session.scalars(newest)]

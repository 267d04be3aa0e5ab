"""Kinds of uploaded files: their columns, and which of them are required."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from app.errors import N_
from app.leads.columns import HEADERS, fields_by_alias, normalise_header
from app.leads.suppression_file import SUPPRESSION_HEADERS
from config import Settings


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    ``headers`` are the accepted names of each field. ``needs`` are groups of fields of which at least one
    must have a column, each with the message for when none has.
    """

    name: str
    headers: Mapping[str, tuple[str, ...]]
    needs: tuple[tuple[tuple[str, ...], str], ...]

    def fields(self, header: Sequence[str]) -> list[str | None]:
        """Return the field that each cell of a header names, None for an unknown name."""
        known = fields_by_alias(self.headers)
        return [known.get(normalise_header(cell)) for cell in header]

    def missing_column(self, columns: Mapping[str, int]) -> str | None:
        """Return the message of the first need that the columns don't meet, None when they meet all."""
        return next((message for fields, message in self.needs if not columns.keys() & set(fields)), None)


LEADS = FileKind(
    "leads",
    HEADERS,
    (
        (("name",), N_("Choose which column has the customers' names.")),
        (("phone",), N_("Choose which column has the phone numbers.")),
        (("id_number", "id_hash"), N_("Choose which column has the ID numbers or their hashes.")),
    ),
)
SUPPRESSIONS = FileKind(
    "suppressions",
    SUPPRESSION_HEADERS,
    (
        (
            ("phone", "id_number", "id_hash"),
            N_("Choose which column has the phone numbers, or the ID numbers or their hashes."),
        ),
    ),
)
KINDS = {kind.name: kind for kind in (LEADS, SUPPRESSIONS)}
#: how the uploaded files of kinds of other domains are taken in, by name
INTAKES: dict[str, Callable[[Any, Settings, dt.date], Any]] = {}
#: undo of a batch by a user, which reports its progress in percent
Undo = Callable[[Engine, int, str, Settings, Callable[[int], None]], object]
#: how a worker undoes batches of kinds of other domains, by name
UNDOS: dict[str, Undo] = {}


def register(
    kind: FileKind, intake: Callable[[Any, Settings, dt.date], Any], undo: Undo | None = None
) -> None:
    """Add a kind of file of a domain above this one. Domains do so when they are imported.

    ``intake`` returns the Intake (app/leads/importer.py) of a batch, given the settings and today's date.
    Without ``undo`` its batches can't be undone.
    """
    KINDS[kind.name], INTAKES[kind.name] = kind, intake
    if undo is not None:
        UNDOS[kind.name] = undo


def can_undo(kind: str) -> bool:
    """Return whether batches of a kind can be undone."""
    return kind == LEADS.name or kind in UNDOS

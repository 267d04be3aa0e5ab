"""Uploaded files of facts, which go the same steps as a lead list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import N_, DomainError
from app.extensions import db
from app.facts import batches, catalogue
from app.facts.definition import PERSON_HEADERS
from app.facts.importer import FactIntake, check_date
from app.leads import kinds
from app.lib.clock import today
from config import Settings


class _Headers(Mapping[str, tuple[str, ...]]):
    """The accepted names of each field, with the facts defined at the moment; that of a fact is ``f<id>``."""

    def _all(self) -> dict[str, tuple[str, ...]]:
        known = catalogue.definitions().items()
        return PERSON_HEADERS | {f"f{fact}": each.names() for fact, each in known}

    def __getitem__(self, field: str) -> tuple[str, ...]:
        return self._all()[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


class FactFiles(kinds.FileKind):
    """Files of facts; a column of at least one fact must be matched."""

    def missing_column(self, columns: Mapping[str, int]) -> str | None:
        """Return the message of the first need that the columns don't meet, None when they meet all."""
        missing = super().missing_column(columns)
        if missing is None and columns.keys() <= PERSON_HEADERS.keys():
            return N_("Choose at least one column that has a fact.")
        return missing


FACTS = FactFiles(
    FactIntake.kind,
    _Headers(),
    (
        (
            ("lead_no", "id_number", "id_hash"),
            N_("Choose which column has the lead numbers, or the ID numbers or their hashes."),
        ),
    ),
)


def options_of(as_of: dt.date | None, *, backfill: bool) -> dict[str, Any]:
    """Return what a batch says of its rows: the date of those without one, by default yesterday.

    Raises DomainError for a date in the future, and while no fact is defined.
    """
    if not catalogue.definitions():
        raise DomainError("No fact is defined yet; define one first.")
    now = today()
    check_date(as_of, now)
    return {"as_of": (as_of or now - dt.timedelta(days=1)).isoformat(), "backfill": backfill}


def _intake(batch: Any, settings: Settings, day: dt.date) -> FactIntake:
    batches.remove_unfinished(db.engine, settings)
    as_of, backfill = dt.date.fromisoformat(batch.options["as_of"]), bool(batch.options["backfill"])
    return FactIntake(settings, catalogue.definitions(), day, as_of=as_of, backfill=backfill)


kinds.register(FACTS, _intake, batches.undo_import)

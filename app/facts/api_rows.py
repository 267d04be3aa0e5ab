"""Facts that a system of the bank states by the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, or_

from app.access.scope import leads_visible_to
from app.activity import store as activity
from app.extensions import db
from app.facts import catalogue
from app.facts.definition import PERSON_HEADERS, FactDef
from app.facts.importer import import_facts
from app.leads.columns import fields_by_alias, normalise_header
from app.leads.cube import activity_root
from app.leads.errors import InvalidIdNumber, RowError
from app.leads.identity import IdHasher, canonical_hash, canonical_id
from app.leads.importer import ImportOrder, ImportResult
from app.lib.clock import today
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.models import Lead

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
else:
    pa = lazy("pyarrow")
    pq = lazy("pyarrow.parquet")

MAX_ROWS = 1000
_NAME = "api.parquet"

Cells = dict[str, str]


def take(items: Sequence[Any], user: Any) -> dict[str, Any]:
    """Import rows as a file of facts, in one batch, about the leads that the system may see.

    Return the batch, the numbers of values, and an answer for each row in order: ``accepted``, or
    ``rejected`` with ``reason`` and ``error``.
    """
    known = catalogue.definitions()
    rows, answers = _read(items, known)
    result = ImportResult(None, 0, 0, 0, 0)
    if rows:
        places = list(rows)

        def rejected(number: int, cells: Sequence[str], error: RowError) -> None:
            answers[places[number - 2]] = _rejection(error.reason, error.explain())

        with activity.workspace(activity_root(current_settings())) as scratch:
            path = _written(scratch / _NAME, list(rows.values()))
            order = ImportOrder(path, _NAME, user.username, current_settings(), rejected=rejected)
            among = _named(list(rows.values()), user)
            result = import_facts(db.engine, order, known, today(), among=among)
    counts = {"batch": result.batch, "stored": result.created, "unchanged": result.existing}
    return counts | {"rows": [answers.get(at, {"status": "accepted"}) for at in range(len(items))]}


def _rejection(reason: str, error: str) -> dict[str, str]:
    return {"status": "rejected", "reason": reason, "error": error}


def _read(
    items: Sequence[Any], known: Mapping[int, FactDef]
) -> tuple[dict[int, Cells], dict[int, dict[str, str]]]:
    """Return the rows as cells by field, and the answers to those that are none, by their places."""
    fields = fields_by_alias(PERSON_HEADERS | {fact.code: fact.names() for fact in known.values()})
    rows, answers = dict[int, Cells](), dict[int, dict[str, str]]()
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            answers[place] = _rejection("malformed_row", "a row is an object")
            continue
        cells = {fields.get(normalise_header(str(key)), ""): value for key, value in item.items()}
        unknown = [key for key in item if normalise_header(str(key)) not in fields]
        if unknown:
            answers[place] = _rejection("unknown_fact", f"there is no fact {unknown[0]}")
        elif not any(_cell(cells.get(name)).strip() for name in ("lead_no", "id_number", "id_hash")):
            answers[place] = _rejection("missing_id", "give lead_no, id_hash or id_number")
        elif wrong := [key for key, value in cells.items() if isinstance(value, list | dict)]:
            answers[place] = _rejection("bad_value", f"{wrong[0]}: not a single value")
        elif not cells.keys() - PERSON_HEADERS.keys():
            answers[place] = _rejection("missing_fact", "the row states no fact")
        else:
            rows[place] = {key: _cell(value) for key, value in cells.items()}
    return rows, answers


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _written(path: Path, rows: list[Cells]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pa.array([row.get(name, "") for row in rows], pa.string()) for name in names}
    pq.write_table(pa.table(columns), path)
    return path


def _named(rows: Sequence[Cells], user: Any) -> ColumnElement[bool]:
    """Return a criterion for the leads that the rows may be about."""
    settings = current_settings()
    hasher = IdHasher(settings.id_hash_algorithm, settings.id_hash_key)
    hashes = set[str]()
    for row in rows:
        with suppress(InvalidIdNumber):
            hashes.add(canonical_hash(row.get("id_hash", "")))
        with suppress(InvalidIdNumber):
            hashes.add(hasher.hash(canonical_id(row.get("id_number", ""))))
    numbers = {row.get("lead_no", "").strip() for row in rows}
    return and_(leads_visible_to(user), or_(Lead.lead_no.in_(numbers), Lead.id_hash.in_(hashes)))

"""Data-subject requests: finding a customer, showing and exporting the data held about them, erasing it.

Every step leaves a row of ``subject_request`` that names the lead and contains no personal data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import delete, or_, select

from app.activity import store
from app.errors import FieldError
from app.extensions import db
from app.leads import number_limit, suppression
from app.leads.cube import activity_root, engine_settings
from app.leads.errors import InvalidIdNumber, InvalidPhone
from app.leads.reasons import checked_reason
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.models import Hit, Lead, LeadBefore, Outreach, Reveal, SubjectRequest, Suppression
from config import Settings

if TYPE_CHECKING:
    from app.activity import person
else:
    person = lazy("app.activity.person")


#: an ID number has at least this many digits, a phone number has fewer
_ID_LENGTH = 15


class Holder(Protocol):
    """A domain above this one that holds data about leads, under ``name`` in the collected data."""

    name: str

    def collect(self, lead: Lead) -> list[dict[str, Any]]:
        """Return what is held about a lead, for JSON."""

    def erase(self, lead_id: int) -> None:
        """Delete what is held about a lead. Repeated it does nothing."""


_HOLDERS: list[Holder] = []


def register(holder: Holder) -> None:
    """Add a holder of data. Domains do so when they are imported."""
    _HOLDERS.append(holder)


@dataclass(frozen=True)
class SearchResult:
    """Leads (including deleted ones), do-not-disturb entries and calls that belong to a typed number."""

    leads: list[Lead]
    suppressions: list[Suppression]
    calls: dict[dt.date, dict[str, int]]


def find(number: str, user: str) -> SearchResult:
    """Search for a complete phone or ID number, record the search and commit.

    The number is turned into an index or hash at once and stored nowhere. ``calls`` are given only for a
    person who was searched by ID number and is not on the list. Raises FieldError for ``number`` when it is
    invalid, and as ``number_limit.record_search`` does.
    """
    settings = current_settings()
    target = _target(number, settings)
    number_limit.record_search(target, SubjectRequest.__tablename__, user)
    phone_index, id_hash = target.phone_index, target.id_hash
    leads = list(
        db.session.scalars(
            select(Lead)
            .where(Lead.phone_index == phone_index if phone_index else Lead.id_hash == id_hash)
            .order_by(Lead.deleted_at.is_not(None), Lead.id)
        )
    )
    entries = list(
        db.session.scalars(
            select(Suppression)
            .where(or_(Suppression.phone_index == phone_index, Suppression.id_hash == id_hash))
            .order_by(Suppression.id)
        )
    )
    calls = _calls(id_hash) if id_hash and not leads else {}
    for lead_no in [lead.lead_no for lead in leads] or [None]:
        _record("find", lead_no, user)
    db.session.commit()
    return SearchResult(leads, entries, calls)


def get_lead(lead_id: int) -> Lead | None:
    """Return the lead, deleted or not, None when there is none."""
    return db.session.get(Lead, lead_id)


def collect_data(lead: Lead, user: str, kind: str = "show") -> dict[str, Any]:
    """Return everything held about a lead, with phones masked and dates as ISO text.

    Records a request of this ``kind`` and commits.
    """
    reveals = db.session.scalars(select(Reveal).where(Reveal.lead_id == lead.id).order_by(Reveal.id)).all()
    data = {
        "lead": _lead(lead),
        "before_imports": [_columns(old, "name", "phone_masked", "source") for old in _before(lead)],
        "reveals": [_columns(reveal, "revealed_at", "revealed_by", "reason") for reveal in reveals],
        "contacts": [_contact(row) for row in _contacts(lead)],
        "suppression": [_suppression(entry) for entry in _entries(lead)],
        "activity": [{"date": str(day), **counts} for day, counts in _calls(lead.id_hash).items()],
        **{holder.name: holder.collect(lead) for holder in _HOLDERS},
    }
    _record(kind, lead.lead_no, user)
    db.session.commit()
    return data


def erase(lead: Lead, lead_no: str, reason: str | None, user: str, *, suppress: bool) -> None:
    """Delete a lead with its hits and reveals immediately and permanently, and commit.

    ``suppress`` puts the person's ID hash on the do-not-disturb list, so that a later import doesn't make
    them contactable again. The activity cube leaves the lead out from its next use on. The logs' events stay
    until the end of their retention period, under a keyed hash that no longer leads to anybody. Raises
    FieldError when the typed number is not the lead's or the reason is missing.
    """
    checked = checked_reason(reason)
    if lead_no.strip() != lead.lead_no:
        raise FieldError("lead_no", "This is not the number of the lead. Nothing was erased.")
    id_hash, lead_id, today = lead.id_hash, lead.id, clock.today()
    suppression.lock_list(db.session)
    db.session.execute(delete(Hit).where(Hit.lead_id == lead.id))
    db.session.execute(delete(Reveal).where(Reveal.lead_id == lead.id))
    _record("erase", lead.lead_no, user, checked)
    db.session.execute(delete(Lead).where(Lead.id == lead.id))
    if suppress:
        _suppress(id_hash, checked, user, today)
    db.session.commit()
    for holder in _HOLDERS:
        holder.erase(lead_id)


def _suppress(id_hash: str, reason: str, user: str, today: dt.date) -> None:
    permanent = select(Suppression.id).where(
        Suppression.id_hash == id_hash, suppression.in_force(today), Suppression.expires_on.is_(None)
    )
    if db.session.scalar(permanent.limit(1)) is None:
        target = suppression.hash_target(id_hash)
        suppression.add(db.session, target, reason=reason, user=user, today=today)


def _target(number: str, settings: Settings) -> suppression.Target:
    """Return the target of a typed number. Raises FieldError for an invalid one."""
    typed = number.strip()
    if not typed:
        raise FieldError("number", "Type a whole phone number or ID number.")
    try:
        if sum(c.isdigit() for c in typed) < _ID_LENGTH:
            return suppression.phone_target(typed, settings)
        return suppression.person_target(typed, settings)
    except (InvalidPhone, InvalidIdNumber) as error:
        raise FieldError("number", error.message, **error.values) from None


def _record(kind: str, lead_no: str | None, user: str, reason: str = "") -> None:
    db.session.add(SubjectRequest(kind=kind, lead_no=lead_no, reason=reason, created_by=user))


def _before(lead: Lead) -> list[LeadBefore]:
    """Return the lead's former values that are kept for the undo of imports."""
    kept = select(LeadBefore).where(LeadBefore.lead_id == lead.id).order_by(LeadBefore.id)
    return list(db.session.scalars(kept))


def _entries(lead: Lead) -> list[Suppression]:
    named = or_(Suppression.phone_index == lead.phone_index, Suppression.id_hash == lead.id_hash)
    return list(db.session.scalars(select(Suppression).where(named).order_by(Suppression.id)))


def _lead(lead: Lead) -> dict[str, Any]:
    values = _columns(
        lead, "lead_no", "name", "phone_masked", "id_hash", "source", "status", "opted_out", "created_at"
    )
    values |= _columns(lead, "updated_at", "deleted_at")
    values["branch"] = lead.branch.name if lead.branch else None
    values["import_file"] = lead.batch.file_name if lead.batch else None
    return values | {"tags": [tag.name for tag in lead.tags]}


def _suppression(entry: Suppression) -> dict[str, Any]:
    return _columns(entry, "shown", "reason", "expires_on", "created_at", "removed_at", "removal_reason")


def _contacts(lead: Lead) -> list[Outreach]:
    return list(db.session.scalars(select(Outreach).where(Outreach.lead_id == lead.id).order_by(Outreach.id)))


def _contact(row: Outreach) -> dict[str, Any]:
    values = _columns(row, "channel", "status", "reason", "at", "sent_at")
    return values | {"template": str(row.version), "text": row.version.body}


def _columns(row: Any, *names: str) -> dict[str, Any]:
    values: Mapping[str, Any] = {name: getattr(row, name) for name in names}
    return {
        name: value.isoformat() if isinstance(value, dt.date | dt.datetime) else value
        for name, value in values.items()
    }


def _calls(id_hash: str) -> dict[dt.date, dict[str, int]]:
    settings = current_settings()
    state = store.snapshot(activity_root(settings))
    return person.person_days(state, id_hash, settings=engine_settings(settings))

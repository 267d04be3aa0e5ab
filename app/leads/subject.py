"""A customer asks about their data: find them, say what is held, hand it over, erase it.

Every step leaves a row of ``subject_request`` that names the lead and holds no personal data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import current_app
from sqlalchemy import delete, or_, select

from app.activity import store
from app.errors import FieldError
from app.extensions import db
from app.leads import lookup, suppression
from app.leads.cube import activity_root, engine_settings
from app.leads.errors import InvalidIdNumber, InvalidPhone
from app.leads.reasons import checked_reason
from app.lib import clock
from app.lib.lazy import lazy
from app.models import Hit, Lead, LeadBefore, Outreach, Reveal, SubjectRequest, Suppression
from config import Settings

if TYPE_CHECKING:
    from app.activity import person
else:
    person = lazy("app.activity.person")


#: a phone number has at most this many digits once decoration is gone, an ID number at least this many
_ID_LENGTH = 15


@dataclass(frozen=True)
class Found:
    """Whom a typed number belongs to: leads, deleted ones too, and entries of the do-not-disturb list."""

    leads: list[Lead]
    suppressions: list[Suppression]
    calls: dict[dt.date, dict[str, int]]


def find(number: str, who: str) -> Found:
    """Look for a whole phone or ID number; it becomes an index or a hash at once and is kept nowhere.

    Commits a record of the search. ``calls`` are those of a person found by ID number alone, who is
    not on the list. Raises FieldError for ``number`` when it is neither, and as ``lookup.ask``.
    """
    settings = _settings()
    target = _target(number, settings)
    lookup.ask(target, SubjectRequest.__tablename__, who)
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
        _record("find", lead_no, who)
    db.session.commit()
    return Found(leads, entries, calls)


def lead_of(lead_id: int) -> Lead | None:
    """Return the lead, deleted or not; None when there is none."""
    return db.session.get(Lead, lead_id)


def held(lead: Lead, who: str, kind: str = "show") -> dict[str, Any]:
    """Everything held about a lead, phone masked, dates as ISO text. Commits a record of ``kind``."""
    hits = db.session.scalars(select(Hit).where(Hit.lead_id == lead.id).order_by(Hit.hit_date)).all()
    looks = db.session.scalars(select(Reveal).where(Reveal.lead_id == lead.id).order_by(Reveal.id)).all()
    answer = {
        "lead": _lead(lead),
        "before_imports": [_columns(old, "name", "phone_masked", "source") for old in _before(lead)],
        "hits": [_hit(hit) for hit in hits],
        "reveals": [_columns(look, "revealed_at", "revealed_by", "reason") for look in looks],
        "contacts": [_contact(row) for row in _contacts(lead)],
        "suppression": [_suppression(entry) for entry in _entries(lead)],
        "activity": [{"date": str(day), **counts} for day, counts in _calls(lead.id_hash).items()],
    }
    _record(kind, lead.lead_no, who)
    db.session.commit()
    return answer


def erase(lead: Lead, lead_no: str, reason: str | None, who: str, *, suppress: bool) -> None:
    """Delete a lead with its hits and the records of looks at its number, at once and for good. Commits.

    ``suppress`` keeps the person's ID hash on the do-not-disturb list, so that a later import does not
    bring them back into contact. The activity cube leaves the lead out from its next use on; the logs'
    events stay until they are too old, under a keyed hash that no longer leads to anybody.
    Raises FieldError when the typed number is not the lead's or the reason is missing.
    """
    said = checked_reason(reason)
    if lead_no.strip() != lead.lead_no:
        raise FieldError("lead_no", "This is not the number of the lead. Nothing was erased.")
    id_hash, today = lead.id_hash, clock.today()
    suppression.hold(db.session)
    db.session.execute(delete(Hit).where(Hit.lead_id == lead.id))
    db.session.execute(delete(Reveal).where(Reveal.lead_id == lead.id))
    _record("erase", lead.lead_no, who, said)
    db.session.execute(delete(Lead).where(Lead.id == lead.id))
    if suppress:
        _suppress(id_hash, said, who, today)
    db.session.commit()


def _suppress(id_hash: str, reason: str, who: str, today: dt.date) -> None:
    lasting = select(Suppression.id).where(
        Suppression.id_hash == id_hash, suppression.in_force(today), Suppression.expires_on.is_(None)
    )
    if db.session.scalar(lasting.limit(1)) is None:
        target = suppression.hash_target(id_hash)
        suppression.add(db.session, target, reason=reason, who=who, today=today)


def _target(number: str, settings: Settings) -> suppression.Target:
    """Whom the typed number names."""
    typed = number.strip()
    if not typed:
        raise FieldError("number", "Type a whole phone number or ID number.")
    try:
        if sum(c.isdigit() for c in typed) < _ID_LENGTH:
            return suppression.phone_target(typed, settings)
        return suppression.person_target(typed, settings)
    except (InvalidPhone, InvalidIdNumber) as error:
        raise FieldError("number", error.message, **error.values) from None


def _record(kind: str, lead_no: str | None, who: str, reason: str = "") -> None:
    db.session.add(SubjectRequest(kind=kind, lead_no=lead_no, reason=reason, created_by=who))


def _before(lead: Lead) -> list[LeadBefore]:
    """What imports changed of the lead, as long as it is kept for their undo."""
    kept = select(LeadBefore).where(LeadBefore.lead_id == lead.id).order_by(LeadBefore.id)
    return list(db.session.scalars(kept))


def _entries(lead: Lead) -> list[Suppression]:
    named = or_(Suppression.phone_index == lead.phone_index, Suppression.id_hash == lead.id_hash)
    return list(db.session.scalars(select(Suppression).where(named).order_by(Suppression.id)))


def _lead(lead: Lead) -> dict[str, Any]:
    shown = _columns(
        lead, "lead_no", "name", "phone_masked", "id_hash", "source", "status", "opted_out", "created_at"
    )
    shown |= _columns(lead, "updated_at", "deleted_at")
    shown["branch"] = lead.branch.name if lead.branch else None
    shown["import_file"] = lead.batch.file_name if lead.batch else None
    return shown | {"tags": [tag.name for tag in lead.tags]}


def _hit(hit: Hit) -> dict[str, Any]:
    shown = _columns(hit, "hit_date", "grade", "score", "status", "last_met_on", "created_at", "evidence")
    return {"rule": hit.rule.name, "version": hit.version.number, **shown, "latest": hit.latest}


def _suppression(entry: Suppression) -> dict[str, Any]:
    return _columns(entry, "shown", "reason", "expires_on", "created_at", "removed_at", "removal_reason")


def _contacts(lead: Lead) -> list[Outreach]:
    return list(db.session.scalars(select(Outreach).where(Outreach.lead_id == lead.id).order_by(Outreach.id)))


def _contact(row: Outreach) -> dict[str, Any]:
    shown = _columns(row, "channel", "status", "reason", "at", "sent_at")
    return shown | {"template": str(row.version), "text": row.version.body}


def _columns(row: Any, *names: str) -> dict[str, Any]:
    values: Mapping[str, Any] = {name: getattr(row, name) for name in names}
    return {
        name: value.isoformat() if isinstance(value, dt.date | dt.datetime) else value
        for name, value in values.items()
    }


def _calls(id_hash: str) -> dict[dt.date, dict[str, int]]:
    settings = _settings()
    state = store.snapshot(activity_root(settings))
    return person.person_days(state, id_hash, settings=engine_settings(settings))


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings

"""What is held about a customer and why, and who saw it as far as it was recorded."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import BigInteger, func, or_, select

from app import labels
from app.activity.errors import ActivityError
from app.console.access import may
from app.errors import DomainError
from app.exports.content import CONTENTS
from app.extensions import db
from app.facts.definition import FactDef
from app.facts.lead import known_facts
from app.lib import clock
from app.lib.deadline import Deadline, DeadlineExceeded
from app.lib.settings import current_settings
from app.models import (
    ChangeLog,
    ExportJob,
    Hit,
    Lead,
    LeadBefore,
    Outcome,
    Outreach,
    Reveal,
    RunStatus,
    Staff,
    SubjectRequest,
    Suppression,
)
from app.segments import sentence
from app.selection import Selection

log = logging.getLogger(__name__)
#: entries of who saw the data
MAX_SEEN = 12
#: the newest exports that are compared with the customer, and for how long in all
MAX_EXPORTS = 20
EXPORT_SECONDS = 0.5
#: filters that need the activity of a whole list
SLOW_FILTERS = frozenset({"segment", "matrix"})
#: days of which reads by the API are counted
API_DAYS = 30


@dataclass(frozen=True)
class Category:
    """A category of data: what it is, how much there is, for which purpose, and for how long it is kept."""

    name: str
    held: str
    purpose: str
    kept: str


@dataclass(frozen=True)
class Seen:
    """Somebody who saw the customer's data: what, who, and when."""

    what: str
    who: str
    when: dt.datetime
    url: str = ""


def shown(lead: Lead) -> dict[str, Any]:
    """Return what the template needs; who saw the data is for those who may read the change log."""
    opens = may("can_list", "ChangeLogView")
    return {
        "held": list(_categories(lead)),
        "seen": _seen(lead) if opens else None,
        "api_reads": _api_reads() if opens else [],
        "most_seen": MAX_SEEN,
        "api_days": API_DAYS,
    }


def _categories(lead: Lead) -> Iterator[Category]:
    settings = current_settings()
    purged = _("until %(n)s days after the lead is deleted", n=settings.leads_purge_days)
    marketing = labels.word(labels.PURPOSE, "marketing")
    yield Category(
        _("Identity"),
        _("name, encrypted phone number, ID number only as a keyed hash"),
        _("to recognise and reach the customer"),
        purged,
    )
    yield Category(_("Lead list"), _("source channel, branch, status, tags"), marketing, purged)
    if before := _count(LeadBefore, LeadBefore.lead_id == lead.id):
        kept = _("%(n)s days after the import", n=settings.leads_purge_days)
        yield Category(_("Earlier values"), _entries(before), _("to undo an import"), kept)
    yield from _facts(lead)
    calls = _("calls by day, hour, institution and type, under a keyed hash")
    yield Category(_("Activity"), calls, marketing, _("%(n)s days", n=settings.events_retention_days))
    hits = _count(Hit, Hit.lead_id == lead.id)
    yield Category(_("Hits"), _("%(n)s with reason and follow-up", n=f"{hits:,}"), marketing, purged)
    contacts = _count(Outreach, Outreach.lead_id == lead.id)
    proof = _("marketing, and proof that the rules were kept")
    yield Category(_("Contacts"), _("%(n)s with answers", n=f"{contacts:,}"), proof, purged)
    if outcomes := _count(Outcome, Outcome.lead_id == lead.id):
        measured = _("to measure what marketing causes, alike for all customers")
        yield Category(_("Outcomes"), _entries(outcomes), measured, purged)
    named = or_(Suppression.phone_index == lead.phone_index, Suppression.id_hash == lead.id_hash)
    if entries := _count(Suppression, named):
        kept = _("for good, so that the wish is respected")
        yield Category(_("Do not disturb"), _entries(entries), _("not to contact the customer"), kept)
    reveals = _count(Reveal, Reveal.lead_id == lead.id)
    viewed = ngettext("%(n)s view", "%(n)s views", reveals, n=f"{reveals:,}")
    yield Category(_("Phone number views"), viewed, _("to account for who saw the number"), purged)


def _entries(count: int) -> str:
    return ngettext("%(n)s entry", "%(n)s entries", count, n=f"{count:,}")


def _facts(lead: Lead) -> Iterator[Category]:
    """Yield the facts known today by purpose."""
    try:
        known = known_facts(lead.id, clock.today())
    except ActivityError:
        log.exception("the facts of lead %s can't be read", lead.id)
        return
    by_purpose: dict[str, list[FactDef]] = defaultdict(list)
    for each in known:
        by_purpose[each.fact.purpose].append(each.fact)
    for purpose, facts in by_purpose.items():
        days = sorted({fact.keep_days for fact in facts})
        kept = _("%(n)s days", n=f"{days[0]}–{days[-1]}" if len(days) > 1 else days[0])
        names = labels.enumerated(sentence.name_of(fact) for fact in facts)
        word = labels.word(labels.PURPOSE, purpose)
        yield Category(_("Facts: %(purpose)s", purpose=word), names, word, kept)


def _count(model: Any, which: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(which)) or 0


def _seen(lead: Lead) -> list[Seen]:
    """Return the newest times that somebody saw the data."""
    found = [*_reveals(lead), *_requests(lead), *_exports(lead)]
    return sorted(found, key=lambda each: each.when, reverse=True)[:MAX_SEEN]


def _reveals(lead: Lead) -> Iterator[Seen]:
    query = (
        select(Reveal).where(Reveal.lead_id == lead.id).order_by(Reveal.revealed_at.desc()).limit(MAX_SEEN)
    )
    for row in db.session.scalars(query):
        yield Seen(_("full phone number"), row.revealed_by, row.revealed_at)


def _requests(lead: Lead) -> Iterator[Seen]:
    query = select(SubjectRequest).where(SubjectRequest.lead_no == lead.lead_no)
    for row in db.session.scalars(query.order_by(SubjectRequest.id.desc()).limit(MAX_SEEN)):
        kind = labels.word(labels.SUBJECT_KIND, row.kind)
        yield Seen(_("customer data request: %(kind)s", kind=kind), row.created_by, row.created_at)


def _exports(lead: Lead) -> Iterator[Seen]:
    """Yield exports since the lead was added that would have it by today's data: files name no customers."""
    jobs = db.session.scalars(
        select(ExportJob)
        .where(ExportJob.status == RunStatus.DONE, ExportJob.created_at >= lead.created_at)
        .order_by(ExportJob.id.desc())
        .limit(MAX_EXPORTS)
    ).all()
    deadline = Deadline(db.session, EXPORT_SECONDS)
    for job in jobs:
        name = labels.word(labels.EXPORT_KIND, job.kind)
        if job.clear:
            name = _("%(list)s with phone numbers in clear", list=name)
        if (has := _has(job, lead, deadline)) is not False:
            what = _("export: %(list)s", list=name)
            if has is None:
                what = _("perhaps in the export: %(list)s", list=name)
            url = url_for("ExportJobView.show", pk=job.id) if may("can_show", "ExportJobView") else ""
            yield Seen(what, job.requested_by, job.finished_at or job.created_at, url)


def _has(job: ExportJob, lead: Lead, deadline: Deadline) -> bool | None:
    """Return whether the export's filters leave the lead today, None when that takes too long to say."""
    if SLOW_FILTERS & {column for column, _operator, _value in job.filters}:
        return None
    model = CONTENTS[job.kind].model
    user = db.session.scalar(select(Staff).where(Staff.username == job.requested_by))
    try:
        query = Selection.of_json(model, job.filters, user).query()
        own = model.id == lead.id if model is Lead else Hit.lead_id == lead.id
        return bool(deadline.execute(query.filter(own).with_entities(model.id).limit(1).statement))
    except (DomainError, DeadlineExceeded):
        return None


def _api_reads() -> list[tuple[str, int, int, dt.datetime]]:
    """Return who read leads or hits by the API lately: name, reads, rows, and the last time."""
    rows = ChangeLog.changes["rows"].astext.cast(BigInteger)
    query = (
        select(ChangeLog.actor, func.count(), func.coalesce(func.sum(rows), 0), func.max(ChangeLog.time))
        .where(
            ChangeLog.object.in_((Lead.__tablename__, Hit.__tablename__)),
            ChangeLog.kind == "download",
            ChangeLog.time >= clock.now() - dt.timedelta(days=API_DAYS),
        )
        .group_by(ChangeLog.actor)
        .order_by(func.max(ChangeLog.time).desc())
        .limit(10)
    )
    return [(actor, n, int(read), time) for actor, n, read, time in db.session.execute(query)]

"""Notices about customers: due, newly assigned, escalated, asked for by a colleague, and to be called now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from flask_babel import lazy_gettext

from app import labels
from app.access.rights import holders
from app.access.scope import supervises
from app.hits import due
from app.hits.due import midnight
from app.lib.clock import today
from app.lib.pointers import to_page, to_row, to_rows
from app.reminders.notice import Notice

#: hour from which people are notified of who is due on the day
FIRST_HOUR = 7
DUE = lazy_gettext("%(n)s customers are due today or overdue")
GIVEN = lazy_gettext("%(n)s customers were assigned to you on %(day)s and are waiting for first contact")
ESCALATED = lazy_gettext("%(n)s customers were escalated because nobody followed up in time")
CALL = lazy_gettext("Call %(lead)s at %(time)s, as agreed with the customer")
ASKED = lazy_gettext("Colleagues ask you to hand over %(n)s customers")


def notices(now: dt.datetime) -> Iterator[Notice]:
    """Yield the notices for owners of customers and their managers."""
    day = today(now)
    awake = now >= midnight(day) + dt.timedelta(hours=FIRST_HOUR)
    if awake:
        yield from _due(day)
    for each in (day, day - dt.timedelta(days=1)):
        yield from _assigned(each)
    yield from _escalated(rings=awake)
    yield from _asked()
    yield from _call_backs(now)


def _due(day: dt.date) -> Iterator[Notice]:
    """Yield one notice per person and day, silent when they have worked with all of them today."""
    for group in due.due_groups(day):
        yield Notice(
            group.person_id,
            f"due-{day}",
            "due",
            DUE,
            {"n": group.n},
            to_page("my_work", show="due"),
            mark=0 if group.mark else -1,
        )


def _assigned(day: dt.date) -> Iterator[Notice]:
    for group in due.newly_assigned_groups(day):
        yield Notice(
            group.person_id,
            f"assigned-{day}",
            "assigned",
            GIVEN,
            {"n": group.n, "day": str(day)},
            to_rows("customer", given=day),
            mark=group.mark,
        )


def _escalated(*, rings: bool) -> Iterator[Notice]:
    escalation = due.last_escalation()
    if escalation is None:
        return
    count, last = escalation
    for person in holders(("assign", "HitView")):
        if supervises(person):
            yield Notice(
                person.id,
                f"escalated-{today(last)}",
                "escalated",
                ESCALATED,
                {"n": count},
                to_rows("customer", work="escalated"),
                mark=int(last.timestamp()) if rings else -1,
            )


def _asked() -> Iterator[Notice]:
    """Yield one notice per owner whose customers somebody else asks for."""
    for group in due.asked_groups():
        pointer = to_rows("customer", work="asked")
        yield Notice(group.person_id, "asked", "asked", ASKED, {"n": group.n}, pointer, mark=group.mark)


def _call_backs(now: dt.datetime) -> Iterator[Notice]:
    """Yield one notice per call that the owner agreed with a customer, when it is due."""
    for owner, customer, lead, at in due.call_backs(now):
        values = {"lead": lead, "time": f"{labels.local(at):%H:%M}"}
        pointer = to_row("customer", customer)
        yield Notice(owner, f"call-{customer}-{int(at.timestamp())}", "call_back", CALL, values, pointer)

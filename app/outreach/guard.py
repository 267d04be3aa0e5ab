"""The guard of contacts in the database: functions and triggers of ``sql/guard.sql``.

The database refuses a contact's transition to *sending* outside contact hours, on a public holiday, before
its batch starts, over a cap, or to somebody who opted out, by the rules in force that
``app.outreach.compliance`` reads too. A call may name the step by which a manager allowed it outside contact
hours.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from app.jobs.locks import Lock
from app.outreach.settings import OutreachSettings
from app.schedules import calendar

_FILE = Path(__file__).parent / "sql" / "guard.sql"
_BODIES = re.compile(r"FUNCTION public\.(\w+)\(.*?\$\$(.*?)\$\$", re.DOTALL)
#: (table, trigger) → when it fires, and its function
TRIGGERS = {
    ("outreach", "contact_guard"): (
        "BEFORE INSERT OR UPDATE OF status, reserved_at, reported_at, override_id",
        "ROW EXECUTE FUNCTION public.contact_guard()",
    ),
    ("suppression", "contact_rules_change"): (
        "BEFORE INSERT",
        "STATEMENT EXECUTE FUNCTION public.contact_rules_change()",
    ),
    ("outreach_setting", "contact_rules_change"): (
        "BEFORE INSERT OR UPDATE OF status, values OR DELETE",
        "STATEMENT EXECUTE FUNCTION public.contact_rules_change()",
    ),
    ("outreach_setting", "contact_rules_start"): (
        "BEFORE INSERT OR UPDATE OF status",
        "ROW EXECUTE FUNCTION public.contact_rules_start()",
    ),
    ("holiday", "contact_rules_change"): (
        "BEFORE INSERT OR UPDATE OR DELETE",
        "STATEMENT EXECUTE FUNCTION public.contact_rules_change()",
    ),
    ("calendar_day", "contact_rules_change"): (
        "BEFORE INSERT OR UPDATE OR DELETE",
        "STATEMENT EXECUTE FUNCTION public.contact_rules_change()",
    ),
}
_PRESENT = text("""
    SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
""")
_SOURCES = text("SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
#: how far ahead the calendar has to be filled
_DAYS_AHEAD = 30


#: refusals that are about the moment, and not about the customer
OF_THE_MOMENT = frozenset({"hours", "calendar", "start"})


class Refusal(NamedTuple):
    """A contact that the database refused, and the reason as in ``compliance.REASONS``."""

    contact: int
    reason: str


def install(connection: Connection) -> None:
    """Install functions and triggers, and fill the calendar. Safe to repeat."""
    connection.exec_driver_sql(_source().replace("%", "%%"))
    for (table, name), (event, action) in TRIGGERS.items():
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TRIGGER {name} {event} ON public.{table} FOR EACH {action}"
        )
        connection.exec_driver_sql(f"ALTER TABLE public.{table} ENABLE TRIGGER {name}")
    calendar.fill(connection)


def missing(connection: Connection) -> list[str]:
    """Return what of the guard is missing, disabled or other than installed."""
    present = {(table, name) for table, name in connection.execute(_PRESENT).tuples()}
    triggers = [f"{table}.{name}" for table, name in TRIGGERS if (table, name) not in present]
    sources: dict[str, str] = dict(connection.execute(_SOURCES).tuples().all())
    return triggers + [name for name, body in _BODIES.findall(_source()) if sources.get(name) != body]


def refusal(error: IntegrityError) -> Refusal | None:
    """Return the refusal that an error of the database tells of, None for another error."""
    said = getattr(error.orig, "diag", None)
    if said is None or said.constraint_name != "contact_guard":
        return None
    return Refusal(int(said.message_detail), said.column_name)


def _source() -> str:
    defaults = json.dumps(OutreachSettings().model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
    return (
        _FILE.read_text("utf-8")
        .replace("{defaults}", defaults.replace("'", "''"))
        .replace("{rules_lock}", str(int(Lock.OUTREACH_RULES)))
        .replace("{person_lock}", str(int(Lock.OUTREACH_PERSON)))
    )


def filled(connection: Connection, today: dt.date) -> bool:
    """Whether the database knows the kind of the coming days."""
    until = today + dt.timedelta(days=_DAYS_AHEAD)
    count = text("SELECT count(*) FROM calendar_day WHERE date BETWEEN :today AND :until")
    return connection.scalar(count, {"today": today, "until": until}) == _DAYS_AHEAD + 1

"""Fill an empty development database with the demo."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from flask import Flask, current_app
from flask_babel import force_locale
from sqlalchemy import select

from app.coldstart import PRESETS, apply_presets
from app.demo import asked, people, pushes, staff, story, work
from app.demo.contacts import Contacts
from app.demo.provider import Provider
from app.demo.staff import create_logins
from app.extensions import db
from app.leads import suppression
from app.leads.identity import IdHasher
from app.leads.importer import import_leads
from app.lib import clock
from app.lib.clock import today
from app.models import JobRun, Lead, Staff
from app.reports import plan
from app.reports.worker import make_reports
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import ConfigFile, read_config_file
from app.t1.execute import execute
from app.t1.inbox import inbox_folder
from app.t1.runs import request_run, settings

SEED = "lead-monitor-demo"
WHO = "demo"
#: For each customer there are this many people in the logs whom the bank does not know.
STRANGERS = 2.5
#: An institution that the presets do not know, with the category it behaves like.
UNLISTED = {"CF-NEWCOMER": "consumer_finance"}
#: The last days of the story that get a T+1 run: the first catches what had gathered, a usual week follows.
RUN_DAYS = 8
#: Rules that hold some of their people out, and how many percent: what contact is worth shows against them.
HELD_OUT = {"R-CREDIT-CALLS-7D": 20, "R-FACE-3D": 20, "R-OTHER-BANK-14D": 15}
OPTED_OUT = 0.02
OPT_OUT_REASON = "客户来电要求不再联系"
LEAD_FILE = "存量客户名单.csv"

Say = Callable[[str], None]


def load_demo(progress: Say, *, customers: int = 5000, days: int = 30, runs: int = RUN_DAYS) -> bool:
    """Fill an empty development database with the demo, inside an app context; False when it does nothing.

    That is in production, and when there is or was a lead; log-ins are made whenever nobody has one.
    ``days`` of logs end yesterday, the last ``runs`` of them get a T+1 run. Broken off before the end it
    leaves a list to work with: T+1 runs that did not happen are queued for the worker.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if settings().production:
        return False
    empty = db.session.scalar(select(Lead.id).limit(1)) is None
    if empty:
        staff.create_branches()
    create_logins(app)
    if empty:
        apply_presets()
        _hold_out()
        # Whoever has no request at hand has no language either.
        with force_locale("zh"):
            _fill(progress, customers, days, runs)
    return empty


def _fill(progress: Say, count: int, days: int, runs: int) -> None:
    weights = {branch.code: branch.weight for branch in staff.BRANCHES if branch.weight}
    customers = people.customers(count, weights, _random("people"))
    # The list comes after the logs: broken off before it, the next start does everything again.
    rows = _deliver_logs(customers, days)
    progress(f"Demo: {days} days of logs, {rows:,} rows")
    created = _import(customers)
    progress(f"Demo: {created:,} customers")
    yesterday = today() - dt.timedelta(days=1)
    last_days = [yesterday - dt.timedelta(days=n) for n in reversed(range(runs))]
    for run_id, day in [(request_run(day, WHO).id, day) for day in last_days]:
        execute(run_id)
        sent = pushes.push_day(day + dt.timedelta(days=1), settings().zone, clock.now())
        progress(f"Demo: {_outcome(run_id)}, {sent} pushes")
    _work(progress, yesterday)


def _hold_out() -> None:
    """The demo bank's own versions of some presets: they keep a group that nobody contacts."""
    presets = {rule.code: rule for rule in read_config_file(PRESETS).rules}
    held = [presets[code].model_copy(update={"holdout_percent": n}) for code, n in HELD_OUT.items()]
    apply_config(ConfigFile(rules=held), "demo", WHO)


def _work(progress: Say, yesterday: dt.date) -> None:
    """What the bank's people did with the hits, and what waits for them this morning."""
    zone, now = settings().zone, clock.now()
    manager, admin = (_person(name) for name in ("manager", "admin"))
    work.mornings()
    if manager is not None and admin is not None:
        sent = Contacts(manager, admin, now, zone, _random("contacts")).tell()
        progress(f"Demo: {sent:,} contacts")
    progress(f"Demo: {work.work_on_hits(yesterday, zone, _random('work')):,} hits worked on")
    if manager is not None and admin is not None:
        asked.ask(manager, admin)
        _report(manager)


def _report(manager: Staff) -> None:
    """Create the report of the last complete week without sending it."""
    plan.request_report(plan.available_weeks()[0], manager)
    make_reports()


def _person(username: str) -> Staff | None:
    """A log-in of the demo; nobody when the bank had log-ins of its own before."""
    return db.session.scalar(select(Staff).where(Staff.username == username))


def _random(part: str) -> Random:
    """The same numbers in every demo; each part has its own so that a change of one leaves the others."""
    return Random(f"{SEED} {part}")  # noqa: S311 - a story, not a secret


def _deliver_logs(customers: list[people.Customer], days: int) -> int:
    """Put the files of the days up to yesterday into the inbox; the number of rows."""
    random = _random("story")
    hasher = IdHasher(settings().id_hash_algorithm, settings().id_hash_key)
    catalogue = UNLISTED | {each.code: each.category for each in read_config_file(PRESETS).institutions}
    known = [hasher.hash(customer.id_number) for customer in customers]
    strangers = [random.randbytes(32).hex() for _ in range(round(len(customers) * STRANGERS))]
    characters = [each for group in (known, strangers) for each in story.cast(group, days, catalogue, random)]
    provider = Provider(inbox_folder(settings()), settings().zone, random)
    first = today() - dt.timedelta(days=days)
    rows = 0
    for day in range(days):
        date = first + dt.timedelta(days=day)
        calls = story.calls_of_day(characters, day, date, catalogue, random)
        rows += provider.deliver(date, calls, last=day == days - 1)
    return rows


def _import(customers: list[people.Customer]) -> int:
    """Import the list as a clerk would, then take down who does not want to be contacted."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / LEAD_FILE
        people.write_lead_file(path, customers)
        result = import_leads(db.engine, path, file_name=LEAD_FILE, operator=WHO, settings=settings())
    chosen = _random("opt-out").sample([c.lead_no for c in customers], round(len(customers) * OPTED_OUT))
    for lead in db.session.scalars(select(Lead).where(Lead.lead_no.in_(chosen)).order_by(Lead.id)):
        target = suppression.hash_target(lead.id_hash)
        suppression.add(db.session, target, reason=OPT_OUT_REASON, who=WHO, today=today())
    db.session.commit()
    return result.created


def _outcome(run_id: int) -> str:
    run = db.session.get_one(JobRun, run_id, populate_existing=True)
    created = sum(run.counts.get("hits", {}).get("created", {}).values())
    return f"T+1 of {run.day} {run.status}, {created:,} hits"

"""Filling an empty development database with the demo."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from flask import Flask, current_app
from flask_babel import force_locale
from sqlalchemy import select, update

from app.coldstart import apply_presets, presets
from app.demo import behaviour, facts, journeys, outcomes, pending, people, pushes, staff, work
from app.demo.batches import backdate
from app.demo.contacts import Contacts
from app.demo.provider import Provider
from app.demo.staff import create_logins
from app.extensions import db
from app.leads import suppression
from app.leads.identity import IdHasher
from app.leads.importer import import_leads
from app.lib import clock
from app.lib.clock import today
from app.lib.settings import current_settings
from app.models import JobRun, Lead, OutreachSetting, Staff
from app.reports import plan
from app.reports.worker import make_reports
from app.rules import control_group
from app.rulesfile.apply import apply_config
from app.rulesfile.outreach import OutreachDef
from app.rulesfile.schema import ConfigFile
from app.t1.execute import execute
from app.t1.inbox import inbox_folder
from app.t1.runs import request_run

SEED = "lead-monitor-demo"
WHO = "demo"
#: people in the logs who are not customers, per customer
STRANGERS = 2.5
#: an institution that is not in the presets, with the category whose behaviour it has
UNLISTED = {"CF-NEWCOMER": "consumer_finance"}
#: last days that get a T+1 run; the first of them catches all that has accumulated
RUN_DAYS = 8
#: rules with more people held out than the presets have, so that a week is enough to measure an effect
HELD_OUT = {"R-CREDIT-CALLS-7D": 30, "R-FACE-3D": 25}
#: percentage of the universal control group
CONTROL = 3.0
#: days since the list was imported
LISTED_DAYS = 90
OPTED_OUT = 0.02
OPT_OUT_REASON = "客户来电要求不再联系"
LEAD_FILE = "存量客户名单.csv"

Say = Callable[[str], None]


def load_demo(progress: Say, *, customers: int = 5000, days: int = 30, runs: int = RUN_DAYS) -> bool:
    """Fill an empty development database with the demo. Return False when nothing is done.

    Nothing is done in production, and when there is or was a lead. Log-ins are created whenever nobody has
    one. ``days`` of logs end yesterday; the last ``runs`` of them get a T+1 run. If the loading is
    interrupted, the database is usable: missing T+1 runs are queued for the worker. Needs an app context.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if current_settings().production:
        return False
    empty = db.session.scalar(select(Lead.id).limit(1)) is None
    if empty:
        staff.create_branches()
    create_logins(app)
    if empty:
        apply_presets()
        _hold_out()
        # Outside a request there is no current language.
        with force_locale("zh"):
            _fill(progress, customers, days, runs)
    return empty


def _fill(progress: Say, count: int, days: int, runs: int) -> None:
    weights = {branch.code: branch.weight for branch in staff.BRANCHES if branch.weight}
    customers = people.customers(count, weights, _random("people"))
    # The list is imported after the logs. If interrupted before, the next start does everything again.
    rows = _deliver_logs(customers, days)
    progress(f"Demo: {days} days of logs, {rows:,} rows")
    created = _import(customers)
    progress(f"Demo: {created:,} customers")
    progress(f"Demo: {_tell_facts(customers):,} facts")
    control_group.draw(current_settings())
    yesterday = today() - dt.timedelta(days=1)
    last_days = [yesterday - dt.timedelta(days=n) for n in reversed(range(runs))]
    for run_id, day in [(request_run(day, WHO).id, day) for day in last_days]:
        execute(run_id)
        sent = pushes.push_day(day + dt.timedelta(days=1), current_settings().zone, clock.now())
        progress(f"Demo: {_outcome(run_id)}, {sent} pushes")
    _work(progress, yesterday)
    progress(f"Demo: {journeys.create('manager', last_days[0], yesterday):,} customers in journeys")
    if (admin := _user("admin")) is not None:
        journeys.submit(admin)


def _hold_out() -> None:
    """Give some preset rules a larger holdout group, and the bank an older control group."""
    rules = {rule.code: rule for rule in presets().rules}
    held = [rules[code].model_copy(update={"holdout_percent": n}) for code, n in HELD_OUT.items()]
    controlled = OutreachDef.model_validate(presets().outreach).model_copy(
        update={"control_percent": CONTROL}
    )
    apply_config(ConfigFile(rules=held, outreach=controlled), WHO)
    since = clock.now() - dt.timedelta(days=LISTED_DAYS)
    db.session.execute(update(OutreachSetting).values(created_at=since, activated_at=since))
    db.session.commit()


def _tell_facts(customers: list[people.Customer]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return facts.deliver(customers, Path(folder), WHO, today(), _random("facts"))


def _work(progress: Say, yesterday: dt.date) -> None:
    """Create the staff's contacts and work on hits, and the requests pending this morning."""
    zone, now = current_settings().zone, clock.now()
    manager, admin = (_user(name) for name in ("manager", "admin"))
    work.set_hit_mornings()
    if manager is not None and admin is not None:
        sent = Contacts(manager, admin, now, zone, _random("contacts")).create()
        progress(f"Demo: {sent:,} contacts")
    progress(f"Demo: {work.work_on_hits(yesterday, zone, _random('work')):,} hits worked on")
    work.name_products()
    with tempfile.TemporaryDirectory() as folder:
        sold, corrected = outcomes.deliver(Path(folder), WHO, yesterday, _random("outcomes"))
    progress(f"Demo: {sold:,} outcomes, {corrected} corrected")
    if manager is not None and admin is not None:
        pending.create(manager, admin)
        _report(manager)


def _report(manager: Staff) -> None:
    """Create the report of the last complete week without sending it."""
    plan.request_report(plan.available_weeks()[0], manager)
    make_reports()


def _user(username: str) -> Staff | None:
    """Return a demo user, None when the database had log-ins of its own before."""
    return db.session.scalar(select(Staff).where(Staff.username == username))


def _random(part: str) -> Random:
    """Return a seeded generator, one for each part so that a change of one leaves the others."""
    return Random(f"{SEED} {part}")  # noqa: S311 - demo data, not a secret


def _deliver_logs(customers: list[people.Customer], days: int) -> int:
    """Write the log files of the days up to yesterday to the inbox. Return the number of rows."""
    random = _random("story")
    hasher = IdHasher(current_settings().id_hash_algorithm, current_settings().id_hash_key)
    catalogue = UNLISTED | {each.code: each.category for each in presets().institutions}
    known = [hasher.hash(customer.id_number) for customer in customers]
    strangers = [random.randbytes(32).hex() for _ in range(round(len(customers) * STRANGERS))]
    characters = [
        each for group in (known, strangers) for each in behaviour.cast(group, days, catalogue, random)
    ]
    provider = Provider(inbox_folder(current_settings()), current_settings().zone, random)
    first = today() - dt.timedelta(days=days)
    rows = 0
    for day in range(days):
        date = first + dt.timedelta(days=day)
        calls = behaviour.calls_of_day(characters, day, date, catalogue, random)
        rows += provider.deliver(date, calls, last=day == days - 1)
    return rows


def _import(customers: list[people.Customer]) -> int:
    """Import the list as a clerk would, and add some leads to the do-not-disturb list."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / LEAD_FILE
        people.write_lead_file(path, customers)
        result = import_leads(db.engine, path, file_name=LEAD_FILE, user=WHO, settings=current_settings())
    backdate(result.batch, today() - dt.timedelta(days=LISTED_DAYS))
    numbers = _random("opt-out").sample([c.lead_no for c in customers], round(len(customers) * OPTED_OUT))
    for lead in db.session.scalars(select(Lead).where(Lead.lead_no.in_(numbers)).order_by(Lead.id)):
        target = suppression.hash_target(lead.id_hash)
        suppression.add(db.session, target, reason=OPT_OUT_REASON, user=WHO, today=today())
    db.session.commit()
    return result.created


def _outcome(run_id: int) -> str:
    run = db.session.get_one(JobRun, run_id, populate_existing=True)
    created = sum(run.counts.get("hits", {}).get("created", {}).values())
    return f"T+1 of {run.day} {run.status}, {created:,} hits"

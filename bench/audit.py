"""Cost and speed of the change log, as ratios and times of one run.

``python bench/audit.py cost [ROWS]``: a write on a screen, and an import of ROWS (default 100,000) leads,
with the triggers and without them. ``python bench/audit.py read [ENTRIES]`` (default 1,000,000): lists,
filters, one object's history, verification.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median as middle

import psycopg
from flask import Flask
from sqlalchemy import Engine, event, make_url, select, text

from app.audit import actor
from app.audit.chain import seal
from app.audit.install import TRIGGERS, audited_tables
from app.audit.verify import verify
from app.embedded.postgres import SUPERUSER
from app.extensions import db
from app.leads.importer import import_leads
from app.models import Lead
from bench._common import product, timed
from bench.leads_import import write as write_list
from bench.lists import client
from bench.pages import request_times
from config import Settings

#: many short rounds, so that other load on the machine affects both alike
ROUNDS = 41
REQUESTS = 8
IMPORTS = 5
#: ten years, with a partition per month
MONTHS = 120
PAGES = {
    "list": "",
    "by person": "_flt_0_person=person-8",
    "by a rare person": "_flt_0_person=rare",
    "by nobody": "_flt_0_person=nobody",
    "by kind": "_flt_1_kind=log_in",
    "by a kind that never was": "_flt_1_kind=denied",
    "by object": "_flt_0_about=lead",
    "by a rare object": "_flt_0_about=holiday",
    "by way": "_flt_1_source=job",
    "by time": "_flt_0_time={day}&_flt_1_time={day}",
    "person and object": "_flt_0_person=person-8&_flt_0_about=lead",
    "person and object, none": "_flt_0_person=system&_flt_0_about=ab_user",
    "person and kind": "_flt_0_person=person-50&_flt_1_kind=log_in",
    "person and kind, none": "_flt_0_person=system&_flt_1_kind=log_in",
    "kind and object": "_flt_1_kind=insert&_flt_0_about=lead",
    "kind and object, none": "_flt_1_kind=log_in&_flt_0_about=lead",
    "way and kind, none": "_flt_1_source=job&_flt_1_kind=log_in",
    "way and object, none": "_flt_1_source=job&_flt_0_about=ab_user",
    "way and person, none": "_flt_1_source=screen&_flt_0_person=system",
    "person, kind and object": "_flt_0_person=system&_flt_1_kind=insert&_flt_0_about=lead",
    "all at once": "_flt_0_person=system&_flt_1_kind=update&_flt_0_about=lead&_flt_1_source=job"
    "&_flt_0_time={day}",
    "the last page": "page_ChangeLogView=9999",
    "the last page of a person": "_flt_0_person=system&page_ChangeLogView=9999",
    "oldest first": "_oc_ChangeLogView=time&_od_ChangeLogView=asc",
    "one object": "_flt_0_row=lead%3A4711",
}


def main() -> None:
    """Run the requested part."""
    logging.getLogger().setLevel(logging.ERROR)
    part = sys.argv[1] if len(sys.argv) > 1 else "cost"
    size = int(sys.argv[2]) if len(sys.argv) > 2 else {"cost": 100_000, "read": 1_000_000}[part]
    with product() as (app, settings):
        {"cost": cost, "read": read}[part](app, settings, size)


def cost(app: Flask, settings: Settings, rows: int) -> None:
    """Measure in alternating rounds how much longer writes take with the log than without it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leads.csv"
        write_list(path, rows)
        imported(settings, path)
        compare(f"import of {rows:,} leads", IMPORTS, lambda: imported(settings, path))
    user = db.session.scalar(text("SELECT username FROM ab_user LIMIT 1")) or administrator(app)
    lead = db.session.scalars(select(Lead.id).limit(1)).one()
    db.session.commit()
    # The first request after switching has no cached plan.
    compare("a lead saved on its form", ROUNDS, lambda: middle(screen(app, user, lead, REQUESTS)[1:]))


def compare(what: str, rounds: int, seconds: Callable[[], float]) -> None:
    """Print the median of the rounds' ratios, alternating which of the two is measured first."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for on in (True, False) if number % 2 else (False, True):
            with logged(on=on):
                times[on].append(seconds())
    ratios = sorted(with_ / without for with_, without in zip(times[True], times[False], strict=True))
    print(
        f"{what:32} with {middle(times[True]) * 1000:9.1f} ms"
        f"  without {middle(times[False]) * 1000:9.1f} ms"
        f"  {100 * (middle(ratios) - 1):+6.1f} %"
        f"  (rounds {100 * (ratios[0] - 1):+.1f} to {100 * (ratios[-1] - 1):+.1f} %)",
        flush=True,
    )


def imported(settings: Settings, path: Path) -> float:
    """Return the seconds of an import into an empty list."""
    with db.engine.begin() as connection:
        connection.execute(text("TRUNCATE lead CASCADE"))
    results: dict[str, float] = {}
    with timed(results, "import"):
        import_leads(db.engine, path, file_name=path.name, user="bench", settings=settings)
    return results["import"]


def screen(app: Flask, user: str, lead: int, times: int) -> list[float]:
    """Return the seconds of each save of a lead's form with another status."""
    app.config["WTF_CSRF_ENABLED"] = False
    browser, taken = client(app, user), []
    for number in range(times):
        form = {"name": f"王{number}", "status": ("active", "paused")[number % 2]}
        started = time.perf_counter()
        answer = browser.post(f"/leadview/edit/{lead}", data=form)
        taken.append(time.perf_counter() - started)
        assert answer.status_code == 302, answer.status
    return taken


@contextmanager
def logged(*, on: bool) -> Iterator[None]:
    """Run with the log, or without its triggers and without the actor in transactions."""
    if on:
        yield
        return
    _switch("DISABLE")
    event.remove(Engine, "begin", actor._begin)
    yield
    event.listen(Engine, "begin", actor._begin)
    _switch("ENABLE")


def _switch(how: str) -> None:
    with db.engine.begin() as connection:
        for audited in audited_tables(connection):
            for name in TRIGGERS:
                connection.exec_driver_sql(f'ALTER TABLE "{audited.table}" {how} TRIGGER {name}')


def administrator(app: Flask) -> str:
    """Create an administrator for the run. Return the user name."""
    manager = app.appbuilder.sm  # type: ignore[attr-defined]
    manager.add_user("admin", "A", "B", "a@example.com", manager.find_role("Admin"), "Bench-Pass-word-12")
    return "admin"


def read(app: Flask, settings: Settings, entries: int) -> None:
    """Measure the screen's pages and the verification of many entries."""
    results: dict[str, float] = {}
    with timed(results, "fill"):
        fill(settings, entries)
    with timed(results, "seal"):
        sealed = seal(db.engine, settings)
    print(f"{'seal':16} {sealed / results['seal']:10,.0f} entries/s", flush=True)
    with timed(results, "verify"):
        verdict = verify(db.engine, settings)
    print(
        f"{'verify':16} {verdict.entries / results['verify']:10,.0f} entries/s  ok={verdict.ok}", flush=True
    )
    user = administrator(app)
    day = db.session.scalar(text("SELECT (min(time) + interval '40 days')::date FROM change_log"))
    db.session.commit()
    for name, query in PAGES.items():
        times = request_times(app, user, f"/changelogview/list/?{query.format(day=day)}")
        print(f"{name:16} {middle(times):6.0f} ms (most {max(times):.0f})", flush=True)


def fill(settings: Settings, entries: int) -> None:
    """Write a busy bank's entries of many months, bypassing the triggers, which would refuse their times.

    Each month is filled before it joins the log, so that its indexes are built at once.
    """
    url = make_url(settings.database_url).set(drivername="postgresql", username=SUPERUSER)
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE change_log, change_seal")
        connection.execute("SELECT setval('change_log_id_seq', %s)", [entries + 1000])
        each, owner = entries // MONTHS, make_url(settings.database_url).username
        for month in range(MONTHS):
            table, place = f"audit.bench_{month}", {"month": MONTHS - month}
            first, after = connection.execute(BOUNDS, place).fetchone() or ("", "")
            connection.execute(f"CREATE TABLE {table} (LIKE change_log INCLUDING DEFAULTS)")
            values = {"first": first, "after": after, "before": each * month, "each": each, "all": entries}
            connection.execute(f"ALTER TABLE {table} OWNER TO {owner}")
            connection.execute(f"INSERT INTO {table} {COLUMNS} {ENTRIES}", values)
            connection.execute(
                f"ALTER TABLE change_log ATTACH PARTITION {table} FOR VALUES FROM ('{first}') TO ('{after}')"
            )
        connection.commit()
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE change_log")


BOUNDS = """
    SELECT date_trunc('month', now()) - %(month)s * interval '1 month',
           date_trunc('month', now()) - (%(month)s - 1) * interval '1 month'
"""
COLUMNS = "(id, time, xid, kind, object, object_id, title, actor, source, address, request, db_user, changes)"
#: log-ins belong to people; a few entries have a rare kind, object or person
ENTRIES = """
    SELECT 1000 + n, %(first)s + (%(after)s - %(first)s) * (place / %(each)s::float),
           3 + (n * (pg_current_xact_id()::text::bigint - 10) / %(all)s),
           CASE n %% 50 WHEN 0 THEN 'log_in' WHEN 1 THEN 'insert' ELSE 'update' END,
           CASE WHEN n %% 50 = 0 THEN 'ab_user' WHEN n %% 500000 = 77 THEN 'holiday'
                ELSE (ARRAY['hit', 'lead', 'rule'])[n %% 3 + 1] END,
           (n * 7919 %% 200000)::text, 'L' || n,
           CASE WHEN n %% 1000000 = 99 THEN 'rare' WHEN n %% 2 = 0 THEN 'person-' || n %% 300
                ELSE 'system' END,
           CASE WHEN n %% 2 = 0 THEN 'screen' ELSE 'job' END, '10.0.0.' || n %% 250,
           md5(n::text), 'lead_monitor',
           jsonb_build_object('status', '["waiting", "active"]'::jsonb, 'n', jsonb_build_array(null, n))
    FROM generate_series(0, %(each)s - 1) AS place,
         LATERAL (SELECT %(before)s::bigint + place AS n) AS counted
"""


if __name__ == "__main__":
    main()

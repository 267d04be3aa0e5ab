"""What the change log costs and how fast it answers, as ratios and times of one run.

``python bench/audit.py cost [ROWS]``: a write on a screen, and an import of ROWS (default 100,000) leads,
with the triggers and without them. ``python bench/audit.py read [ENTRIES]`` (default 1,000,000): lists,
filters, one object's history, verification.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from flask import Flask
from sqlalchemy import make_url, select, text

from app.audit.chain import seal
from app.audit.install import TRIGGERS, noted_tables
from app.audit.verify import verify
from app.embedded.postgres import SUPERUSER
from app.extensions import db
from app.leads.importer import import_leads
from app.models import Lead
from bench._common import product, timed
from bench.leads_import import write as write_list
from bench.lists import client
from bench.pages import asked
from config import Settings

#: short turns, so that what else the machine does falls on both alike
ROUNDS = 25
REQUESTS = 8
MONTHS = 3
PAGES = {
    "list": "",
    "by person": "_flt_0_person=person-7",
    "by kind": "_flt_1_kind=log_in",
    "by object": "_flt_0_about=lead",
    "by time": "_flt_0_time={day}&_flt_1_time={day}",
    "one object": "_flt_0_row=lead%3A4711",
}


def main() -> None:
    """Run the part that is asked for."""
    logging.getLogger().setLevel(logging.ERROR)
    part = sys.argv[1] if len(sys.argv) > 1 else "cost"
    size = int(sys.argv[2]) if len(sys.argv) > 2 else {"cost": 100_000, "read": 1_000_000}[part]
    with product() as (app, settings):
        {"cost": cost, "read": read}[part](app, settings, size)


def cost(app: Flask, settings: Settings, rows: int) -> None:
    """Ratios of writes with and without triggers, measured in turns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leads.csv"
        write_list(path, rows)
        times: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(2 * 3):
            with triggers(on=turn % 2 == 0):
                times[turn % 2 == 0].append(imported(settings, path))
        report(f"import of {rows:,} leads", times)
    writes: dict[bool, list[float]] = {True: [], False: []}
    who = db.session.scalar(text("SELECT username FROM ab_user LIMIT 1")) or administrator(app)
    lead = db.session.scalars(select(Lead.id).limit(1)).one()
    db.session.commit()
    screen(app, who, lead, 10)
    for _ in range(ROUNDS):
        for on in (True, False):
            with triggers(on=on):
                # The first request after a switch finds no plan.
                writes[on] += screen(app, who, lead, REQUESTS)[1:]
    report("a lead saved on its form", writes)


def imported(settings: Settings, path: Path) -> float:
    """Seconds of an import into an empty list."""
    with db.engine.begin() as connection:
        connection.execute(text("TRUNCATE lead CASCADE"))
    results: dict[str, float] = {}
    with timed(results, "import"):
        import_leads(db.engine, path, file_name=path.name, operator="bench", settings=settings)
    return results["import"]


def screen(app: Flask, who: str, lead: int, times: int) -> list[float]:
    """Seconds of each save of a lead's form with another status."""
    app.config["WTF_CSRF_ENABLED"] = False
    browser, taken = client(app, who), []
    for number in range(times):
        form = {"name": f"王{number}", "status": ("active", "paused")[number % 2]}
        started = time.perf_counter()
        answer = browser.post(f"/leadview/edit/{lead}", data=form)
        taken.append(time.perf_counter() - started)
        assert answer.status_code == 302, answer.status
    return taken


@contextmanager
def triggers(*, on: bool) -> Iterator[None]:
    """The triggers of all tables as they are, or switched off for a while."""
    if not on:
        _switch("DISABLE")
    yield
    if not on:
        _switch("ENABLE")


def _switch(how: str) -> None:
    with db.engine.begin() as connection:
        for noted in noted_tables(connection):
            for name in TRIGGERS:
                connection.exec_driver_sql(f'ALTER TABLE "{noted.table}" {how} TRIGGER {name}')


def report(what: str, times: dict[bool, list[float]]) -> None:
    """Lower quartiles, which other work on the machine disturbs least, and their ratio."""
    with_, without = (statistics.quantiles(times[on], n=4)[0] for on in (True, False))
    print(
        f"{what:32} with {with_ * 1000:9.1f} ms  without {without * 1000:9.1f} ms"
        f"  {100 * (with_ / without - 1):+6.1f} %",
        flush=True,
    )


def administrator(app: Flask) -> str:
    """A log-in of an administrator, made for the run."""
    manager = app.appbuilder.sm  # type: ignore[attr-defined]
    manager.add_user("admin", "A", "B", "a@example.com", manager.find_role("Admin"), "Bench-Pass-word-12")
    return "admin"


def read(app: Flask, settings: Settings, entries: int) -> None:
    """Times of the screen's pages and of verification over many entries."""
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
    who = administrator(app)
    day = db.session.scalar(text("SELECT (min(time) + interval '40 days')::date FROM change_log"))
    db.session.commit()
    for name, query in PAGES.items():
        times = asked(app, who, f"/changelogview/list/?{query.format(day=day)}")
        print(f"{name:16} {statistics.median(times):6.0f} ms (most {max(times):.0f})", flush=True)


def fill(settings: Settings, entries: int) -> None:
    """A busy bank's entries of some months, written below the triggers, which would refuse their times."""
    url = make_url(settings.database_url).set(drivername="postgresql", username=SUPERUSER)
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE change_log, change_seal")
        connection.execute("SELECT setval('change_log_id_seq', %s)", [entries + 1000])
        for month in range(MONTHS, 0, -1):
            connection.execute(
                f"CREATE TABLE audit.bench_{month} PARTITION OF change_log FOR VALUES"
                f" FROM (date_trunc('month', now()) - interval '{month} months')"
                f" TO (date_trunc('month', now()) - interval '{month - 1} months')"
            )
        connection.execute(FILL, {"entries": entries, "months": MONTHS})
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE change_log")


FILL = """
    INSERT INTO change_log (id, time, xid, kind, object, object_id, title, actor, source, address, request,
                            db_user, changes)
    SELECT 1000 + n,
           date_trunc('month', now()) - (%(months)s * interval '28 days') * (1 - n / %(entries)s::float),
           3 + (n * (pg_current_xact_id()::text::bigint - 10) / %(entries)s),
           CASE n %% 50 WHEN 0 THEN 'log_in' WHEN 1 THEN 'insert' ELSE 'update' END,
           CASE n %% 3 WHEN 0 THEN 'hit' WHEN 1 THEN 'lead' ELSE 'rule' END,
           (n * 7919 %% 200000)::text, 'L' || n, 'person-' || n %% 300, 'screen', '10.0.0.' || n %% 250,
           md5(n::text), 'lead_monitor',
           jsonb_build_object('status', '["waiting", "active"]'::jsonb, 'n', jsonb_build_array(null, n))
    FROM generate_series(1, %(entries)s::bigint) AS n
"""


if __name__ == "__main__":
    main()

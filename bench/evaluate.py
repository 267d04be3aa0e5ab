"""Evaluation of dates for the first time, again and late, compared with former statements.

``python bench/evaluate.py [LEADS] [--explain]`` (default 1,000,000; 20 rules, 7 dates). The lead layer of the
cube is made up directly. Measured are whole evaluations of seven dates: for the first time, once more, and
of the seven earlier dates after these. In each of these states one rule and date is stored with the current
statements and, limited by STOP_AFTER, with the former ones, in transactions that are rolled back;
``--explain`` prints the query plans.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from app.activity import engine, store
from app.activity.store import Day
from app.extensions import db
from app.leads.cube import activity_root, engine_settings, fingerprint
from app.rules import evaluate
from app.rules.evaluate import evaluate_days
from app.rules.versions import active_versions
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from bench._common import CUBE_OF_A_DAY, peak_mb, product
from config import Settings

LAST = dt.date(2026, 9, 30)
DATES, WIDTH, RULES = 7, 7, 20
STOP_AFTER = 120
#: the former statements: no statistics of staged rows, a query for each of them, and a trigger of the change
#: log that compared every row with every other one even if nothing had changed
BEFORE = {
    "hit_stage_analyze": "SELECT 1",
    "hit_refresh_later": """
        UPDATE hit h
        SET latest = s.evidence, last_met_on = :day, updated_at = now()
        FROM hit_stage s
        WHERE h.rule_id = :rule AND h.lead_id = s.lead_id AND h.hit_date < :day AND h.last_met_on <= :day
          AND h.hit_date = (
              SELECT max(n.hit_date) FROM hit n
              WHERE n.rule_id = :rule AND n.lead_id = s.lead_id AND n.hit_date <= :day
          )
    """,
}
TRIGGER_BEFORE = """
    CREATE OR REPLACE FUNCTION audit.note_update() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changed jsonb;
    BEGIN
        SELECT to_jsonb(ARRAY(SELECT jsonb_object_keys(fields) ORDER BY 1)) INTO changed
        FROM (SELECT row_number() OVER () AS place, to_jsonb(r) AS data FROM new_rows AS r) AS new
        JOIN (SELECT row_number() OVER () AS place, to_jsonb(r) AS before FROM old_rows AS r) AS old
            USING (place),
        audit.fields(before, data, TG_ARGV[2]::text[], TG_ARGV[3]::text[], TG_ARGV[4]::text[]) AS fields
        WHERE fields <> '{}' LIMIT 1;
        RETURN NULL;
    END $$
"""
LEADS = """
    INSERT INTO lead (id, lead_no, name, id_hash, phone_cipher, phone_index, phone_masked)
    SELECT id, 'L' || id, '客', lpad(to_hex(id), 64, '0'), '', '', '' FROM generate_series(1, :leads) id
"""


def main() -> None:
    """Print the seconds of each state and the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("leads", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    with product() as (_app, settings):
        fill(settings, options.leads)
        first, early = LAST - dt.timedelta(DATES - 1), LAST - dt.timedelta(2 * DATES - 1)
        whole("first", settings, first, LAST)
        one("again", settings, LAST, options.explain)
        whole("again", settings, first, LAST)
        one("late", settings, first - dt.timedelta(1), options.explain)
        whole("late", settings, early, first - dt.timedelta(1))
        one("after late", settings, first, options.explain)
        print(f"peak memory {peak_mb():.0f} MB, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def fill(settings: Settings, leads: int) -> None:
    """Create the leads, the rules, and the lead layer of all dates in their windows."""
    rules = [
        {
            "code": f"BENCH{n}",
            "name": f"bench {n}",
            "cooldown_days": 7,
            "conditions": [{"metric": "calls", "op": ">=", "value": 8 + n, "window_days": WIDTH}],
        }
        for n in range(RULES)
    ]
    apply_config(parse_config({"rules": rules}, "bench"), "bench")
    db.session.execute(text(LEADS), {"leads": leads})
    db.session.commit()
    root, mark = activity_root(settings), fingerprint(db.session)
    with store.writing(root) as writer, duckdb.connect() as connection:
        built: dict[dt.date, Day] = {}
        for day in (LAST - dt.timedelta(days=n) for n in range(2 * DATES + WIDTH)):
            name = writer.new_file("leads", day)
            values = {"leads": leads - 1, "day": day.isoformat(), "rows": leads // 4}
            connection.register("made", connection.sql(CUBE_OF_A_DAY, params=values).to_arrow_table())
            connection.sql("SELECT * FROM made").write_parquet(str(root / name), compression="zstd")
            built[day] = Day(name, name, leads // 4, leads=name, leads_fingerprint=mark, leads_source=name)
        writer.commit(built)


def whole(state: str, settings: Settings, first: dt.date, last: dt.date) -> None:
    """Evaluate every rule as of each date."""
    started = time.perf_counter()
    results = evaluate_days(settings, first, last)
    took = time.perf_counter() - started
    made, kept = (sum(sum(day[key].values()) for day in results.values()) for key in ("created", "refreshed"))
    each = took / RULES / DATES
    print(
        f"{state:11} {RULES} rules, {DATES} dates {took:7.1f} s ({each:.2f} s a rule and date), "
        f"{made:,} made, {kept:,} met again",
        flush=True,
    )


def one(state: str, settings: Settings, day: dt.date, explain: bool) -> None:
    """Store one rule and date with current and former statements."""
    today = stored(settings, day, explain)
    with statements(BEFORE):
        before = stored(settings, day, explain, TRIGGER_BEFORE)
    bound = "" if before < STOP_AFTER else "more than "
    print(
        f"{state:11} storing one rule and date: today {today:.2f} s, before {bound}{before:.2f} s, "
        f"ratio {bound}{before / today:.1f}",
        flush=True,
    )


def stored(settings: Settings, day: dt.date, explain: bool, trigger: str = "SELECT 1") -> float:
    """Return the seconds to store the first rule's hits of a date, then roll back."""
    rule = evaluate.Evaluated.of(active_versions("BENCH0")[0])
    with engine.opened(activity_root(settings), engine_settings(settings)) as engaged:
        state = evaluate.prepared(settings, [rule], day)
        rows = list(evaluate.candidates(settings, rule, day, state, engaged))
    connection = db.session.connection()
    connection.exec_driver_sql(trigger)
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STOP_AFTER}s'")
    if explain:
        event.listen(connection, "before_cursor_execute", print_plan)
    started = time.perf_counter()
    with suppress(OperationalError):
        evaluate.store_hits(connection, settings, rule.version, rule.definition, day, rows)
    took = time.perf_counter() - started
    db.session.rollback()
    return took


def print_plan(_connection: Any, cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
    """Print the query plan of a statement that writes hits."""
    if not ("UPDATE hit h" in statement or "INSERT INTO hit " in statement):
        return
    with cursor.connection.cursor() as asking:
        plan = asking.execute(f"EXPLAIN {statement}", parameters).fetchall()
    print("\n".join(f"    {line}" for [line] in plan), flush=True)


@contextmanager
def statements(instead: Mapping[str, str]) -> Iterator[None]:
    """Replace some statements temporarily."""
    kept: dict[str, Any] = dict(evaluate.SQL)
    evaluate.SQL.update(instead)
    try:
        yield
    finally:
        evaluate.SQL.update(kept)


if __name__ == "__main__":
    main()

"""A back-test at full size: 30 dates of 5 million leads, with the curve over thresholds.

``python bench/backtest.py [LEADS] [ROWS_A_DAY]`` (default 5,000,000 and 1,500,000). The lead layer of the
cube is made up directly (37 days; kept in ``bench/.data``): a few people are active often, most rarely. The
lead table holds only the leads that convert, to save time; the lead filter is left out.
For comparison each date is also evaluated separately, for one threshold.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import sys
import time

import duckdb
from sqlalchemy import text

from app.activity import query, store
from app.activity.store import Day
from app.extensions import db
from app.leads.cube import activity_root, engine_settings, fingerprint
from app.rules.backtest import BacktestPlan, run
from app.rules.compiled import compile_rule
from app.rules.definition import RuleDef
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from bench._common import CUBE_OF_A_DAY, kept, peak_mb, product
from config import Settings

DATA = kept("backtest")
LAST = dt.date(2026, 9, 30)
DATES, WIDTH, CONVERTED = 30, 7, 20_000
RULE = {
    "code": "BENCH",
    "name": "bench",
    "conditions": [
        {"metric": "calls", "op": ">=", "value": 5, "window_days": WIDTH},
        {"metric": "institutions", "op": ">=", "value": 2, "window_days": WIDTH},
    ],
}


def main() -> None:
    """Create the cube, then print seconds and memory."""
    leads = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 1_500_000
    with product(DATA) as (_app, settings):
        convert(leads)
        fill(settings, leads, rows)
        definition = RuleDef.model_validate(RULE)
        plan = BacktestPlan(LAST - dt.timedelta(days=DATES - 1), LAST, 14)
        shown: list[float] = []
        started = time.perf_counter()
        result = run(settings, definition, None, plan, lambda *_step: shown.append(time.perf_counter()))
        took = time.perf_counter() - started
        gaps = [after - before for before, after in itertools.pairwise(shown)]
        own, curve = result["draft"], result["curve"]
        plain = each_date(settings, definition, plan)
        print(f"{DATES} dates, {leads:,} leads, {rows:,} rows a day, {len(curve)} thresholds")
        print(f"back-test             {took:6.1f} s   {own['leads']:,} leads, {own['converted']:,} converted")
        print(f"longest step          {max(gaps):6.1f} s   until progress moves or a cancellation takes hold")
        print(f"an evaluation a date  {plain:6.1f} s   for one threshold")
        print(f"the plain way         {plain * len(curve) / took:6.1f} × as long for all thresholds")
        print(f"peak memory         {peak_mb():7.0f} MB")


def convert(leads: int) -> None:
    """Create a rule, and leads with hits that converted in October, if missing."""
    if db.session.scalar(text("SELECT count(*) FROM lead")):
        return
    apply_config(parse_config({"rules": [RULE]}, "bench"), "bench")
    chance = random.Random(1)
    ids = sorted(chance.sample(range(1, leads + 1), min(CONVERTED, leads)))
    made = text(
        "INSERT INTO lead (id, lead_no, name, id_hash, phone_cipher, phone_index, phone_masked) "
        "SELECT id, 'L' || id, '客', lpad(to_hex(id), 64, '0'), '', '', '' "
        "FROM unnest(CAST(:ids AS bigint[])) id"
    )
    db.session.execute(made, {"ids": ids})
    db.session.execute(
        text(
            "INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, status, "
            "evidence, last_met_on, made_on, converted_at) "
            "SELECT r.id, r.active_version_id, l.id, '2026-09-20', '{1}', 1, 'A', "
            "'converted', '{}', '2026-09-20', '2026-09-21', "
            "timestamptz '2026-09-05' + (l.id % 30) * interval '1 day' "
            "FROM lead l, rule r"
        )
    )
    db.session.commit()


def fill(settings: Settings, leads: int, rows: int) -> None:
    """Create the lead layer of every date, if missing."""
    root, mark = activity_root(settings), fingerprint(db.session)
    days = [LAST - dt.timedelta(days=n) for n in range(DATES + WIDTH)]
    if set(days) <= set(store.snapshot(root).days):
        return
    with store.writing(root) as writer, duckdb.connect() as connection:
        built: dict[dt.date, Day] = {}
        for day in sorted(days):
            name = writer.new_file("leads", day)
            made = connection.sql(
                CUBE_OF_A_DAY, params={"leads": leads - 1, "day": day.isoformat(), "rows": rows}
            )
            connection.register("made", made.to_arrow_table())
            connection.sql("SELECT * FROM made").write_parquet(str(root / name), compression="zstd")
            built[day] = Day(name, name, rows, leads=name, leads_fingerprint=mark, leads_source=name)
        writer.commit(built)


def each_date(settings: Settings, definition: RuleDef, plan: BacktestPlan) -> float:
    """Return the seconds to evaluate each date separately."""
    spec, state = compile_rule(definition), store.snapshot(activity_root(settings))
    started = time.perf_counter()
    for day in plan.days:
        query.lead_values(state, spec, day, settings=engine_settings(settings))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

"""Evaluation of many rules as of many dates, compared with one query a rule and date and with pandas.

``python bench/evaluate.py [LEADS] [EVENTS] [DATES]`` (default 500,000 leads, 2,000,000 events a day, 7 dates;
a large bank has 5,000,000, 20,000,000 and 30). A tenth of the events is of people on the lead list. The lead
layer is made up directly and kept in ``bench/.data`` (or ``BENCH_DATA``), as is the database. The thresholds
of 20 mixed rules are chosen so that each one meets 0.1 to 1 % of the leads. Measured are whole evaluations:
for the first time, and once more; for comparison a query a rule and date with evidence on a part of both,
and pandas on a tenth of the leads.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from sqlalchemy import text

from app.activity import query, store
from app.activity.store import Day
from app.extensions import db
from app.leads.cube import activity_root, engine_settings, fingerprint, prepare, window
from app.rules.compiled import Evaluated, compile_rule, score_of
from app.rules.definition import RuleDef
from app.rules.evaluate import evaluate_days
from app.rules.versions import active_versions
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from bench._common import kept, peak_mb, product
from config import Settings

LAST = dt.date(2026, 9, 30)
WIDTH, INSTITUTIONS, ON_THE_LIST = 30, 500, 10
#: rules and dates that the alternatives evaluate: every so many
SAMPLE = 31
ROWS = """
    SELECT lead, institution, type, $day::DATE AS day, hour, ok, sum(n)::BIGINT AS n,
           min(second)::USMALLINT AS first_s, max(second)::USMALLINT AS last_s
    FROM (
        SELECT CASE WHEN random() < 0.5 THEN floor(pow(random(), 1.5) * $leads)
                    ELSE (floor(pow(random(), 3) * $leads) + $moved) % $leads
               END::BIGINT * 7919 % $leads + 1 AS lead,
               'I-' || lpad(floor(pow(random(), 3) * $institutions)::INT::VARCHAR, 4, '0') AS institution,
               (1 + floor(random() * 3))::UTINYINT AS type, floor(random() * 24)::UTINYINT AS hour,
               random() < 0.9 AS ok, 1 + floor(pow(random(), 6) * 4) AS n,
               floor(random() * 3600)::INT AS second
        FROM range($rows)
    )
    GROUP BY ALL ORDER BY lead, institution, type, hour, ok
"""
LEADS = """
    INSERT INTO lead (id, lead_no, name, id_hash, phone_cipher, phone_index, phone_masked, source)
    SELECT id, 'L' || id, '客', lpad(to_hex(id), 32, '0') || repeat('0', 32), '', '', '', 's' || id % 4
    FROM generate_series(1, :leads) id
"""
CATALOGUE = [
    {"code": f"I-{n:04}", "name": f"I-{n:04}", "category": f"c{n % 5}", "region": f"r{n % 7}"}
    for n in range(INSTITUTIONS)
]
CALLS, PLACES, DAYS = ({"metric": name} for name in ("calls", "institutions", "active_days"))
#: the share of leads to meet in percent, and what the rule is; thresholds of a first condition are chosen
MIXED: tuple[tuple[float, dict[str, Any]], ...] = (
    (1.0, {"conditions": [CALLS | {"window_days": 7}]}),
    (0.3, {"conditions": [CALLS | {"window_days": 30}], "cooldown_days": 30}),
    (0.1, {"conditions": [CALLS | {"window_days": 1}]}),
    (0.5, {"conditions": [PLACES | {"window_days": 7}]}),
    (0.2, {"conditions": [PLACES | {"window_days": 30}], "cooldown_days": 30}),
    (0.4, {"conditions": [DAYS | {"window_days": 7}]}),
    (0.3, {"conditions": [DAYS | {"window_days": 30}], "cooldown_days": 14}),
    (0.3, {"conditions": [CALLS | {"window_days": 7, "hours": [20, 2]}]}),
    (0.2, {"conditions": [CALLS | {"window_days": 14, "hours": [9, 18]}], "cooldown_days": 14}),
    (0.2, {"conditions": [CALLS | {"window_days": 3, "event_types": ["face_verify"]}]}),
    (0.3, {"conditions": [CALLS | {"window_days": 7, "event_types": ["id_ocr"], "result": "success"}]}),
    (0.3, {"conditions": [CALLS | {"window_days": 7, "categories": ["c1"]}]}),
    (0.2, {"conditions": [PLACES | {"window_days": 14, "regions": ["r2"]}], "cooldown_days": 14}),
    (0.1, {"conditions": [PLACES | {"window_days": 3, "hours": [9, 18]}]}),
    (0.3, {"conditions": [CALLS | {"window_days": 7}, PLACES | {"window_days": 3, "op": ">=", "value": 2}]}),
    (0.2, {"conditions": [CALLS | {"window_days": 30}, DAYS | {"window_days": 7, "op": ">=", "value": 3}]}),
    (
        0.5,
        {
            "match": "any",
            "conditions": [
                CALLS | {"window_days": 7, "event_types": ["data_call"]},
                PLACES | {"window_days": 1, "op": ">=", "value": 4},
            ],
        },
    ),
    (
        0.2,
        {
            "conditions": [
                CALLS | {"window_days": 7},
                CALLS | {"window_days": 1, "op": "<=", "value": 1},
                PLACES | {"window_days": 7, "op": ">=", "value": 2},
            ]
        },
    ),
    (0.3, {"conditions": [CALLS | {"window_days": 7}], "lead_filter": {"sources": ["s1", "s2"]}}),
    (
        0.1,
        {
            "conditions": [DAYS | {"window_days": 14}],
            "lead_filter": {"sources": ["s3"]},
            "holdout_percent": 10,
        },
    ),
)


def main() -> None:
    """Print the seconds of each state and the ratios."""
    parser = argparse.ArgumentParser()
    for name, default in (("leads", 500_000), ("events", 2_000_000), ("dates", 7)):
        parser.add_argument(name, type=int, nargs="?", default=default)
    options = parser.parse_args()
    days = [LAST - dt.timedelta(n) for n in reversed(range(options.dates))]
    folder = kept(f"evaluate-{options.leads}-{options.events}")
    with product(folder) as (_app, settings):
        fill(settings, options.leads, options.events // ON_THE_LIST, options.dates + WIDTH - 1)
        db.session.execute(text("TRUNCATE hit CASCADE"))
        db.session.commit()
        rules = [Evaluated.of(version) for version in active_versions()]
        alternative(settings, rules, days)
        for state in ("first", "again"):
            whole(state, settings, days)
        print(f"peak memory {peak_mb():,.0f} MB")


def fill(settings: Settings, leads: int, rows: int, days: int) -> None:
    """Create what is missing of the leads, the lead layer and the rules."""
    if not db.session.scalar(text("SELECT count(*) FROM lead")):
        db.session.execute(text(LEADS), {"leads": leads})
        db.session.commit()
        db.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"}).execute(
            text("VACUUM ANALYZE lead")
        )
        db.session.rollback()
    root, mark = activity_root(settings), fingerprint(db.session)
    with store.writing(root) as writer, duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'; SET preserve_insertion_order = false")
        built = dict(writer.state.days)
        for day in (LAST - dt.timedelta(n) for n in range(days)):
            if day in built:
                continue
            name = writer.new_file("leads", day)
            moved = (LAST - day).days * leads // 3000
            values = {"leads": leads, "day": day, "rows": rows, "institutions": INSTITUTIONS, "moved": moved}
            connection.sql(ROWS, params=values).write_parquet(str(root / name), compression="zstd")
            built[day] = Day(name, name, rows, leads=name, leads_fingerprint=mark, leads_source=name)
        writer.commit(built)
    if not active_versions():
        apply_rules(settings, leads)


def apply_rules(settings: Settings, leads: int) -> None:
    """Put the rules in force, with the threshold of each first condition at which it meets its share."""
    apply_config(parse_config({"institutions": CATALOGUE}, "bench"), "bench")
    rules = []
    for n, (percent, mixed) in enumerate(MIXED):
        first, *others = mixed["conditions"]
        code = {"code": f"BENCH{n:02}", "name": f"bench {n}"}
        trial = RuleDef.model_validate(code | {"conditions": [first | {"op": ">=", "value": 1}]})
        spec = compile_rule(trial)
        state = prepare(settings, window(LAST, WIDTH))
        values = query.lead_values(state, spec, LAST, settings=engine_settings(settings))[
            "value_0"
        ].to_numpy()
        reached = np.sort(values)[::-1]
        value = int(reached[min(int(leads * percent / 100), len(reached) - 1)]) + 1
        value = min(value, first["window_days"]) if first["metric"] == "active_days" else value
        rules.append(code | mixed | {"conditions": [first | {"op": ">=", "value": value}, *others]})
    apply_config(parse_config({"rules": rules}, "bench"), "bench")


def whole(state: str, settings: Settings, days: Sequence[dt.date]) -> None:
    """Evaluate every rule as of each date."""
    used, started = _cpu(settings), time.perf_counter()
    results = evaluate_days(settings, days[0], days[-1])
    took = time.perf_counter() - started
    own, stored = (now - then for now, then in zip(_cpu(settings), used, strict=True))
    made, again = (
        sum(sum(day[key].values()) for day in results.values()) for key in ("created", "refreshed")
    )
    print(
        f"{state}: {len(MIXED)} rules, {len(days)} dates {took:.1f} s (CPU {own:.1f} s, PostgreSQL "
        f"{stored:.1f} s), {made:,} hits made, {again:,} met again, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def _cpu(settings: Settings) -> tuple[float, float]:
    """Return the CPU seconds of this process and of the database's processes, ended ones included."""
    postmaster = int((settings.data_dir / "postgres/postmaster.pid").read_text().split()[0])
    ticks = 0
    for process in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = process.read_text().rsplit(")", 1)[1].split()
            if int(process.parent.name) == postmaster:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == postmaster:
                ticks += sum(map(int, fields[11:13]))
    return time.process_time(), ticks / os.sysconf("SC_CLK_TCK")


def alternative(settings: Settings, rules: Sequence[Evaluated], days: Sequence[dt.date]) -> None:
    """Ask a query a rule and date, of a part of them."""
    state = prepare(settings, {each for day in days for each in window(day, WIDTH)})
    asked = list(itertools.islice(itertools.product(rules, days), 0, None, SAMPLE))
    started, used, found = time.perf_counter(), time.process_time(), 0
    for rule, day in asked:
        score, engine = score_of(rule.definition), engine_settings(settings)
        found += query.evaluate(state, rule.spec, day, score, settings=engine).num_rows
    more = len(rules) * len(days) / len(asked)
    took, cpu = (time.perf_counter() - started) * more, (time.process_time() - used) * more
    share = found / len(asked) / (db.session.scalar(text("SELECT count(*) FROM lead")) or 1)
    db.session.rollback()
    print(
        f"a query a rule and date, nothing stored: {took:.0f} s (CPU {cpu:.0f} s); "
        f"{share:.2%} of the leads meet a rule",
        flush=True,
    )
    in_pandas(state, days, len(rules))


def in_pandas(state: store.Snapshot, days: Sequence[dt.date], rules: int) -> None:
    """Count calls of a week in pandas, for a tenth of the leads and one date, without evidence."""
    started = time.perf_counter()
    files = [str(state.root / str(state.days[day].leads)) for day in window(days[-1], 7)]
    whole = pd.concat(pd.read_parquet(file, columns=["lead", "n"]) for file in files)
    calls = whole[whole.lead % 10 == 0].groupby("lead").n.sum()
    took = (time.perf_counter() - started) * rules * len(days)
    print(f"pandas on a tenth, calls alone: {took:.0f} s ({(calls >= 10).sum():,} leads with 10 calls)")


if __name__ == "__main__":
    main()

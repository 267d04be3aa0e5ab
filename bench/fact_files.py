"""Measure facts in the product: import of a file, compaction, one lead's facts, a segment on three facts.

    nice -n 15 .venv/bin/python bench/fact_files.py [LEADS] [FACTS]

The defaults, 500,000 leads with 50 facts, take a minute; the product is to hold 5,000,000.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
import time
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import func, select

from app.activity import store as activity
from app.extensions import db
from app.facts import catalogue, compaction, matching
from app.facts.conditions import FactTest
from app.facts.definition import FactDef
from app.facts.importer import columns_of, import_facts
from app.facts.lead import facts_of
from app.leads.cube import activity_root, engine_settings, fingerprint
from app.leads.importer import ImportOrder
from app.lib.clock import today
from app.models import Lead
from app.rules.evaluate import evaluate_days
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from bench._common import CUBE_OF_A_DAY, peak_mb, product
from bench.facts import timed
from bench.lists import fill
from config import Settings

WIDTH = 7


def main(leads: int = 500_000, facts: int = 50) -> None:
    """Print a line per measurement."""
    with product() as (_app, settings), tempfile.TemporaryDirectory() as folder:
        fill(leads)
        _define(facts)
        path = _file(Path(folder) / "facts.csv", leads, facts)
        print(f"load {os.getloadavg()[0]:.1f}; file of {path.stat().st_size / 1e6:,.0f} MB")
        _import(settings, path, leads)
        _ask(settings, "delivered")
        root, columns = activity_root(settings), columns_of(catalogue.definitions())
        timed(
            "compact", lambda: compaction.compact(root, columns, today(), settings=engine_settings(settings))
        )
        _ask(settings, "compacted")
        _evaluate(settings, leads)


def _ask(settings: Settings, state: str) -> None:
    facts = catalogue.definitions()
    lead = db.session.scalars(select(Lead.id).order_by(func.random()).limit(1)).one()
    for _again in range(2):
        timed(f"{state}: one lead", lambda: facts_of(lead, today()))
    names = {each.code: column for each, column in zip(facts.values(), columns_of(facts), strict=True)}
    tests = [FactTest(fact=f"F{n}", op=">=", value=300_000) for n in range(3)]

    def all_pass(truth: matching.Truth) -> Any:
        return reduce(and_, map(truth, tests))

    snapshot = activity.snapshot(activity_root(settings))
    for _again in range(2):
        timed(
            f"{state}: three facts",
            lambda: matching.passing(
                snapshot, [all_pass], tests, names, today(), settings=engine_settings(settings)
            ),
        )


def _evaluate(settings: Settings, leads: int) -> None:
    """Evaluate a rule without and with a filter on three facts, which everybody passes."""
    last = today() - dt.timedelta(days=1)
    condition = {"metric": "calls", "op": ">=", "value": 8, "window_days": WIDTH}
    passed = {"all": [{"fact": f"F{n}", "op": ">=", "value": 0} for n in range(3)]}
    rules = [
        {"code": code, "name": code, "conditions": [condition], "lead_filter": among}
        for code, among in (("PLAIN", {}), ("FACTS", passed))
    ]
    apply_config(parse_config({"rules": rules}, "bench"), "bench")
    with activity.writing(activity_root(settings)) as writer, duckdb.connect() as connection:
        mark, built = fingerprint(db.session), dict(writer.state.days)
        for day in (last - dt.timedelta(days=n) for n in range(WIDTH)):
            name = writer.new_file("leads", day)
            values = {"leads": leads - 1, "day": day.isoformat(), "rows": leads // 4}
            connection.register("made", connection.sql(CUBE_OF_A_DAY, params=values).to_arrow_table())
            connection.sql("SELECT * FROM made").write_parquet(
                str(writer.state.root / name), compression="zstd"
            )
            built[day] = activity.Day(
                name, name, leads // 4, leads=name, leads_fingerprint=mark, leads_source=name
            )
        writer.commit(built)
    for again in ("first", "again", "again"):
        for code in ("PLAIN", "FACTS"):
            timed(
                f"evaluate {code} {again}", lambda code=code: evaluate_days(settings, last, last, code=code)
            )


def _define(facts: int) -> None:
    for number in range(facts):
        fact = FactDef(code=f"F{number}", name=f"事实{number}", kind="money")
        catalogue.apply(fact, "bench", overwrite=False)
    db.session.commit()


def _file(path: Path, leads: int, facts: int) -> Path:
    """Write a file in the order of nothing in particular."""
    values = ", ".join(f"round(random() * 1e6, 2) AS F{number}" for number in range(facts))
    made = f"SELECT 'L' || lpad(r::VARCHAR, 8, '0') AS lead_no, {values} FROM range({leads}) t (r)"
    duckdb.sql(f"{made} ORDER BY hash(r)").write_csv(str(path))
    return path


def _import(settings: Settings, path: Path, leads: int) -> None:
    order = ImportOrder(path, path.name, "bench", settings)
    begun = time.perf_counter()
    as_of = today() - dt.timedelta(days=1)
    result = import_facts(db.engine, order, catalogue.definitions(), today(), as_of=as_of)
    spent = time.perf_counter() - begun
    assert result.created, result
    print(f"import: {spent:.1f} s, {leads / spent:,.0f} rows a second, peak {peak_mb():,.0f} MB", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

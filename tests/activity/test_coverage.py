"""Counting many dates in slices gives exactly the results of one query per date."""

from __future__ import annotations

import datetime as dt
import random

import duckdb
import pyarrow as pa
import pytest

from app.activity import coverage, finder, query, rule_finder, store
from app.activity.engines import Finder
from app.activity.spec import METRICS, OPERATORS, Condition, Metric, Operator, RuleSpec

LAST, DAYS, LEADS = dt.date(2026, 3, 20), 20, 60


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> store.Snapshot:
    """A lead layer of random rows; two dates have no data at all."""
    root, chance = tmp_path_factory.mktemp("cube"), random.Random(7)
    days: dict[dt.date, store.Day] = {}
    with store.writing(root) as writer, duckdb.connect() as connection:
        for back in range(DAYS):
            day = LAST - dt.timedelta(days=back)
            if back in (4, 9):
                continue
            name = writer.new_file("leads", day)
            rows = [
                (
                    chance.randint(5, LEADS),
                    chance.choice("ABCDE"),
                    chance.randint(1, 3),
                    day,
                    chance.randrange(24),
                    chance.random() < 0.7,
                    chance.randint(1, 3),
                )
                for _row in range(70)
            ]
            connection.execute(
                "CREATE OR REPLACE TABLE r "
                "(l BIGINT, i VARCHAR, t UTINYINT, d DATE, h UTINYINT, o BOOLEAN, n BIGINT)"
            )
            connection.executemany("INSERT INTO r VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute(
                "COPY (SELECT l AS lead, i AS institution, t AS type, d AS day, h AS hour, o AS ok, n, "
                "0::USMALLINT AS first_s, 1::USMALLINT AS last_s FROM r ORDER BY ALL) "
                f"TO '{root / name}' (FORMAT parquet)"
            )
            days[day] = store.Day(name, name, 70, leads=name, leads_fingerprint="x", leads_source=name)
        return writer.commit(days, timezone="Asia/Shanghai")


def random_rule(chance: random.Random) -> RuleSpec:
    def condition() -> Condition:
        metric: Metric = chance.choice(METRICS)
        op: Operator = chance.choice(OPERATORS)
        return Condition(
            metric,
            op,
            chance.randint(0, 5),
            chance.randint(1, 9),
            chance.choice([(0, 24), (20, 2), (9, 18)]),
            chance.choice([None, frozenset("AB"), frozenset()]),
            chance.choice([None, frozenset(["id_ocr"])]),
            chance.choice(["any", "success"]),
        )

    return RuleSpec(chance.choice(["all", "any"]), tuple(condition() for _n in range(chance.randint(1, 3))))


@pytest.mark.parametrize("seed", range(12))
def test_every_date_is_exact(state: store.Snapshot, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(finder, "ROWS_PER_SLICE", 300)
    spec = random_rule(random.Random(seed))
    dates = [LAST - dt.timedelta(days=back) for back in (0, 1, 2, 5, 8, 10)]
    steps = list(coverage.count(state, spec, dates))
    assert len(steps) > 2
    assert steps[-1].done == steps[-1].total
    each = {day: query.lead_values(state, spec, day).num_rows for day in dates}
    assert steps[-1].counts == each
    met = query.lead_values(state, spec, LAST)["lead"].to_pylist()
    assert steps[-1].leads.tolist() == sorted(met)


@pytest.mark.parametrize("seed", range(6))
def test_one_query_for_each_rule_finds_the_same(
    state: store.Snapshot, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """As on engines where the pass over all rows is not possible, in slices of their own."""
    monkeypatch.setattr(rule_finder, "LEADS_PER_SLICE", 25)
    chance = random.Random(seed)
    specs = [RuleSpec("any", (Condition("calls", ">=", 1, 9),)), *(random_rule(chance) for _n in range(2))]
    dates = [LAST - dt.timedelta(days=back) for back in (10, 3, 0)]
    some = {day: pa.table({"lead": pa.array(chance.sample(range(LEADS), 30))}) for day in dates}
    among = [None, some, None]
    width = max(spec.window_days for spec in specs)
    with query.lead_activity(state, width, dates[0], dates[-1]) as activity:
        quick = activity.finder(specs, dates, among)
        plain = rule_finder.RuleFinder(activity, specs, dates, among)
        assert len(plain.slices()) > 2
        found = [_cells(finder, spec, dates) for finder in (quick, plain) for spec in range(len(specs))]
    assert found[: len(specs)] == found[len(specs) :]
    assert found[0]


def _cells(finder: Finder, rule: int, dates: list[dt.date]) -> dict[tuple[int, dt.date], list[int]]:
    """Return the values of each lead and date on which it meets a rule."""
    parts = [finder.find(first, end)[rule] for first, end in finder.slices()]
    return {
        (lead, day): [int(values[n, d]) for values in part.values]
        for part in parts
        for n, lead in enumerate(part.leads.tolist())
        for d, day in enumerate(dates)
        if part.met[n, d]
    }


def test_only_the_leads_that_are_asked_for_count(state: store.Snapshot) -> None:
    spec = RuleSpec("all", (Condition("calls", ">=", 1, 20),))
    every = list(coverage.count(state, spec, [LAST]))[-1].leads
    some = pa.table({"lead": [10**9, int(every[7]), int(every[0])]})
    [found] = coverage.count(state, spec, [LAST], among={LAST: some})
    assert found.leads.tolist() == [every[0], every[7]]
    assert found.counts == {LAST: 2}


def test_no_data_is_no_lead(state: store.Snapshot) -> None:
    early = LAST - dt.timedelta(days=400)
    [found] = coverage.count(state, RuleSpec("all", (Condition("calls", "<=", 9, 3),)), [early])
    assert (found.counts, found.leads.tolist(), found.done) == ({early: 0}, [], 1)

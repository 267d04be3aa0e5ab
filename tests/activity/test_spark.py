"""What only an engine in other processes has to get right."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest

from app.activity import cube, engines, query, store
from app.activity.spec import Condition, RuleSpec
from tests.activity.support import person, row, take, write
from tests.engines import ENGINES, on_spark

pytestmark = on_spark
DAY = dt.date(2026, 10, 1)
ON_SPARK = ENGINES["spark"]
EVERYBODY = RuleSpec("all", (Condition("calls", ">=", 1, 7),))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> store.Snapshot:
    """A lead with two calls, in a folder that Spark could take for a pattern."""
    root = tmp_path_factory.mktemp("store") / "of [a] {b,c} * ? 银行%20"
    root.mkdir()
    take(root, write(root / "log.csv", [row("a"), row("b")]))
    leads = pa.table({"lead": [5], "person": [person(1)]})
    return cube.ensure_leads(root, store.snapshot(root).days, "list", lambda: leads)


def met(state: store.Snapshot) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = query.lead_values(state, EVERYBODY, DAY, settings=ON_SPARK).to_pylist()
    return rows


def stop() -> None:
    """As a cluster does that ends an application."""
    from pyspark import SparkContext

    SparkContext._active_spark_context._jsc.sc().stop()


def kill() -> None:
    from pyspark import SparkContext

    process = SparkContext._gateway.proc
    process.kill()
    process.wait()


@pytest.mark.parametrize("end", [stop, kill])
def test_the_next_question_starts_an_application_after_the_end_of_one(
    state: store.Snapshot, end: Callable[[], None]
) -> None:
    assert met(state) == [{"lead": 5, "value_0": 2}]
    end()
    assert met(state) == [{"lead": 5, "value_0": 2}]


def test_names_are_those_of_one_question(tmp_path: Path) -> None:
    given = ibis.table({"n": "int64"}, name="given")
    with (
        engines.opened(tmp_path, ON_SPARK) as one,
        engines.opened(tmp_path, ON_SPARK) as other,
        one.holding("given", pa.table({"n": [1]})),
        other.holding("given", pa.table({"n": [2]})),
    ):
        assert one.run(given).to_pylist() == [{"n": 1}]
        assert other.run(given).to_pylist() == [{"n": 2}]

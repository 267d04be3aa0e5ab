"""What only an engine in other processes has to get right."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest

from app.activity import cube, engines, query, store
from app.activity.settings import EngineSettings
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


MET = [{"lead": 5, "value_0": 2}]


def met(state: store.Snapshot, settings: EngineSettings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = query.lead_values(state, EVERYBODY, DAY, settings=settings).to_pylist()
    return rows


def test_a_folder_may_have_any_name(state: store.Snapshot) -> None:
    assert met(state, ON_SPARK) == MET


def test_the_next_question_starts_an_application_after_the_end_of_one(state: store.Snapshot) -> None:
    # A process of its own, as the tests of this one share an application.
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        assert process.submit(_ask_end_and_ask, state.root).result() == [MET] * 3


def _ask_end_and_ask(root: Path) -> list[Any]:
    from pyspark import SparkContext

    state, settings = store.snapshot(root), EngineSettings("spark", spark_master="local[1]")
    answers = [met(state, settings)]
    # As a cluster does that ends an application.
    SparkContext._active_spark_context._jsc.sc().stop()
    answers.append(met(state, settings))
    java = SparkContext._gateway.proc
    java.kill()
    java.wait()
    answers.append(met(state, settings))
    return answers


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

"""Days unlike the others stay within the engine's memory limit."""

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from app.activity import cube, query, store
from app.activity.formats.files import fingerprint
from app.activity.ingest import ingest
from app.activity.score import Score
from app.activity.settings import EngineSettings
from app.activity.spec import Condition, RuleSpec
from app.activity.withdraw import withdraw
from tests.activity.support import NOW, ZONE, by_day

DAY = date(2026, 10, 1)
LIMIT = "200MB"
EVENTS = 2_000_000
#: half of the events are one person's; all are of one hour and of 10,000 institutions
CROWDED = f"""
    SELECT 'r' || range AS request_id,
        '2026-10-01 10:' || lpad(CAST(range % 60 AS VARCHAR), 2, '0') || ':00' AS event_time,
        'data_call' AS event_type, 'I' || range % 10000 AS institution_code,
        sha256(CASE WHEN range % 2 = 0 THEN 'one' ELSE 'p' || range END) AS id_hash, 'success' AS result
    FROM range({EVENTS})
"""


@pytest.mark.long
def test_a_crowded_hour_is_ingested_and_evaluated_in_bounded_memory(root: Path, tmp_path: Path) -> None:
    """DuckDB fails beyond its limit; twenty events are in the store before and withdrawn later.

    With one thread those few always reach the sort as the first.
    """
    connection = duckdb.connect()
    settings = EngineSettings(memory_limit=LIMIT, threads=1)
    for name, rows in (("few", f"({CROWDED}) LIMIT 20"), ("many", f"({CROWDED})")):
        connection.execute(f"COPY (FROM {rows}) TO '{tmp_path / name}.parquet' (FORMAT parquet)")
        ingest(root, [tmp_path / f"{name}.parquet"], timezone=ZONE, now=NOW, memory_limit=LIMIT, threads=1)
    assert by_day(root) == {"2026-10-01": EVENTS}
    few = fingerprint(tmp_path / "few.parquet").digest
    withdraw(root, few, {"source": "test"}, timezone=ZONE, now=NOW, settings=settings)
    assert by_day(root) == {"2026-10-01": EVENTS}
    people = connection.execute("SELECT left(sha256('one'), 32), left(sha256('p1'), 32)").fetchone()
    leads = pa.table({"lead": [1, 2], "person": people})
    cube.ensure_leads(root, [DAY], "list", lambda: leads, settings=settings)
    state = store.snapshot(root)
    spec = RuleSpec("all", (Condition("calls", ">=", 2, 1), Condition("institutions", ">=", 2, 1)))
    met = query.evaluate(state, spec, DAY, Score(1, {"data_call": 1.0}), settings=settings)
    assert met["lead"].to_pylist() == [1]

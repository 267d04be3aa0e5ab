"""The figures of the sample case's logs."""

import json
from pathlib import Path

from app.activity import store
from tests.activity.support import SAMPLE, by_day, take


def test_the_sample_logs_give_the_expected_figures(root: Path) -> None:
    expected = json.loads((SAMPLE / "expected.json").read_text("utf-8"))
    log = expected["log"]
    result = take(root, SAMPLE / "logs").as_json()
    assert result["rows"] == log.pop("rows")
    assert result["duplicates"] == log.pop("duplicates")
    assert result["files_skipped"] == log.pop("resent_files")
    assert result["files_refused"] == 0
    assert result["rejected"] == dict(sorted(log.items()))
    assert result["accepted"] == expected["events_accepted"] == sum(result["days"].values())
    assert by_day(root) == result["days"]
    records = store.deliveries(store.snapshot(root))
    assert len(records) == result["files"] - result["files_skipped"]
    for record in records:
        assert record["rows"] == record["accepted"] + record["duplicates"] + sum(record["rejected"].values())
    assert result["rows"] == result["accepted"] + result["duplicates"] + sum(result["rejected"].values())

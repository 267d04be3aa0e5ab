"""The commands on the sample data, checked against every figure of expected.json."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from config import Settings
from tests.conftest import SAMPLE
from tests.object_storage import BUCKET, serving

EXPECTED = json.loads((SAMPLE / "expected.json").read_text("utf-8"))
ROOT = Path(__file__).parents[2]

#: runs a command that must succeed, and returns its standard output
Run = Callable[..., str]


@pytest.fixture
def flask(app: Flask, cli: Callable[..., Any]) -> Iterator[Run]:
    """Run commands in this process, with the sample's key."""
    before = app.config["SETTINGS"]
    key, algorithm = EXPECTED["id_hash_key"], EXPECTED["id_hash_algorithm"]
    app.config["SETTINGS"] = dataclasses.replace(before, id_hash_key=key, id_hash_algorithm=algorithm)

    def run(*words: object) -> str:
        done = cli(*words)
        assert done.exit_code == 0, done.stderr
        return str(done.stdout)

    yield run
    app.config["SETTINGS"] = before


def separately(env: dict[str, str]) -> Run:
    """Run each command in a process of its own."""

    def run(*words: object) -> str:
        command = [sys.executable, "-m", "flask", *map(str, words)]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def json_output(flask: Run, *words: object) -> dict[str, Any]:
    """Run a command that must print exactly one JSON object. Return it."""
    parsed = json.loads(flask(*words, "--json"))
    assert isinstance(parsed, dict)
    return parsed


def test_every_figure(each_engine: None, flask: Run) -> None:
    assert json_output(flask, "config", "apply", SAMPLE / "config.yaml") == {
        "institutions": 8,
        "rules": 5,
        "schedules": 0,
    }
    check_leads(json_output(flask, "leads", "import", SAMPLE / "leads.xlsx"))
    check_log(json_output(flask, "logs", "ingest", SAMPLE / "logs"))
    check_hits(flask)
    check_coverage(flask)


def test_every_figure_of_a_store_in_object_storage(
    app: Flask, settings: Settings, flask: Run, tmp_path: Path
) -> None:
    """Two machines that share the store: one reads the logs and withdraws a file, the other asks."""
    with serving(tmp_path / "s3"):
        machines = [
            dataclasses.replace(
                app.config["SETTINGS"],
                activity_store=f"s3://{BUCKET}/store",
                activity_cache_path=tmp_path / name,
            )
            for name in ("one", "two")
        ]
        app.config["SETTINGS"] = machines[0]
        flask("config", "apply", SAMPLE / "config.yaml")
        check_leads(json_output(flask, "leads", "import", SAMPLE / "leads.xlsx"))
        check_log(json_output(flask, "logs", "ingest", SAMPLE / "logs"))
        app.config["SETTINGS"] = machines[1]
        check_hits(flask)
        check_coverage(flask)
        assert json_output(flask, "doctor")["checks"]["activity"]["ok"]
        app.config["SETTINGS"] = machines[0]
        file = min(path for path in (SAMPLE / "logs").rglob("*.*") if path.is_file())
        undone = json_output(flask, "logs", "withdraw", file, "--reason", "wrong", "--operator")
    app.config["SETTINGS"] = dataclasses.replace(machines[0], activity_store="")
    flask("logs", "ingest", SAMPLE / "logs")
    assert json_output(flask, "logs", "withdraw", file, "--reason", "wrong", "--operator") == undone
    assert undone["withdrawn"]
    assert not (settings.data_dir / "activity-cache").exists()


def check_leads(result: dict[str, Any]) -> None:
    wanted = dict(EXPECTED["leads"])
    assert result["created"] == wanted.pop("created")
    assert result["rejected"] == wanted
    assert result["read"] == EXPECTED["lead_rows"]
    assert (result["updated"], result["existing"]) == (0, 0)
    assert Path(result["error_file"]).is_file()


def check_log(result: dict[str, Any]) -> None:
    wanted = dict(EXPECTED["log"])
    assert result["rows"] == wanted.pop("rows")
    assert result["files_skipped"] == wanted.pop("resent_files")
    assert result["duplicates"] == wanted.pop("duplicates")
    assert result["rejected"] == wanted
    assert result["accepted"] == EXPECTED["events_accepted"] == sum(result["days"].values())
    assert result["files_refused"] == 0


def check_hits(flask: Run) -> None:
    first, last = EXPECTED["evaluate"]
    days = json_output(flask, "rules", "evaluate", "--as-of", first, "--through", last)["days"]
    created = {(rule, day): n for day, counts in days.items() for rule, n in counts["created"].items() if n}
    wanted: dict[tuple[str, str], int] = {}
    for rule, _lead, day, _values in EXPECTED["hits"]:
        wanted[rule, day] = wanted.get((rule, day), 0) + 1
    assert created == wanted
    for day, counts in days.items():
        for rule, refreshed in counts["refreshed"].items():
            assert refreshed + counts["created"][rule] == EXPECTED["coverage"][f"{rule} {day}"]
    rows = json.loads(flask("hits", "export", "--format", "json"))
    found = sorted([row["rule_code"], row["lead_no"], row["hit_date"], row["values"]] for row in rows)
    assert found == sorted(EXPECTED["hits"])
    again = json_output(flask, "rules", "evaluate", "--as-of", first, "--through", last)["days"]
    assert not any(n for counts in again.values() for n in counts["created"].values())


def check_coverage(flask: Run) -> None:
    first, last = EXPECTED["evaluate"]
    found = {}
    for rule in sorted({key.split()[0] for key in EXPECTED["coverage"]}):
        counts = json_output(flask, "rules", "preview", rule, "--from", first, "--to", last)["coverage"]
        found |= {f"{rule} {day}": n for day, n in counts.items()}
    assert found == EXPECTED["coverage"]


def test_the_gb18030_list_gives_the_same(sample_env: dict[str, str], engine: Engine) -> None:
    check_leads(json_output(separately(sample_env), "leads", "import", SAMPLE / "leads_gb18030.csv"))


def test_an_export_of_the_rules_changes_nothing(flask: Run, tmp_path: Path) -> None:
    flask("config", "apply", SAMPLE / "config.yaml")
    flask("config", "export", "-o", tmp_path / "back.yaml")
    before = (tmp_path / "back.yaml").read_text("utf-8")
    flask("config", "apply", tmp_path / "back.yaml")
    assert flask("config", "export") == before


def test_with_embedded_servers(sample_env: dict[str, str], tmp_path: Path) -> None:
    """Without a configured database and Redis, the commands start the embedded ones and stop them again."""
    own = sample_env | {"DATABASE_URL": "", "REDIS_URL": "", "DATA_DIR": str(tmp_path / "own")}
    flask = separately(own)
    flask("db", "upgrade")
    assert json_output(flask, "config", "apply", SAMPLE / "config.yaml")["rules"] == 5
    assert json_output(flask, "doctor")["ok"] is True
    leftovers = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(p)]
    assert leftovers == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

"""The commands over the sample case, each its own process, against every figure of expected.json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.conftest import SAMPLE

EXPECTED = json.loads((SAMPLE / "expected.json").read_text("utf-8"))
ROOT = Path(__file__).parents[2]


def flask(env: dict[str, str], *words: object, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flask", *map(str, words)], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def flask_json(env: dict[str, str], *words: object) -> dict[str, Any]:
    """Exactly one JSON object and nothing else on standard output."""
    parsed = json.loads(flask(env, *words, "--json"))
    assert isinstance(parsed, dict)
    return parsed


@pytest.fixture
def env(sample_env: dict[str, str], engine: Engine) -> dict[str, str]:
    assert EXPECTED["id_hash_key"] == sample_env["ID_HASH_KEY"]
    assert EXPECTED["id_hash_algorithm"] == sample_env["ID_HASH_ALGORITHM"]
    return sample_env


def test_every_figure(env: dict[str, str]) -> None:
    flask(env, "db", "upgrade")
    assert flask_json(env, "config", "apply", SAMPLE / "config.yaml") == {
        "institutions": 8,
        "rules": 5,
        "schedules": 0,
    }
    check_leads(flask_json(env, "leads", "import", SAMPLE / "leads.xlsx"))
    check_log(flask_json(env, "logs", "ingest", SAMPLE / "logs"))
    check_hits(env)
    check_coverage(env)


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


def check_hits(env: dict[str, str]) -> None:
    first, last = EXPECTED["evaluate"]
    days = flask_json(env, "rules", "evaluate", "--as-of", first, "--through", last)["days"]
    created = {(rule, day): n for day, counts in days.items() for rule, n in counts["created"].items() if n}
    wanted: dict[tuple[str, str], int] = {}
    for rule, _lead, day, _values in EXPECTED["hits"]:
        wanted[rule, day] = wanted.get((rule, day), 0) + 1
    assert created == wanted
    for day, counts in days.items():
        for rule, refreshed in counts["refreshed"].items():
            assert refreshed + counts["created"][rule] == EXPECTED["coverage"][f"{rule} {day}"]
    rows = json.loads(flask(env, "hits", "export", "--format", "json"))
    found = sorted([row["rule_code"], row["lead_no"], row["hit_date"], row["values"]] for row in rows)
    assert found == sorted(EXPECTED["hits"])
    again = flask_json(env, "rules", "evaluate", "--as-of", first, "--through", last)["days"]
    assert not any(n for counts in again.values() for n in counts["created"].values())


def check_coverage(env: dict[str, str]) -> None:
    first, last = EXPECTED["evaluate"]
    found = {}
    for rule in sorted({key.split()[0] for key in EXPECTED["coverage"]}):
        counts = flask_json(env, "rules", "preview", rule, "--from", first, "--to", last)["coverage"]
        found |= {f"{rule} {day}": n for day, n in counts.items()}
    assert found == EXPECTED["coverage"]


def test_the_gb18030_list_gives_the_same(env: dict[str, str]) -> None:
    check_leads(flask_json(env, "leads", "import", SAMPLE / "leads_gb18030.csv"))


def test_with_embedded_servers(sample_env: dict[str, str], tmp_path: Path) -> None:
    """No database and no Redis configured: the commands start the embedded ones and leave none behind."""
    own = sample_env | {"DATABASE_URL": "", "REDIS_URL": "", "DATA_DIR": str(tmp_path / "own")}
    flask(own, "db", "upgrade")
    assert flask_json(own, "config", "apply", SAMPLE / "config.yaml")["rules"] == 5
    assert flask_json(own, "doctor")["ok"] is True
    flask(own, "config", "export", "-o", tmp_path / "back.yaml")
    before = (tmp_path / "back.yaml").read_text("utf-8")
    flask(own, "config", "apply", tmp_path / "back.yaml")
    assert flask(own, "config", "export") == before
    leftovers = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(p)]
    assert leftovers == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

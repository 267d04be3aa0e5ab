"""File modes: no other account can read what the product writes, whatever the umask."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

from app.lib.file_modes import tighten
from tests.conftest import SAMPLE
from tests.embedded.support import ROOT, open_to_others
from tests.leads.support import HEADER, person, write_csv

#: several commands in a process that starts like `flask`
RUN = """
import json, sys
from app import create_app
app = create_app()
for words in json.loads(sys.argv[1]):
    print(app.test_cli_runner().invoke(args=words).output)
"""


def test_what_commands_and_workers_write_is_private(
    sample_env: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    data_dir = Path(sample_env["DATA_DIR"])
    faulty = write_csv(tmp_path / "a.csv", [HEADER, person(1), person(2, phone="1")])
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"request_id,event_time\n" * 1000)[:60])
    commands = (
        ("config", "apply", SAMPLE / "config.yaml"),
        ("leads", "import", faulty),
        ("logs", "ingest", SAMPLE / "logs", cut),
        ("rules", "evaluate", "--as-of", "2026-10-26"),
        ("audit", "verify"),
        ("doctor",),
    )
    words = json.dumps(commands, default=str)
    done = subprocess.run(
        [sys.executable, "-c", RUN, words], cwd=ROOT, env=sample_env, umask=0, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kept = {path.relative_to(data_dir).parts[0] for path in data_dir.rglob("*") if path.is_file()}
    assert {"activity", "exports"} <= kept, done.stdout + done.stderr
    assert open_to_others(data_dir) == []


def test_an_upgrade_closes_what_was_open(tmp_path: Path) -> None:
    old = tmp_path / "var" / "activity" / "rejected"
    old.mkdir(parents=True)
    (old / "a.csv").write_text("x")
    (tmp_path / "elsewhere").write_text("x")
    (old / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "var", old.parent, old, tmp_path / "elsewhere"):
        path.chmod(0o755)
    (old / "a.csv").chmod(0o664)
    tighten(tmp_path / "var")
    assert open_to_others(tmp_path / "var" / "activity") == []
    assert (old / "a.csv").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o755

"""An import whose process is killed changes nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs.locks import Lock
from app.leads.batches import fail_abandoned, open_batch
from tests.leads.support import HEADER, Importer, person, write_csv

CRASH = """
import dataclasses, os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine
from app.leads import importer
from config import Settings

point, url, data_dir, path, batch = sys.argv[1:]

def crash(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def crash_after(function):
    return lambda *args, **kwargs: (function(*args, **kwargs), crash())

if point == "merged":
    importer.Merge.finish = crash_after(importer.Merge.finish)
elif point == "error_file":
    importer.ErrorFile.keep = crash_after(importer.ErrorFile.keep)
settings = Settings(Path(data_dir), url, "", "development", "Asia/Shanghai", "sm3", "s", "p", "k")
importer.import_leads(
    create_engine(url), Path(path), file_name="a.csv", user="x", settings=settings, batch_id=int(batch),
    progress=crash if point == "read" else print,
)
"""


def killed_at(importer: Importer, point: str) -> tuple[int, Path]:
    path = write_csv(importer.folder / "a.csv", [HEADER, person(1), person(2), person(3, phone="")])
    batch = open_batch(importer.engine, path, file_name="a.csv", user="x", update_existing=False)
    url = importer.engine.url.render_as_string(hide_password=False)
    data_dir = importer.settings.data_dir
    process = subprocess.run(
        [sys.executable, "-c", CRASH, point, url, str(data_dir), str(path), str(batch)],
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    # The server rolls back when it notices; then it lets the lock of the batch go.
    importer.query("SELECT pg_advisory_xact_lock(:kind, :batch)::text", kind=int(Lock.IMPORT), batch=batch)
    for table in ("lead", "branch"):
        assert importer.query(f"SELECT count(*) FROM {table}") == [0]
    assert importer.query("SELECT status FROM import_batch") == ["running"]
    return batch, path


@pytest.mark.parametrize("point", ["read", "merged", "error_file"])
def test_killed_and_done_again(importer: Importer, point: str) -> None:
    batch, path = killed_at(importer, point)
    result = importer.file(path, batch_id=batch)
    assert (result.batch, result.created) == (batch, 2)
    assert importer.kept_files() == [f"{batch}.csv"]


@pytest.mark.parametrize("point", ["merged", "error_file"])
def test_killed_and_given_up(importer: Importer, point: str) -> None:
    batch, _ = killed_at(importer, point)
    assert importer.kept_files() != []
    importer.execute("UPDATE import_batch SET created_at = now() - interval '61 minutes'")
    assert fail_abandoned(importer.engine, importer.settings) == [batch]
    assert importer.kept_files() == []

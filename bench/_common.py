"""Shared parts of the benchmarks: a database of their own, made-up customers, and timing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from app import create_web
from app.cli.database import upgrade_database
from app.embedded import services
from app.extensions import db
from config import Settings, load_settings

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
SURNAMES, GIVEN = "王李张刘陈杨黄赵周吴徐孙马朱胡林郭何高罗", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平"
#: made-up rows of the activity layer of one date, for $leads leads in $rows rows
CUBE_OF_A_DAY = """
    SELECT CAST(pow(random(), 3) * $leads AS BIGINT) + 1 AS lead,
           'I' || CAST(random() * 40 AS INTEGER) AS institution,
           CAST(1 + floor(random() * 3) AS UTINYINT) AS type, CAST($day AS DATE) AS day,
           CAST(floor(random() * 24) AS UTINYINT) AS hour, random() < 0.8 AS ok,
           CAST(1 + floor(random() * 2) AS BIGINT) AS n, 10::USMALLINT AS first_s, 20::USMALLINT AS last_s
    FROM range($rows) ORDER BY lead, institution
"""


def kept(name: str) -> Path:
    """Return the folder that keeps a data set, in ``bench/.data`` or where ``BENCH_DATA`` says."""
    return Path(os.environ.get("BENCH_DATA") or Path(__file__).parent / ".data") / name


@contextlib.contextmanager
def product(data_dir: Path | None = None) -> Iterator[tuple[Flask, Settings]]:
    """Run the application on its own embedded PostgreSQL, which is kept if ``data_dir`` is given."""
    with contextlib.ExitStack() as stack:
        folder = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = load_settings({"DATA_DIR": str(folder)})
        running = stack.enter_context(services(settings, redis=False))
        settings = dataclasses.replace(settings, database_url=running.database_url)
        app = create_web(settings)
        upgrade_database(app)
        with app.app_context():
            yield app, settings
            db.engine.dispose()


def id_number(number: int) -> str:
    """Return a distinct ID number with a valid check digit, of a region that does not exist."""
    born = f"{1950 + number % 50}{1 + number // 50 % 12:02d}{1 + number // 600 % 28:02d}"
    front = f"99{number // 16_800_000 % 100:02d}{number // 16_800 % 1000 // 10:02d}{born}"
    body = f"{front}{number // 16_800 % 1000:03d}"[:17]
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, WEIGHTS, strict=True)) % 11]


def customers(rows: int, seed: int = 1) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield rows of a lead list: number, name, phone, ID number, source, branch."""
    chance = random.Random(seed)
    for number in range(rows):
        name = chance.choice(SURNAMES) + chance.choice(GIVEN) + chance.choice(GIVEN)
        phone = f"1{chance.choice('3589')}{number:09d}"
        yield f"L{3_000_000 + number}", name, phone, id_number(number), "官网预约", f"B{number % 40:02d}"


@contextlib.contextmanager
def timed(results: dict[str, float], name: str) -> Iterator[None]:
    """Store the wall time in seconds under ``name``."""
    started = time.perf_counter()
    yield
    results[name] = time.perf_counter() - started


def peak_mb() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

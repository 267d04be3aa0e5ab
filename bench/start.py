"""Start time and memory of all processes of `make run`, compared with processes that load everything at once.

``python bench/start.py``: the product starts on an empty folder, with the demo, as by ``make run``. Printed
are seconds and CPU-seconds until it is ready, and the proportional memory (PSS: of a page shared by n
processes each one counts an n-th) of all its processes a minute later; then the seconds of a command on the
running product. For comparison one process loads the application of commands, one that of pages, and one
every heavy library besides.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
FOLDERS = re.compile(r"/(?:[^\s/=]*/)+")
SETTLING_SECONDS = 60
ONE = """
import os, sys, psutil
from app import create_app, create_web
{more}
app = {factory}()
me = psutil.Process()
print(me.memory_full_info().pss, sum(me.cpu_times()[:2]))
"""
HEAVY = """
import adbc_driver_postgresql.dbapi, duckdb, ibis, numpy, openpyxl, pandas, pyarrow.dataset, typst, PIL.Image
from app.activity import coverage, ingest, query
"""


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="lm-start-") as folder:
        environment = {**os.environ, "DATA_DIR": f"{folder}/var", "PORT": "18081", "PYTHONUNBUFFERED": "1"}
        environment.pop("DATABASE_URL", None)
        whole(environment)
        one(environment)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def whole(environment: dict[str, str]) -> None:
    """Measure the product from an empty folder to ready, and its memory then."""
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "run.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as product:
        try:
            for line in product.stdout or ():
                if "is ready" in line:
                    break
            took = time.monotonic() - started
            cpu = sum(of_each(product.pid, lambda process: sum(process.cpu_times()[:4])))
            print(f"ready after {took:.1f} s and {cpu:.1f} CPU-seconds", flush=True)
            time.sleep(SETTLING_SECONDS)
            sizes = sorted(of_each(product.pid, lambda process: (pss(process), name(process))), reverse=True)
            print(f"{len(sizes)} processes, {sum(size for size, _name in sizes):.0f} MB (PSS):")
            for size, called in sizes[:14]:
                print(f"  {size:6.0f} MB  {called}")
            command(environment)
        finally:
            product.send_signal(signal.SIGINT)
            product.communicate()


def command(environment: dict[str, str]) -> None:
    """Print the least seconds of a command that asks the database and prints an answer."""
    took = []
    for _ in range(5):
        started = time.monotonic()
        called = [sys.executable, "-m", "flask", "api-key", "list"]
        subprocess.run(called, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        took.append(time.monotonic() - started)
    print(f"a command: {min(took):.2f} s, at most {max(took):.2f} s")


def of_each(pid: int, ask: Callable[[psutil.Process], Any]) -> list[Any]:
    """Return ``ask`` of a process and all its descendants, skipping those that have ended."""
    results = []
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            results.append(ask(process))
    return results


def pss(process: psutil.Process) -> float:
    """Return the proportional memory of a process in MB."""
    return float(process.memory_full_info().pss) / (1 << 20)


def name(process: psutil.Process) -> str:
    """Return the end of a process's command line, without folders."""
    return FOLDERS.sub("", " ".join(process.cmdline()[-3:]))[:60]


def one(environment: dict[str, str]) -> None:
    """Measure one process with the application of commands, with its pages, and with every heavy library."""
    results = {}
    for label, factory, more in (
        ("of commands", "create_app", ""),
        ("with pages", "create_web", ""),
        ("with everything", "create_web", HEAVY),
    ):
        output = subprocess.run(
            [sys.executable, "-c", ONE.format(more=more, factory=factory)],
            cwd=ROOT,
            env={**environment, "DATABASE_URL": "postgresql+psycopg://nobody@/nothing"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        results[label] = memory, cpu = int(output[0]) / (1 << 20), float(output[1])
        print(f"an application {label}: {memory:.0f} MB, {cpu:.1f} CPU-seconds")
    (light, light_cpu), _, (heavy, heavy_cpu) = results.values()
    print(f"ratio {heavy / light:.1f} of memory, {heavy_cpu / light_cpu:.1f} of CPU")


if __name__ == "__main__":
    main()

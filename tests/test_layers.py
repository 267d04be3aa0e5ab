"""Layering rules that the import contract can't check: views looked up by name, hand-written addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

APP = Path(__file__).parent.parent / "app"
#: packages above the domains, which may know screens
ABOVE = ("console", "screens", "views.py", "security.py")


def sources() -> Iterator[tuple[str, str]]:
    """Yield every source file with its path below app/ and its text."""
    for path in sorted(APP.rglob("*")):
        name = path.relative_to(APP).as_posix()
        if path.suffix in (".py", ".html", ".txt", ".js", ".sql") and "vendor/" not in name:
            yield name, path.read_text(encoding="utf-8")


def test_no_domain_makes_a_request_or_looks_up_a_screen() -> None:
    reaching = re.compile(r"test_request_context|baseviews|\bview_named\b")
    found = [name for name, text in sources() if not name.startswith(ABOVE) and reaching.search(text)]
    assert found == []
    makes = [name for name, text in sources() if "test_request_context" in text]
    assert makes == [], "screens make no requests of their own either"


def test_one_module_writes_and_reads_the_filters_of_an_address() -> None:
    assert [name for name, text in sources() if "_flt_" in text] == ["console/urls.py"]


def test_nobody_writes_the_path_of_a_screen_by_hand() -> None:
    path = re.compile(r"""["'}]/[a-z]{3,}(view|choice)/""")
    found = [name for name, text in sources() if path.search(text)]
    assert found == []

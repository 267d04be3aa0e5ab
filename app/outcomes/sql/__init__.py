"""Named SQL statements of the outcomes package, one a file."""

from __future__ import annotations

from pathlib import Path

#: name → statement with ``:parameters``
SQL = {path.stem: path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.sql")}

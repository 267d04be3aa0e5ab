"""Marks beside figures and heads of columns name terms that the glossary explains."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask

from app.console.glossary import TERMS


def test_what_a_mark_names_is_in_the_glossary(app: Flask) -> None:
    sources = "".join(path.read_text("utf-8") for path in Path("app").rglob("*.html"))
    named = set(re.findall(r'tip\("(\w+)"', sources))
    assert named
    for view in app.appbuilder.baseviews:  # type: ignore[attr-defined]
        terms = getattr(view, "column_terms", {})
        assert set(terms) <= set(getattr(view, "list_columns", ())), type(view).__name__
        named |= set(terms.values())
    assert named <= set(TERMS), named - set(TERMS)

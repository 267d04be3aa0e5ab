"""Filters that test outcomes: counts of segments, unknown products, and what deletion minds."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.models import Product
from app.products import catalogue
from app.segments.definition import segment_def
from app.segments.sentence import filter_sentence
from tests import clock
from tests.outcomes.conftest import Bank

SEGMENTS = """\
segments:
- {code: SG-LOAN, name: 贷款客户, filter: {outcome: LOAN-C, days: 30}}
- {code: SG-ANY, name: 有业务, filter: {all: [{outcome: any, days: 30}]}}
- {code: SG-NONE, name: 无贷款, filter: {not: {outcome: LOAN-C, days: 400}}}
"""


def ago(days: int) -> str:
    return (clock.today() - dt.timedelta(days=days)).isoformat()


def test_segments_count_who_bought(bank: Bank, app: Flask) -> None:
    path = bank.folder / "segments.yaml"
    path.write_text(SEGMENTS, "utf-8")
    assert bank.cli("config", "apply", path).exit_code == 0
    bank.rows(
        ("A", "L1000", "LOAN-C", ago(29), "5"),
        ("B", "L1001", "LOAN-C", ago(30), "5"),
        ("C", "L1002", "DEP", ago(0), "5"),
    )

    def count(code: str, *options: Any) -> int:
        done = bank.cli("segments", "count", code, *options, "--json")
        return int(json.loads(done.stdout)["leads"])

    assert [count(code) for code in ("SG-LOAN", "SG-ANY", "SG-NONE")] == [1, 2, 3]
    assert [count(code, "--as-of", ago(1)) for code in ("SG-LOAN", "SG-ANY")] == [2, 2]
    bad = bank.folder / "bad.yaml"
    bad.write_text("segments: [{code: SG-X, name: X, filter: {outcome: CAR, days: 3}}]", "utf-8")
    refused = bank.cli("config", "apply", bad)
    assert (refused.exit_code, "There is no product with the code CAR" in refused.output) == (1, True)
    with app.test_request_context():
        loan = db.session.scalars(select(Product).where(Product.code == "LOAN-C")).one()
        with pytest.raises(DomainError, match="R-LOAN, SG-LOAN, SG-NONE"):
            catalogue.delete(loan)
        whole = segment_def({"filter": {"outcome": "LOAN-C", "days": 30}}).filter
        assert filter_sentence(whole) == "近 30 天购买过消费贷"

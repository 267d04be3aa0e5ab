"""Every lead is in exactly one quadrant of the matrix, and its list has as many leads as it counts."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import DomainError
from app.models import Lead
from app.segments.matrix import MEASURES, Axis, Quadrant, count, leads_of, median
from config import Settings

LIVE = Lead.deleted_at.is_(None)
#: what each measure is of 客1 … 客5, days known apart
VALUES = {
    "hits": [2, 1, 0, 0, 0],
    "best_score": [9, 2, 8, 0, 0],
    "institutions": [2, 1, 3, 0, 0],
    "calls": [3, 1, 3, 0, 0],
    "active_days": [2, 1, 3, 0, 0],
    "value": [0, 0, 0, 0, 0],
    "days_known": [1, 40, 100, 0, 0],
}


@pytest.mark.parametrize("x", MEASURES)
@pytest.mark.parametrize("y", ["calls", "hits", "days_known"])
def test_quadrants(bank: Session, settings: Settings, x: str, y: str) -> None:
    across, up = Axis(x, 2), Axis(y, 1.5)
    counts, _unknown, _exact = count(bank, across, up, settings, LIVE, 60)
    for (x_high, y_high), n in counts.items():
        quadrant = Quadrant.parse(str(Quadrant(across, up, x_high, y_high)))
        names = set(bank.scalars(select(Lead.name).where(Lead.id.in_(leads_of(bank, quadrant, settings)))))
        expected = {
            f"客{place + 1}"
            for place in range(5)
            if (VALUES[x][place] >= 2) == x_high and (VALUES[y][place] >= 1.5) == y_high
        }
        assert names == expected
        assert n == len(expected)
    assert sum(counts.values()) == bank.scalar(select(func.count()).where(LIVE))


def test_the_median_is_of_those_who_have_any(bank: Session, settings: Settings) -> None:
    assert median(bank, "best_score", settings, LIVE, 60) == 8
    assert median(bank, "calls", settings, LIVE, 60) == 3
    assert median(bank, "hits", settings, Lead.name == "客5", 60) == 1


@pytest.mark.parametrize(
    "text", ["", "hits>=1", "hits>=x~calls<1", "colour>=1~calls<1", "hits>=-1~calls<1", "hits>=nan~calls<1"]
)
def test_what_is_no_quadrant_is_refused(text: str) -> None:
    with pytest.raises(DomainError):
        Quadrant.parse(text)

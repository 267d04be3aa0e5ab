"""Filters of the API select the same rows as those of the lists."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.access.world import World
from tests.conftest import Person


@pytest.mark.parametrize(
    ("path", "column", "operator", "value", "count"),
    [
        ("leads", "status", "eq", "active", 3),
        ("leads", "status", "eq", "lost", 0),
        ("leads", "lead_no", "sw", "L1002", 1),
        ("leads", "created_at", "from", "2000-01-01", 3),
        ("leads", "created_at", "to", "2000-01-01", 0),
        ("hits", "grade", "eq", "Z", 0),
        ("hits", "status", "eq", "waiting", 3),
        ("hits", "rule", "rel_o_m", "2147483647", 0),
    ],
)
def test_a_filter_selects_rows(
    world: World,
    login: Callable[..., Person],
    path: str,
    column: str,
    operator: str,
    value: str,
    count: int,
) -> None:
    query = quote(f"(filters:!((col:{column},opr:{operator},value:'{value}')))")
    answer = login("Manager").get(f"/api/v1/{path}/?q={query}")
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["count"] == count


def test_an_invalid_filter_is_refused(world: World, login: Callable[..., Person]) -> None:
    for column, value in (("rule", "x"), ("hit_date", "soon")):
        operator = "from" if column == "hit_date" else "rel_o_m"
        query = quote(f"(filters:!((col:{column},opr:{operator},value:'{value}')))")
        answer = login("Manager", username=column).get(f"/api/v1/hits/?q={query}")
        assert answer.status_code == 400

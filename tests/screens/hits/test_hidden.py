"""Whom nobody may contact is hidden from lists, and a line says how many and shows them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from app.models import Hit
from tests.access.world import World
from tests.conftest import Person

HITS, CUSTOMERS = "/hitview/list/", "/customerview/list/"


@pytest.fixture
def blocked(world: World, session: Session) -> str:
    """Hold a waiting hit of each branch out, the customer's only ones that could be worked."""
    for where in ("home", "away"):
        for status in ("waiting", "in_progress"):
            session.get_one(Hit, world.ids[f"hit_{where}_{status}"]).holdout = True
    session.commit()
    return "客户HOME<"


def line(page: str) -> tuple[str, str]:
    """Return address and text of the line about hidden rows."""
    found = re.findall(r'<a class="hidden-rows" href="([^"]*)">([^<]*)</a>', page)
    return (html.unescape(found[0][0]), found[0][1]) if found else ("", "")


@pytest.mark.parametrize(
    ("path", "mine", "everybodys"),
    [
        (
            HITS,
            "2 hits whose customers nobody may contact are hidden (do not disturb, held out, converted)",
            "4 hits",
        ),
        (
            CUSTOMERS,
            "1 customer whom nobody may contact is hidden (do not disturb, held out, converted)",
            "2 customers",
        ),
    ],
)
def test_a_line_says_how_many_are_hidden_and_shows_them(
    path: str, mine: str, everybodys: str, world: World, blocked: str, login: Callable[..., Person]
) -> None:
    marketer = login("Marketer", branch=world.home)
    page = marketer.get(path).text
    address, text = line(page)
    assert text == mine
    assert line(login("Manager").get(path).text)[1].startswith(everybodys)
    shown = marketer.get(address).text
    assert "Holdout group" in shown
    assert "Holdout group" not in page
    assert line(shown) == ("", "")


def test_links_of_numbers_hide_nothing(world: World, blocked: str, login: Callable[..., Person]) -> None:
    manager = login("Manager")
    filtered = manager.get(f"{HITS}?_flt_1_status=waiting").text
    assert "Holdout group" in filtered
    assert 'value="all" selected' in filtered
    assert "Holdout group" in manager.get(f"/leadview/show/{world.ids['lead_home']}").text
    searched = manager.get(f"{HITS}?_flt_1_status=waiting&_flt_0_state=contactable").text
    assert "Holdout group" not in searched

"""Screens of segments and the matrix: every number equals the count of the list it opens."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Branch, Segment
from tests.conftest import Person

FORM = {
    "name": "活跃",
    "opted_out": "",
    "activity_metric": "calls",
    "activity_at_least": "1",
    "activity_days": "30",
}


@pytest.fixture
def manager(furnished: Flask, login: Callable[..., Person]) -> Person:
    return login("Manager")


def rows(client: Person, url: str) -> int:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.text.count('name="rowid"')


def test_a_segment_is_made_counted_and_opened(manager: Person, session: Session) -> None:
    assert manager.submit("/segmentview/count", FORM).get_json() == {"text": "3 leads now"}
    assert manager.submit("/segmentview/add", FORM).status_code == 302
    segment = session.scalars(select(Segment)).one()
    assert segment.definition == {"activity": {"metric": "calls", "at_least": 1, "window_days": 30}}
    html = manager.get(f"/segmentview/show/{segment.id}").text
    assert '<b class="num">3</b>' in html
    links = re.findall(r'<li><a href="([^"]*)">[^<]*</a> <b class="num">(\d+)</b>', html)
    assert len(links) >= 5
    for url, number in links:
        assert rows(manager, unescape(url)) == int(number), url


def test_the_form_shows_what_was_stored(manager: Person, session: Session) -> None:
    form = {
        **FORM,
        "statuses": ["active"],
        "hit_days": "7",
        "hit_grades": ["A", "B"],
        "created_from": "2026-01-02",
    }
    manager.submit("/segmentview/add", form)
    segment = session.scalars(select(Segment)).one()
    html = manager.get(f"/segmentview/edit/{segment.id}").text
    for part in ('value="7"', 'value="2026-01-02"', 'value="30"'):
        assert part in html
    assert re.search(r'name="hit_grades"[^>]*value="B" checked', html)
    assert not re.search(r'name="hit_grades"[^>]*value="C" checked', html)


def test_an_incomplete_activity_filter_is_refused(manager: Person, session: Session) -> None:
    html = manager.submit("/segmentview/add", {**FORM, "activity_days": ""}).text
    assert "Activity needs both" in html
    assert session.scalars(select(Segment)).all() == []


def test_a_private_segment_is_visible_to_its_owner_only(
    manager: Person, session: Session, login: Callable[..., Person]
) -> None:
    manager.submit("/segmentview/add", FORM)
    segment = session.scalars(select(Segment)).one()
    other = login("Manager")
    assert other.get(f"/segmentview/show/{segment.id}").status_code == 404
    assert other.get(f"/leadview/list/?_flt_0_segment={segment.id}").status_code == 400
    segment.shared = True
    session.commit()
    assert other.get(f"/segmentview/show/{segment.id}").status_code == 200
    assert other.submit(f"/segmentview/delete/{segment.id}").status_code == 409
    assert login("Admin").submit(f"/segmentview/delete/{segment.id}").status_code == 302


def test_a_marketer_counts_only_what_they_see(
    manager: Person, session: Session, login: Callable[..., Person]
) -> None:
    home = session.scalars(select(Branch).where(Branch.code == "HOME")).one()
    away = session.scalars(select(Branch).where(Branch.code == "AWAY")).one()
    manager.submit("/segmentview/add", {**FORM, "shared": "y"})
    segment = session.scalars(select(Segment)).one()
    marketer = login("Marketer", branch=home)
    assert marketer.submit("/segmentview/count", FORM).get_json() == {"text": "2 leads now"}
    assert '<b class="num">2</b>' in marketer.get(f"/segmentview/show/{segment.id}").text
    assert "AWAY" not in marketer.get(f"/segmentview/show/{segment.id}").text
    foreign = {"name": "x", "opted_out": "", "activity_metric": "calls", "branches": [str(away.id)]}
    assert marketer.submit("/segmentview/add", foreign).status_code == 200
    assert len(session.scalars(select(Segment)).all()) == 1


@pytest.mark.parametrize("asked", ["", "?x=calls&y=hits", "?x=best_score&y=days_known&x_at=3&y_at=10"])
def test_every_quadrant_opens_as_many_leads_as_it_says(manager: Person, asked: str) -> None:
    html = manager.get(f"/matrixview/list/{asked}").text
    corners = re.findall(r'class="corner[^"]*" href="([^"]*)">.*?<b class="num">(\d+)</b>', html, re.S)
    assert len(corners) == 4
    for url, number in corners:
        assert rows(manager, unescape(url)) == int(number), url
    assert sum(int(number) for _url, number in corners) == 5


def test_the_matrix_keeps_row_scope(session: Session, manager: Person, login: Callable[..., Person]) -> None:
    home = session.scalars(select(Branch).where(Branch.code == "HOME")).one()
    html = login("Marketer", branch=home).get("/matrixview/list/").text
    assert sum(map(int, re.findall(r'<b class="num">(\d+)</b>', html))) == 3


@pytest.mark.parametrize("asked", ["x=colour", "x_at=abc", "x_at=-1", "y_at=nan"])
def test_invalid_axes_are_refused(manager: Person, asked: str) -> None:
    assert manager.get(f"/matrixview/list/?{asked}").status_code == 400


def test_a_broken_stored_definition_is_reported(manager: Person, session: Session, app: Flask) -> None:
    session.add(Segment(name="坏", definition={"colour": 1}, owner="x", shared=True))
    session.commit()
    assert "colour" in manager.get("/segmentview/list/").text

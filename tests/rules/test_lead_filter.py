"""The lead filter: unknown names are refused, and what a rule's filter names can't be deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Branch, Rule, Segment, Tag
from tests.access.world import branch
from tests.conftest import Person
from tests.rules.support import apply_rule

FILTER = {"branches": ["SH"], "tags": ["VIP"], "segments": ["老客"]}


@pytest.fixture
def bank(app: Flask, session: Session) -> Session:
    """Store branch SH, tag VIP and the shared segment 老客, which the filter of R-1 in force names."""
    branch(session, "SH")
    session.add_all(
        [
            Tag(name="VIP", colour="red", created_by="x"),
            Segment(name="老客", definition={"statuses": ["active"]}, owner="me", shared=True),
        ]
    )
    session.commit()
    apply_rule(app, code="R-1", lead_filter=FILTER)
    return session


RULE = """
rules:
  - code: R-1
    name: 一
    lead_filter: %s
    conditions: [{metric: calls, op: ">=", value: 1, window_days: 7}]
"""


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("{branches: [NOWHERE]}", "rules[0].lead_filter.branches[0]: 'NOWHERE': unknown branch code"),
        ("{tags: [VIP, 无]}", "rules[0].lead_filter.tags[1]: '无': unknown tag"),
        ("{segments: [私]}", "rules[0].lead_filter.segments[0]: '私': unknown shared segment"),
        ("{segments: [两]}", "segments[0]: '两': several shared segments have this name"),
        ("{statuses: [gone]}", "rules[0].lead_filter.statuses[0]: 'gone'"),
        ("{colours: [red]}", "rules[0].lead_filter.colours"),
    ],
)
def test_a_filter_that_means_nothing_is_refused_by_place(
    cli: Callable[..., Any], session: Session, tmp_path: Path, wanted: str, said: str
) -> None:
    session.add_all(
        [Tag(name="VIP", colour="red", created_by="x"), Segment(name="私", definition={}, owner="x")]
    )
    session.add_all(Segment(name="两", definition={}, owner=owner, shared=True) for owner in "xy")
    session.commit()
    path = tmp_path / "rules.yaml"
    path.write_text(RULE % wanted, "utf-8")
    result = cli("config", "apply", path)
    assert result.exit_code == 1
    assert said in result.stderr
    assert session.scalars(select(Rule)).all() == []


def forms(bank: Session) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return address and form of each attempted change by name."""
    tag = bank.scalars(select(Tag)).one().id
    segment = bank.scalars(select(Segment)).one().id
    place = bank.scalars(select(Branch)).one().id
    said = {"opted_out": "", "activity_metric": "calls", "statuses": ["active"]}
    return {
        "delete tag": (f"/tagview/delete/{tag}", {}),
        "rename tag": (f"/tagview/edit/{tag}", {"name": "V", "code": "V", "colour": "red"}),
        "delete segment": (f"/segmentview/delete/{segment}", {}),
        "rename segment": (f"/segmentview/edit/{segment}", {"name": "新客", "shared": "y", **said}),
        "hide segment": (f"/segmentview/edit/{segment}", {"name": "老客", **said}),
        "second segment of that name": ("/segmentview/add", {"name": "老客", "shared": "y", **said}),
        "delete branch": (f"/branchview/delete/{place}", {}),
        "recode branch": (f"/branchview/edit/{place}", {"code": "BJ", "name": "上海"}),
    }


def names(bank: Session) -> list[Any]:
    bank.expire_all()
    bank.rollback()
    return [
        bank.execute(select(Tag.name)).all(),
        bank.execute(select(Segment.name, Segment.shared)).all(),
        bank.execute(select(Branch.code)).all(),
    ]


def test_what_a_rule_in_force_needs_stays(bank: Session, login: Callable[..., Person]) -> None:
    admin, before = login("Admin"), names(bank)
    for what, (address, form) in forms(bank).items():
        answer = admin.submit(address, form, follow_redirects=True)
        assert "R-1" in answer.text, what
        assert "lead filter" in answer.text, what
        assert names(bank) == before, what


def test_what_no_rule_needs_any_more_may_go(bank: Session, app: Flask, login: Callable[..., Person]) -> None:
    apply_rule(app, code="R-1")
    admin = login("Admin")
    for address, form in forms(bank).values():
        if "delete" in address:
            admin.submit(address, form)
    assert names(bank) == [[], [], []]


def test_what_is_needed_may_change_otherwise(bank: Session, login: Callable[..., Person]) -> None:
    tag, segment = bank.scalars(select(Tag)).one(), bank.scalars(select(Segment)).one()
    admin = login("Admin")
    admin.submit(f"/tagview/edit/{tag.id}", {"name": "VIP", "colour": "blue"})
    form = {"name": "老客", "shared": "y", "opted_out": "", "activity_metric": "calls", "statuses": ["lost"]}
    admin.submit(f"/segmentview/edit/{segment.id}", form)
    bank.expire_all()
    assert (tag.colour, segment.definition) == ("blue", {"statuses": ["lost"]})

"""A row's history includes the bulk statements that wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.audit.history import bulk_entries_of
from app.models import Lead
from tests.access.world import World
from tests.audit.conftest import Entries
from tests.conftest import Person
from tests.leads.support import HEADER, person, write_csv

MANY = 120


@pytest.fixture
def lead(cli: Callable[..., Any], session: Session, tmp_path: Path) -> Lead:
    """A lead that was imported and then changed by another import, together with many others."""
    for source in ("官网预约", "线下活动"):
        file = write_csv(
            tmp_path / f"{source}.csv", [HEADER, *(person(5000 + n, source=source) for n in range(MANY))]
        )
        assert cli("leads", "import", file, "--update").exit_code == 0
    return session.scalars(select(Lead).order_by(Lead.id).offset(60)).first() or pytest.fail("no lead")


def history(auditor: Person, table: str, key: int) -> str:
    page = auditor.get(f"/changelogview/list/?_flt_0_row={table}:{key}").text
    return " ".join(re.sub(r"<[^>]+>", " ", page[page.index("data-list") :]).split())


def test_imports_and_changes_of_many_leads_are_in_the_history_of_each(
    lead: Lead, login: Callable[..., Person], session: Session
) -> None:
    manager = login("Manager", username="boss")
    edit = {"name": lead.name, "status": "paused", "source": "线下活动"}
    assert manager.submit(f"/leadview/edit/{lead.id}", edit).status_code == 302
    assert manager.submit("/leadview/bulk?_flt_1_source=线下活动", {"kind": "delete"}).status_code == 302

    said = history(login("Auditor", language="zh"), "lead", lead.id)
    assert said.count("行 · 导入批次") == 2
    assert all(f"{MANY} 行 · 导入批次 {name}.csv" in said for name in ("官网预约", "线下活动"))
    assert f"{MANY} 行 · 批量处理 #" in said
    assert "测试" in said, "people are named"


def test_a_persons_history_has_roles_and_requests_and_a_leads_the_looks_at_its_number(
    world: World, login: Callable[..., Person], engine: Engine
) -> None:
    marketer = login("Marketer", username="reader", branch=world.home)
    lead = world.ids["lead_home"]
    assert marketer.submit(f"/leadview/reveal/{lead}", {"reason": "客户要求回电"}).status_code == 200
    auditor = login("Auditor", language="zh")
    assert "客户要求回电" in history(auditor, "lead", lead)

    with engine.begin() as connection:
        user = connection.scalar(text("SELECT id FROM ab_user WHERE username = 'reader'")) or 0
        role = "SELECT id FROM ab_role WHERE name = '{}'"
        connection.execute(
            text(f"UPDATE ab_user_role SET role_id = ({role.format('Manager')}) WHERE user_id = :user"),
            {"user": user},
        )
        connection.execute(
            text(
                "INSERT INTO approval"
                " (kind, subject_id, title, reason, changes, state, requested_by, expires_at)"
                " VALUES ('role_change', :user, 'reader', '升任主管', '{}', '', 'boss', now())"
            ),
            {"user": user},
        )
    said = history(auditor, "ab_user", user)
    assert "用户角色" in said
    assert "营销专员" in said
    assert "审批申请 reader" in said
    with engine.begin() as connection:
        for table, column in (("ab_user_role", "user_id"), ("ab_user", "id")):
            connection.execute(text(f"DELETE FROM {table} WHERE {column} = :user"), {"user": user})
    page = auditor.get(f"/changelogview/list/?_flt_0_row=ab_user:{user}").text
    assert "用户 reader" in page
    assert f"#{user}" not in history(auditor, "ab_user", user)


def test_a_hit_of_an_evaluation_was_made_by_it_and_one_made_alone_was_not(
    lead: Lead, world: World, app: Flask, engine: Engine, entries: Entries
) -> None:
    copy = (
        "INSERT INTO hit"
        " (rule_id, version_id, lead_id, hit_date, values, score, grade, evidence, last_met_on, made_on)"
        " SELECT rule_id, version_id, lead.id, hit_date + :later, values, score, grade, evidence,"
        " last_met_on, made_on"
        " FROM (SELECT * FROM hit ORDER BY id LIMIT 1) AS hit, lead WHERE lead.id <= :upto RETURNING hit.id"
    )
    with engine.begin() as connection:
        alone = connection.scalars(text(copy), {"later": 500, "upto": lead.id}).all()[0]
        evaluated = connection.scalars(text(copy), {"later": 600, "upto": 10**9}).all()[9]
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE hit SET grade = 'D' WHERE id IN (:a, :b)"), {"a": alone, "b": evaluated}
        )
    [many] = [entry.id for entry in entries(object="hit") if entry.rows > 1]
    with app.app_context():
        assert bulk_entries_of("hit", str(evaluated)) == [many]
        assert bulk_entries_of("hit", str(alone)) == []

"""Unknown branches in a lead file: each is listed and decided before the import."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.extensions import db
from app.leads.branch_choices import MAX_NAMES
from app.leads.branches import update_path
from app.models import Branch, Lead
from tests.conftest import Person
from tests.leads.support import person
from tests.screens.leads.test_import_steps import Wizard

NAMES = ["西湖支行", "西胡支行", "西胡支行", "滨江支行", "乱写"]
ROWS = [person(serial, branch=name) for serial, name in enumerate(NAMES)]


@pytest.fixture
def wizard(app: Flask, session: Session, login: Callable[..., Person]) -> Wizard:
    with app.app_context():
        head = Branch(code="HZ", name="杭州分行")
        db.session.add(head)
        update_path(head)
        below = Branch(code="HZ-XIHU", name="西湖支行", parent=head)
        db.session.add(below)
        update_path(below)
        db.session.commit()
    return Wizard(app, session, login("Manager"))


def decide(wizard: Wizard, batch: int, *answers: tuple[str, str, str], **more: str) -> Any:
    data = dict(more)
    for number, (name, do, branch) in enumerate(answers):
        data |= {f"name_{number}": name, f"do_{number}": do, f"branch_{number}": branch}
    answer = wizard.post("branches", batch, **data)
    wizard.work(batch)
    return answer


def tree(wizard: Wizard) -> dict[str, str]:
    wizard.session.rollback()
    codes = {branch.id: branch.code for branch in wizard.session.scalars(select(Branch))}
    paths = wizard.session.execute(select(Branch.code, Branch.path)).tuples()
    return {code: "/".join(codes[int(key)] for key in path.strip("/").split("/")) for code, path in paths}


def placed(wizard: Wizard) -> list[tuple[str, str]]:
    wizard.session.rollback()
    query = select(Lead.name, Branch.code).join(Branch, Branch.id == Lead.branch_id).order_by(Lead.id)
    return list(wizard.session.execute(query).tuples())


def test_each_name_is_decided_before_the_import(wizard: Wizard) -> None:
    batch = wizard.checked(ROWS)
    page = wizard.see("review", batch)
    assert re.findall(r'name="name_\d" value="([^"]*)"', page) == ["西胡支行", "乱写", "滨江支行"]
    nearest = re.search(r'<option value="(use:\d+)">It is 西湖支行 \(HZ-XIHU\)', page)
    assert nearest
    wizard.post("start", batch)
    assert wizard.row(batch).status == "checked"
    answers = [("西胡支行", nearest[1], ""), ("乱写", "reject", ""), ("滨江支行", "create", "杭州分行 (HZ)")]
    assert decide(wizard, batch, *answers).status_code == 302
    checked = wizard.row(batch).checked
    assert (checked["created"], checked["rejected"]) == (4, {"unknown_branch": 1})
    page = wizard.see("review", batch)
    assert "Create it below 杭州分行 (HZ)" in page
    assert placed(wizard) == []
    wizard.post("start", batch)
    wizard.work(batch)
    assert placed(wizard) == [("王0", "HZ-XIHU"), ("王1", "HZ-XIHU"), ("王2", "HZ-XIHU"), ("王3", "滨江支行")]
    assert tree(wizard) == {"HZ": "HZ", "HZ-XIHU": "HZ/HZ-XIHU", "滨江支行": "HZ/滨江支行"}
    errors = wizard.client.get(f"/importbatchview/errors/{batch}").get_data(as_text=True)
    assert "unknown_branch" in errors
    assert "没有这个机构" in errors


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (("", ""), "Choose one of the options."),
        (("use", ""), "Enter the branch it stands for."),
        (("use", "不存在"), "There is no branch “不存在”."),
        (("create", "不存在"), "There is no branch “不存在”."),
        (("use:999", ""), "Choose one of the options."),
        (("use:x", ""), "Choose one of the options."),
    ],
)
def test_an_invalid_choice_is_refused_beside_its_field(
    wizard: Wizard, answer: tuple[str, str], said: str
) -> None:
    batch = wizard.checked(ROWS)
    page = decide(
        wizard, batch, ("西胡支行", *answer), ("乱写", "reject", ""), ("滨江支行", "create", "")
    ).text
    assert said in page.split('id="branch_0-error"')[1].split("</p>")[0]
    assert wizard.row(batch).options == {}
    page = decide(wizard, batch, ("西胡支行", "create", "")).text
    assert "乱写" in page.split('class="error"')[1].split("</p>")[0]


def test_choices_can_be_reset(wizard: Wizard) -> None:
    batch = wizard.checked(ROWS)
    decide(wizard, batch, *((name, "create", "") for name in ("西胡支行", "乱写", "滨江支行")))
    assert wizard.row(batch).checked["created"] == 5
    assert decide(wizard, batch, again="1").status_code == 302
    assert wizard.row(batch).options == {}
    wizard.post("start", batch)
    assert wizard.row(batch).status == "checked"


def test_many_names_are_decided_together(wizard: Wizard) -> None:
    rows = [person(serial, branch=f"网点{serial}") for serial in range(MAX_NAMES + 5)]
    batch = wizard.checked([*rows, person(99, branch="网点0")])
    page = wizard.see("review", batch)
    names = re.findall(r'name="name_\d+" value="([^"]*)"', page)
    assert len(names) == MAX_NAMES
    decide(wizard, batch, *((name, "create", "HZ") for name in names))
    assert wizard.post("start", batch).status_code == 302
    assert wizard.row(batch).status == "checked"
    decide(wizard, batch, rest="reject")
    wizard.post("start", batch)
    wizard.work(batch)
    row = wizard.row(batch)
    assert (row.rows_created, row.rejected) == (MAX_NAMES + 1, {"unknown_branch": 5})


def test_a_branch_deleted_in_the_meantime_stops_the_import(wizard: Wizard) -> None:
    batch = wizard.checked(ROWS[1:3])
    decide(wizard, batch, ("西胡支行", "create", "HZ-XIHU"))
    wizard.post("start", batch)
    wizard.session.execute(delete(Branch).where(Branch.code == "HZ-XIHU"))
    wizard.session.commit()
    wizard.work(batch)
    assert wizard.row(batch).status == "failed"
    assert "西胡支行" in wizard.see("show", batch)
    assert set(tree(wizard)) == {"HZ"}


def test_a_branch_that_became_unknown_is_not_created_silently(wizard: Wizard) -> None:
    batch = wizard.checked(ROWS[:1])
    wizard.post("start", batch)
    wizard.session.execute(delete(Branch).where(Branch.code == "HZ-XIHU"))
    wizard.session.commit()
    wizard.work(batch)
    assert wizard.row(batch).status == "failed"
    assert placed(wizard) == []


def test_the_command_creates_them_and_names_them(wizard: Wizard, cli: Callable[..., Any]) -> None:
    wizard.upload(ROWS)
    path = wizard.app.config["SETTINGS"].data_dir.parent / "list.csv"
    dry = cli("leads", "import", path, "--dry-run", "--json")
    assert "would create 3 branches: 西胡支行 (2 rows), 乱写 (1 rows)" in dry.stderr
    done = cli("leads", "import", path, "--json")
    assert "created 3 branches" in done.stderr
    assert "branches" not in done.stdout
    assert tree(wizard)["西胡支行"] == "西胡支行"

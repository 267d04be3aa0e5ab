"""The list of roles says what each is for and how many people have it."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Branch, Staff
from app.permissions import ROLES
from app.screens.staff.role_labels import PURPOSE
from tests.conftest import Person


def test_a_role_says_what_it_is_for_and_how_many_have_it(
    session: Session, login: Callable[..., Person]
) -> None:
    assert set(PURPOSE) == {*ROLES.values(), "Public"}
    admin = login("Admin", language="en")
    for name in ("anna", "bert", "carl"):
        login("Auditor", username=name)
    session.scalars(select(Staff).where(Staff.username == "carl")).one().active = False
    session.commit()
    [row] = [
        row for row in re.findall("<tr.*?</tr>", admin.get("/roles/list/").text, re.S) if "Reads all" in row
    ]
    assert re.search(r'<span class="num">2</span>', row)


def test_what_a_role_may_do_is_in_words_and_in_one_order(
    session: Session, login: Callable[..., Person]
) -> None:
    key = session.scalars(select(Role.id).where(Role.name == "Admin")).one()
    page = login("Admin", language="zh").get(f"/roles/show/{key}").text
    rights = dict(re.findall(r"<div><strong>(.*?)</strong> (.*?)</div>", page))
    assert {"接口：客户事实", "接口：命中", "接口：接口说明"} <= set(rights)
    assert not any(re.search("接口：[a-z]", name) for name in rights)
    assert rights["禁用词"] == rights["标签"].replace("查看、", "") == "查看列表、新增、编辑、删除"


def test_a_long_purpose_has_the_width_of_a_sentence(login: Callable[..., Person]) -> None:
    page = login("Admin", language="en").get("/roles/list/").text
    assert '<span class="clip" title="Reads all but numbers in clear' in page


def test_the_tree_of_branches_is_drawn_apart_from_the_names(
    session: Session, login: Callable[..., Person]
) -> None:
    admin = login("Admin", language="en")
    assert admin.submit("/branchview/add", {"code": "top", "name": "Top"}).status_code == 302
    top = session.scalars(select(Branch.id)).one()
    below = {"code": "below", "name": "Below", "parent": str(top)}
    assert admin.submit("/branchview/add", below).status_code == 302
    assert re.search(r'<span class="tree-mark">\W*└ </span>Below', admin.get("/branchview/list/").text)

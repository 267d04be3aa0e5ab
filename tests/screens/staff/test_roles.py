"""The list of roles says what each is for and how many people have it."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Staff
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

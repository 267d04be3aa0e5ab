"""Requests for approval open on what waits for me, and the menu says how many."""

from __future__ import annotations

from collections.abc import Callable

from tests.access.world import World
from tests.conftest import Person


def test_the_list_opens_on_what_waits_for_me(world: World, login: Callable[..., Person]) -> None:
    manager, auditor, marketer = (login(role) for role in ("Manager", "Auditor", "Marketer"))
    mine = manager.get("/approvalview/list/").text
    assert "2 rows" in mine
    assert '<a href="/approvalview/list/">Approvals <b class="badge">2</b></a>' in mine.replace(
        ' aria-current="page"', ""
    )
    assert "2 rows" in auditor.get("/approvalview/list/").text, "who decides nothing sees all that wait"
    approval = world.ids["approval"]
    manager.submit(f"/approvalview/reject/{approval}", {"note": "门槛太低"})
    assert "1 row" in manager.get("/approvalview/list/").text
    assert "2 rows" in manager.get("/approvalview/list/?_flt_0_turn=all").text
    own = manager.get("/approvalview/list/?_flt_0_turn=own").text
    assert "No request waits" in own or "0 rows" in own
    assert "badge" not in marketer.get("/hitview/list/").text.split("Approvals")[-1][:60]

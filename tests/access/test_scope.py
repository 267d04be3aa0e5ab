"""A marketer can't reach another branch's lead or hit: not by list, search, form, action, API or export."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from app.access.scope import visible_to
from app.console.view import ConsoleView
from app.models import Lead, Staff
from app.permissions import may
from tests.access.world import World, fingerprint
from tests.conftest import Person, make_staff


@pytest.fixture
def marketer(world: World, login: Callable[..., Person]) -> Person:
    return login("Marketer", branch=world.home)


LISTS = [
    "/leadview/list/",
    "/leadview/list/?_flt_0_lead_no=L1002",
    "/leadview/list/?_flt_0_name=客户AWAY",
    "/leadview/list/?_flt_0_branch={away}",
    "/leadview/list/?_oc_LeadView=lead_no&_od_LeadView=desc&psize_LeadView=200",
    "/hitview/list/",
    "/customerview/list/?_flt_0_state=all&psize_CustomerView=200",
    "/hitview/list/?_flt_1_status=waiting&psize_HitView=200",
    "/enrolmentview/list/",
    "/branchview/list/",
    "/ruleview/show/{rule}",
    "/api/v1/leads/",
    "/api/v1/leads/?q=(filters:!((col:lead_no,opr:sw,value:L1002)))",
    "/api/v1/hits/?q=(page_size:200)",
]


def test_every_table_with_a_branch_is_limited(app: Flask, world: World, session: Session) -> None:
    """A table of the branches that marketers may list has a row scope."""
    me = make_staff(session, "me", "Marketer", branch=world.home)
    models = {
        view.model
        for view in app.appbuilder.baseviews  # type: ignore[attr-defined]
        if isinstance(view, ConsoleView) and may("Marketer", "can_list", type(view).__name__)
    }
    with_branch = [model for model in models if hasattr(model, "branch_id")]
    assert with_branch
    with app.app_context():
        unscoped = [model.__name__ for model in with_branch if str(visible_to(me, model)) == "true"]
    assert unscoped == []


@pytest.mark.parametrize("path", LISTS)
def test_lists_show_the_own_subtree_only(path: str, marketer: Person, world: World) -> None:
    response = marketer.get(path.format(**world.ids))
    assert response.status_code == 200
    rows = response.text.replace('value="客户AWAY"', "").replace('value="L1002"', "")
    assert "138****0002" not in rows
    assert f"/leadview/show/{world.ids['lead_away']}" not in rows
    assert f"/hitview/show/{world.ids['hit_away_waiting']}" not in rows
    assert f"/customerview/show/{world.ids['lead_away']}" not in rows
    assert f"/enrolmentview/show/{world.ids['enrolment_away']}" not in rows
    if path.startswith("/api/"):
        assert "L1002" not in rows


def test_the_own_subtree_is_there(marketer: Person) -> None:
    page = marketer.get("/leadview/list/").text
    assert "客户HOME" in page
    assert "客户HOME-SUB" in page
    assert marketer.get("/api/v1/leads/").get_json()["count"] == 2
    assert marketer.get("/api/v1/hits/").get_json()["count"] == 6


FOREIGN = [
    ("GET", "/leadview/show/{lead_away}"),
    ("GET", "/leadview/timeline/{lead_away}"),
    ("GET", "/hitview/show/{hit_away_waiting}"),
    ("GET", "/customerview/show/{lead_away}"),
    ("GET", "/customerview/open/{lead_away}"),
    ("GET", "/enrolmentview/show/{enrolment_away}"),
    ("GET", "/branchview/show/{away}"),
    ("GET", "/api/v1/leads/{lead_away}"),
    ("GET", "/api/v1/hits/{hit_away_waiting}"),
    ("POST", "/hitview/action/start/{hit_away_waiting}"),
    ("POST", "/customerview/action/claim/{lead_away}"),
    ("POST", "/customerview/action/give_back/{lead_away}"),
    ("POST", "/hitview/action/convert/{hit_away_in_progress}"),
    ("POST", "/hitview/action/fail/{hit_away_in_progress}"),
    ("POST", "/hitview/action/reopen/{hit_away_failed}"),
]


@pytest.mark.parametrize(("method", "path"), FOREIGN)
def test_foreign_rows_are_not_there(
    method: str, path: str, marketer: Person, world: World, engine: Engine
) -> None:
    before = fingerprint(engine)
    where = path.format(**world.ids)
    response = marketer.get(where) if method == "GET" else marketer.submit(where)
    assert response.status_code == 404
    assert fingerprint(engine) == before


@pytest.mark.parametrize("action", ["claim", "close", "reopen", "export"])
def test_bulk_actions_leave_foreign_rows_alone(
    action: str, marketer: Person, world: World, engine: Engine
) -> None:
    state = {"reopen": "failed", "close": "in_progress"}.get(action, "waiting")
    away, home = (str(world.ids[f"hit_{where}_{state}"]) for where in ("away", "home"))
    reason = {"choice_close": str(world.ids["close_reason"])}
    before = fingerprint(engine)
    response = marketer.submit("/hitview/action_post", {"action": action, "rowid": [away]} | reason)
    assert response.status_code == 404
    assert fingerprint(engine) == before
    mixed = marketer.submit("/hitview/action_post", {"action": action, "rowid": [away, home]} | reason)
    assert mixed.status_code in (200, 302)
    assert "L1002" not in mixed.text
    with engine.connect() as connection:
        untouched = connection.exec_driver_sql(f"SELECT status, owner_id FROM hit WHERE id = {away}").one()
    assert untouched == (state, None)


def test_the_api_tells_nothing_beside_its_rows(marketer: Person, world: World) -> None:
    """Flask-AppBuilder's _info lists the rows of related tables, whoever asks."""
    for name in ("leads", "hits"):
        assert marketer.get(f"/api/v1/{name}/_info").status_code == 404
        asked = marketer.get(f"/api/v1/{name}/?q=(columns:!(id,id_hash,phone_cipher,phone_index))").text
        assert "phone_cipher" not in asked
        assert "id_hash" not in asked


def test_a_marketer_without_a_branch_sees_nothing(world: World, login: Callable[..., Person]) -> None:
    client = login("Marketer")
    assert client.get("/api/v1/leads/").get_json()["count"] == 0
    assert client.get("/api/v1/hits/").get_json()["count"] == 0


def test_an_integration_key_sees_its_branch_only(world: World, app: Flask, session: Session) -> None:
    from tests.conftest import make_staff

    key = {}
    for name, where in (("all", None), ("home", world.home)):
        user = make_staff(session, f"system-{name}", "Integration", branch=where)
        with app.app_context():
            manager = app.appbuilder.sm  # type: ignore[attr-defined]
            key[name] = manager.create_api_key(manager.get_user_by_id(user.id), name)["key"]
    client = app.test_client()
    count = {
        name: client.get("/api/v1/leads/", headers={"Authorization": f"Bearer {secret}"}).get_json()["count"]
        for name, secret in key.items()
    }
    assert count == {"all": 3, "home": 2}
    refused = client.get("/api/v1/leads/", headers={"Authorization": "Bearer lm_wrong"})
    assert refused.status_code == 401
    assert client.get("/api/v1/leads/").status_code == 401


def test_moving_a_lead_moves_its_hits_out_of_reach(marketer: Person, world: World, session: Session) -> None:
    session.execute(update(Lead).where(Lead.id == world.ids["lead_home"]).values(branch_id=world.away.id))
    session.commit()
    assert marketer.get(f"/hitview/show/{world.ids['hit_home_waiting']}").status_code == 404


def test_a_deleted_lead_and_its_hits_are_gone_for_everybody(
    world: World, login: Callable[..., Person]
) -> None:
    manager = login("Manager")
    manager.submit(f"/leadview/delete/{world.ids['lead_home']}")
    assert manager.get(f"/leadview/show/{world.ids['lead_home']}").status_code == 404
    assert manager.get(f"/hitview/show/{world.ids['hit_home_waiting']}").status_code == 404
    assert manager.get("/api/v1/hits/").get_json()["count"] == 6


def test_a_branch_moved_below_home_comes_into_sight(
    marketer: Person, world: World, login: Callable[..., Person], session: Session
) -> None:
    admin = login("Admin")
    form = {"code": "AWAY", "name": "AWAY 支行", "parent": str(world.home.id)}
    assert admin.submit(f"/branchview/edit/{world.away.id}", form).status_code == 302
    assert marketer.get(f"/leadview/show/{world.ids['lead_away']}").status_code == 200
    loop = {"code": "HOME", "name": "HOME 支行", "parent": str(world.away.id)}
    refused = admin.submit(f"/branchview/edit/{world.home.id}", loop)
    assert refused.status_code == 200
    assert "belong to itself" in refused.text


def test_nobody_widens_their_own_scope(marketer: Person, world: World, session: Session) -> None:
    response = marketer.submit("/profile/form", {"language": "en", "branch": str(world.away.id)})
    assert response.status_code == 302
    assert session.query(Staff).filter(Staff.branch_id == world.away.id).all() == []

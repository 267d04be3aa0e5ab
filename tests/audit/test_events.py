"""Every kind of act is logged under the user's name, whichever way it was done."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.database import upgrade_database
from app.jobs import t1
from app.models import Approval
from app.t1 import runs
from tests import clock
from tests.access.world import World
from tests.audit.conftest import Entries
from tests.audit.test_entries import OPERATOR, libpq
from tests.conftest import Person

Login = Callable[..., Person]


def test_a_number_looked_at_and_a_request_decided_about(
    world: World, login: Login, entries: Entries, session: Session
) -> None:
    marketer = login("Marketer", username="reader", branch=world.home)
    lead = world.ids["lead_home"]
    assert marketer.submit(f"/leadview/reveal/{lead}", {"reason": "客户要求回电"}).status_code == 200
    [look] = entries(object="reveal")
    assert (look.actor, look.source) == ("reader", "screen")
    assert look.changes["lead_id"] == [None, lead]
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    maker.submit(f"/ruleversionview/submit/{world.ids['draft']}", {"reason": "更准"})
    asked = session.scalars(select(Approval.id).order_by(Approval.id.desc())).first()
    checker.submit(f"/approvalview/approve/{asked}", {"note": "同意"})
    made, decided = entries(object="approval", object_id=str(asked))
    assert (made.kind, made.actor) == ("insert", "maker")
    assert (decided.actor, decided.changes["status"]) == ("checker", ["waiting", "approved"])
    [in_force] = entries(object="rule_version", object_id=str(world.ids["draft"]), actor="checker")
    assert (in_force.xid, in_force.changes["status"]) == (decided.xid, ["submitted", "active"])


def test_asking_for_rows_beyond_the_branch_is_noted(
    world: World, login: Login, entries: Entries, session: Session
) -> None:
    marketer, ids = login("Marketer", username="curious", branch=world.home), world.ids
    lead, hit, other = ids["lead_away"], ids["hit_away_waiting"], ids["hit_away_in_progress"]
    attempts = [
        ("GET", f"/leadview/show/{lead}", "lead", lead),
        ("POST", f"/leadview/reveal/{lead}", "lead", lead),
        ("POST", f"/hitview/work/{hit}/convert", "hit", hit),
        ("GET", f"/hitview/contact_one/{hit}/sms", "hit", hit),
        ("GET", f"/api/v1/leads/{lead}", "lead", lead),
        ("GET", f"/api/v1/hits/{hit}", "hit", hit),
    ]
    for method, path, _table, _key in attempts:
        answer = marketer.get(path) if method == "GET" else marketer.submit(path)
        assert answer.status_code == 404, path
    rows = {"action": "claim", "rowid": [str(hit), str(ids["hit_home_waiting"]), str(other)]}
    assert marketer.submit("/hitview/action_post", rows).status_code == 302
    noted = entries(kind="denied")
    assert {each.actor for each in noted} == {"curious"}
    said = [(each.title, each.object, each.object_id) for each in noted]
    assert said[:-1] == [(f"{method} {path}", table, str(key)) for method, path, table, key in attempts]
    assert said[-1] == ("POST /hitview/action_post", "hit", None)
    assert noted[-1].changes == {"ids": sorted([hit, other])}
    login("Manager").submit(f"/leadview/delete/{lead}")
    for person, key in ((marketer, 999_999), (marketer, ids["lead_home"]), (login("Manager"), lead)):
        person.get(f"/leadview/show/{key}")
    assert len(entries(kind="denied")) == len(noted)


def test_lists_read_by_api_are_noted_with_their_size(
    app: Flask, world: World, login: Login, cli: Callable[..., Any], entries: Entries
) -> None:
    key = json.loads(cli("api-key", "create", "crm", "--json").stdout)["key"]
    app.test_client().get("/api/v1/hits/", headers={"Authorization": f"Bearer {key}"})
    query = "(filters:!((col:lead_no,opr:sw,value:'13800000001')),page_size:200)"
    marketer = login("Marketer", username="reader", branch=world.home)
    assert marketer.get(f"/api/v1/leads/?q={query}").get_json()["count"] == 0
    marketer.get("/api/v1/leads/?q=(page_size:200)")
    by_key, nothing, all_ = entries(kind="download")
    assert (by_key.actor, by_key.object, by_key.source) == ("crm", "hit", "api")
    assert (by_key.changes["rows"], by_key.changes["filter"]) == (9, "")
    assert (all_.actor, all_.object, all_.title) == ("reader", "lead", "GET /api/v1/leads/")
    assert all_.changes == {"rows": 2, "filter": "(page_size:200)"}
    assert (nothing.changes["rows"], "138****0001" in nothing.changes["filter"]) == (0, True)


def test_a_key_is_made_used_and_revoked(
    app: Flask, world: World, cli: Callable[..., Any], entries: Entries, session: Session
) -> None:
    made = json.loads(cli("api-key", "create", "crm", "--json").stdout)
    key = {"headers": {"Authorization": f"Bearer {made['key']}"}}
    with libpq(app) as other:
        sent = "UPDATE outreach SET status = 'sent', reserved_at = now() WHERE id = %s RETURNING key"
        [contact] = other.execute(sent, [world.ids["contact"]]).fetchone() or [None]
    at = clock.now().isoformat()
    outcome = {"results": [{"outreach_id": str(contact), "outcome": "answered", "at": at}]}
    answer = app.test_client().post("/api/v1/outreach/results", json=outcome, **key)
    assert answer.get_json()["results"][0]["status"] == "accepted", answer.text
    cli("api-key", "revoke", "crm")
    _of_the_world, given, revoked = entries(object="ab_api_key")
    assert (given.kind, given.actor, given.request) == ("insert", OPERATOR, "api-key create")
    assert (revoked.kind, revoked.actor, revoked.request) == ("update", OPERATOR, "api-key revoke")
    assert made["key"] not in str(entries())
    [told] = entries(object="outreach_event")
    assert (told.source, told.actor) == ("api", entries(object="ab_user", kind="insert")[-1].title)


def test_a_run_begins_and_ends_as_who_asked_for_it(
    app: Flask, login: Login, entries: Entries, session: Session
) -> None:
    login("DataOperator", username="operator")
    with app.app_context():
        run = runs.request_run(clock.today() - dt.timedelta(days=1), "operator").id
        t1.run(run)
    begun, *_between, ended = entries(object="job_run", kind="update")
    assert {(each.actor, each.source, each.request) for each in (begun, ended)} == {
        ("operator", "job", f"run {run}")
    }
    assert begun.changes["status"] == ["queued", "running"]
    assert ended.changes["status"][0] == "running"


def test_permissions_that_an_upgrade_changes(app: Flask, cli: Callable[..., Any], entries: Entries) -> None:
    with libpq(app) as other:
        other.execute(
            "DELETE FROM ab_permission_view_role WHERE permission_view_id IN"
            " (SELECT one.id FROM ab_permission_view AS one"
            "  JOIN ab_permission ON permission_id = ab_permission.id"
            "  JOIN ab_view_menu ON view_menu_id = ab_view_menu.id"
            "  WHERE ab_permission.name = 'can_list' AND ab_view_menu.name = 'LeadView')"
            " AND role_id = (SELECT id FROM ab_role WHERE name = 'Auditor')"
        )
    assert cli("db", "upgrade").exit_code == 0
    [noted] = entries(kind="permissions_seeded")
    assert (noted.actor, noted.source, noted.title) == (OPERATOR, "cli", "Auditor")
    assert noted.changes == {"given": ["can_list LeadView"], "taken": []}
    assert entries(object="ab_permission_view_role", kind="insert")[-1].actor == OPERATOR
    with app.app_context():
        upgrade_database(app)
    assert len(entries(kind="permissions_seeded")) == 1

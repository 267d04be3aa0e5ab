"""Screens of the do-not-disturb list, tags and a lead's page."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.leads.upload_worker import work_on
from app.models import ChangeLog, ImportBatch, Lead, LeadTag, Suppression, Tag
from tests import clock
from tests.access.world import World
from tests.conftest import Person
from tests.leads.support import id_number

PHONE, SHOWN = "13800000001", "138****0001"


@pytest.fixture
def manager(world: World, login: Callable[..., Person]) -> Person:
    return login("Manager")


def opted_out(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(Lead.lead_no).where(Lead.opted_out).order_by(Lead.id)))


def test_a_phone_is_added_and_taken_off_with_a_reason(manager: Person, engine: Engine, world: World) -> None:
    answer = manager.submit("/suppressionview/add", {"phone": PHONE, "reason": "投诉", "expires_on": ""})
    assert answer.status_code == 302
    assert opted_out(engine) == ["L1001"]
    html = manager.get("/suppressionview/list/?_flt_0_in_state=in_force").text
    assert SHOWN in html
    assert html.count(f"** {SHOWN}</a>") == 1, "the lead whom it means, masked"
    since = f"投诉, since {clock.today()}"
    for page in (
        "leadview/list/",
        "hitview/list/",
        f"hitview/show/{world.ids['hit_home_waiting']}",
    ):
        assert since in manager.get(f"/{page}").text, page
    assert PHONE not in html
    entry = world.ids["suppression"] + 1
    assert "L1001" in manager.get(f"/suppressionview/show/{entry}").text
    assert manager.submit(f"/suppressionview/take_off/{entry}", {"reason": ""}).status_code == 200
    assert opted_out(engine) == ["L1001"]
    assert manager.submit(f"/suppressionview/take_off/{entry}", {"reason": "同意"}).status_code == 302
    assert opted_out(engine) == []
    assert SHOWN in manager.get("/suppressionview/list/?_flt_0_in_state=removed").text
    assert SHOWN not in manager.get("/suppressionview/list/?_flt_0_in_state=in_force").text


def test_an_id_number_is_written_nowhere(manager: Person, engine: Engine) -> None:
    typed = id_number(7)
    answer = manager.submit("/suppressionview/add", {"id_number": typed, "reason": f"他说 {typed}"})
    assert answer.status_code == 302
    with engine.connect() as connection:
        stored = connection.exec_driver_sql(
            "SELECT s::text FROM suppression s ORDER BY id DESC LIMIT 1"
        ).scalar()
    assert typed not in str(stored)
    assert typed[6:14] not in str(stored)


def test_both_or_neither_is_refused_beside_the_field(manager: Person, engine: Engine) -> None:
    html = manager.submit(
        "/suppressionview/add", {"phone": PHONE, "id_number": id_number(7), "reason": "x"}
    ).text
    assert 'id="phone-error"' in html
    assert opted_out(engine) == []


def test_a_file_goes_through_the_import_wizard(manager: Person, engine: Engine, app: Flask) -> None:
    def step(name: str, **data: str) -> str:
        answer = manager.submit(f"/importbatchview/{name}/{batch}", data)
        with app.app_context():
            work_on(int(batch))
        return str(answer.headers["Location"])

    content = f"手机号,备注,有效期至\n{PHONE},投诉,\n12,,\n13800000003,,2020-01-01\n".encode("gb18030")
    upload = {"file": (io.BytesIO(content), "名单.csv"), "reason": "批量 13900001111"}
    location = manager.submit("/suppressionview/upload", upload).headers["Location"]
    batch = location.rsplit("/", 1)[1]
    html = manager.get(location).text
    assert PHONE not in html
    assert '<option value="expires_on" selected>' in html
    lacking = manager.submit(f"/importbatchview/columns/{batch}", {"column_1": "reason"})
    assert "Choose which column has the phone numbers, or" in lacking.text
    step("columns", column_0="phone", column_1="reason", column_2="expires_on")
    html = manager.get(f"/importbatchview/review/{batch}").text
    assert "Invalid or past expiry date" in html
    assert opted_out(engine) == []
    step("start")
    assert opted_out(engine) == ["L1001"]
    html = manager.get(f"/importbatchview/show/{batch}").text
    said = "3 rows read: 1 entries added, 0 already there, 2 rejected; 1 leads changed."
    assert said in html
    assert "/suppressionview/upload" in html
    assert "/action/undo/" not in html
    errors = manager.get(f"/importbatchview/errors/{batch}").get_data(as_text=True)
    assert errors.count("bad_expiry") == 1
    assert manager.submit(f"/importbatchview/action/undo/{batch}").status_code == 302
    assert opted_out(engine) == ["L1001"]


def test_dry_runs_count_as_lookups(manager: Person, session: Session, app: Flask) -> None:
    """Repeated dry runs of ever smaller files would reveal the masked digits of a number."""
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], reveals_per_hour=2)
    upload = {"file": (io.BytesIO(f"手机号\n{PHONE}\n".encode()), "名单.csv"), "reason": "投诉"}
    location = manager.submit("/suppressionview/upload", upload).headers["Location"]
    batch = int(location.rsplit("/", 1)[1])

    def status() -> str:
        session.rollback()
        return session.get_one(ImportBatch, batch, populate_existing=True).status

    for _ in range(2):
        assert manager.submit(f"/importbatchview/columns/{batch}", {"column_0": "phone"}).status_code == 302
        with app.app_context():
            work_on(batch)
        assert status() == "checked"
    refused = manager.submit(f"/importbatchview/columns/{batch}", {"column_0": "phone"})
    assert "searched for 2 numbers within an hour" in refused.text
    again = manager.submit(f"/importbatchview/recheck/{batch}", follow_redirects=True)
    assert "searched for 2 numbers within an hour" in again.text
    assert status() == "checked", "what was checked can still be imported"
    asked = select(ChangeLog.object_id).where(ChangeLog.kind == "number_search")
    assert session.scalars(asked).all() == [str(batch)] * 2


def test_the_do_not_disturb_box_of_a_lead_needs_a_reason(
    manager: Person, engine: Engine, world: World
) -> None:
    lead = world.ids["lead_home"]
    form = {"name": "客", "status": "active", "do_not_disturb": "y"}
    html = manager.submit(f"/leadview/edit/{lead}", form).text
    assert 'id="do_not_disturb_reason-error"' in html
    assert (
        manager.submit(f"/leadview/edit/{lead}", {**form, "do_not_disturb_reason": "来电"}).status_code == 302
    )
    assert opted_out(engine) == ["L1001"]
    assert "来电" in manager.get(f"/leadview/show/{lead}").text
    assert manager.submit(f"/leadview/edit/{lead}", {**form, "name": "另名"}).status_code == 302
    assert opted_out(engine) == ["L1001"]
    del form["do_not_disturb"]
    manager.submit(f"/leadview/edit/{lead}", {**form, "do_not_disturb_reason": "同意"})
    assert opted_out(engine) == []


def test_a_new_phone_that_is_on_the_list_opts_the_lead_out(
    manager: Person, engine: Engine, world: World
) -> None:
    manager.submit("/suppressionview/add", {"phone": "13911110000", "reason": "投诉"})
    form = {"name": "客", "status": "active", "new_phone": "13911110000"}
    # The tick stays as it was when the form was opened: the new phone decides.
    assert manager.submit(f"/leadview/edit/{world.ids['lead_home']}", form).status_code == 302
    assert opted_out(engine) == ["L1001"]
    added = {"name": "新", "phone": "139 1111 0000", "id_number": id_number(9), "status": "active"}
    assert manager.submit("/leadview/add", added).status_code == 302
    assert len(opted_out(engine)) == 2
    away = {**form, "do_not_disturb": "y", "new_phone": "13911110001"}
    assert manager.submit(f"/leadview/edit/{world.ids['lead_home']}", away).status_code == 302
    assert len(opted_out(engine)) == 1


def test_tags_are_put_on_and_taken_off_in_bulk(manager: Person, session: Session, world: World) -> None:
    tag, leads = world.ids["free_tag"], [str(world.ids[f"lead_{name}"]) for name in ("home", "away")]

    def tagged() -> set[int]:
        session.rollback()
        return set(session.scalars(select(LeadTag.lead_id).where(LeadTag.tag_id == tag)))

    for _twice in range(2):
        manager.submit("/leadview/action_post", {"action": "tag", "rowid": leads, "choice_tag": str(tag)})
        assert tagged() == set(map(int, leads))
    html = manager.get(f"/leadview/list/?_flt_0_tag={tag}").text
    assert html.count('name="rowid"') == 2
    assert "tag-colour-red" in html
    manager.submit("/leadview/action_post", {"action": "untag", "rowid": leads[:1], "choice_untag": str(tag)})
    assert tagged() == {int(leads[1])}


@pytest.mark.parametrize("choice", ["", "999", "x"])
def test_a_tag_must_be_chosen(manager: Person, session: Session, world: World, choice: str) -> None:
    before = session.scalars(select(LeadTag.lead_id)).all()
    session.rollback()
    data = {"action": "tag", "rowid": [str(world.ids["lead_home"])], "choice_tag": choice}
    assert manager.submit("/leadview/action_post", data).status_code == 302
    assert session.scalars(select(LeadTag.lead_id)).all() == before


def test_a_lead_keeps_the_tags_of_its_form(manager: Person, session: Session, world: World) -> None:
    lead, tag = world.ids["lead_home"], world.ids["free_tag"]
    manager.submit(f"/leadview/edit/{lead}", {"name": "客", "status": "active", "tags": [str(tag)]})
    assert session.scalars(select(Tag.name).join(LeadTag).where(LeadTag.lead_id == lead)).all() == ["新客"]


@pytest.mark.parametrize(
    "name", ["tag=x", "tag=999", "segment=999", "segment=x", "grade=E", "matrix=hits", "matrix=a>=1~b<2"]
)
def test_invalid_filters_are_refused(manager: Person, name: str) -> None:
    assert manager.get(f"/leadview/list/?_flt_0_{name}").status_code == 400


def test_an_entry_in_force_counts_down_to_its_last_day(
    manager: Person, session: Session, world: World
) -> None:
    session.add(
        Suppression(
            phone_index="1" * 64,
            shown="137****0000",
            reason="x",
            created_by="x",
            expires_on=dt.date(2020, 1, 1),
        )
    )
    session.commit()
    assert "137****0000" in manager.get("/suppressionview/list/?_flt_0_in_state=expired").text
    assert "137****0000" not in manager.get("/suppressionview/list/?_flt_0_in_state=in_force").text


def test_a_leads_page_shows_activity_even_without_any(manager: Person, world: World) -> None:
    html = manager.get(f"/leadview/show/{world.ids['lead_home']}").text
    assert html.count('class="day day-0" data-row') == 90
    assert "Calls: 0, on 0 of the last 90 days" in html


def test_an_entry_of_a_person_says_that_it_is_one(manager: Person, session: Session) -> None:
    manager.submit("/suppressionview/add", {"id_number": id_number(1), "reason": "投诉", "expires_on": ""})
    entry = session.scalars(select(Suppression).where(Suppression.id_hash.is_not(None))).one()
    for path in ("list/", f"show/{entry.id}"):
        assert f"Individual {entry.shown}" in manager.get(f"/suppressionview/{path}").text

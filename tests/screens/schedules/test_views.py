"""Schedules over HTTP: the editor's answers, drafts, approval, versions, saved timings, test pushes."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from flask import Flask
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Approval, Hit, Push, Schedule, ScheduleShortcut, ScheduleVersion
from app.schedules.check import typed_schedule
from app.schedules.definition import ScheduleDef
from app.schedules.preview import preview
from app.schedules.versions import schedule_spec
from app.screens.schedules.editor import _as_typed
from tests.access.world import World
from tests.conftest import Person
from tests.push.conftest import Bank
from tests.push.receiver import Receiver
from tests.schedules.test_plan import CALENDAR, ZONE, dates, planned, schedules

TYPED: dict[str, Any] = {
    "code": "S-NEW",
    "name": "工作日推送",
    "rules": ["R-1"],
    "preset": "custom",
    "interval_minutes": 60,
    "grid": {"mon": "S" * 9 + "H" * 15, "tue": "H" * 24},
    "weekend": 3,
    "holidays": "silent",
    "ranges": [{"from": "12:00", "to": "14:00", "level": "S", "days": ["mon"]}],
    "quiet_hours": ["21:00", "08:00"],
    "channels": [],
}


@pytest.fixture
def maker(world: World, login: Callable[..., Person]) -> Person:
    return login("Manager", username="maker")


@pytest.fixture
def checker(world: World, login: Callable[..., Person]) -> Person:
    return login("Manager", username="checker")


def save(client: Person, typed: dict[str, Any], **more: Any) -> Any:
    return client.submit("/scheduleview/save", {"definition": json.dumps(typed), **more})


def problems(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422
    return {each["path"]: each["text"] for each in answer.json["problems"]}


def editor(client: Person, path: str) -> Any:
    """Return the data that the editor's page is given."""
    found = re.search(r"data-schedule-data>(.*?)</script>", client.get(path).text, re.S)
    assert found
    return json.loads(found[1])


def versions(session: Session, code: str) -> list[ScheduleVersion]:
    session.expire_all()
    query = select(ScheduleVersion).join(ScheduleVersion.schedule).where(Schedule.code == code)
    return list(session.scalars(query.order_by(ScheduleVersion.number)))


def latest_request(session: Session) -> int:
    """Return the id of the latest request for approval."""
    found = session.scalar(select(Approval.id).order_by(Approval.id.desc()).limit(1))
    assert found is not None
    return found


def submit_and_approve(maker: Person, checker: Person, session: Session, version_id: int) -> None:
    maker.submit(f"/scheduleversionview/submit/{version_id}", {"reason": "试点"})
    checker.submit(f"/approvalview/approve/{latest_request(session)}", {"note": ""})


# -- from typing to pushing ------------------------------------------------------------------
def test_a_typed_schedule_pushes_once_another_user_approves_it(
    maker: Person, checker: Person, session: Session, cli: Callable[..., Any]
) -> None:
    saved = save(maker, TYPED).json
    assert cli("push", "plan", "S-NEW", "--date", "2026-11-23").exit_code == 1, "a draft pushes nothing"
    question = maker.get(saved["submit"]).text
    assert "Mon" in question
    assert "0–9 Silent, 9–24 High" in question
    maker.submit(saved["submit"], {"reason": "试点"})
    maker.submit(f"/approvalview/approve/{latest_request(session)}", {"note": ""})
    assert versions(session, "S-NEW")[0].status == "submitted", "the author may not approve it"
    checker.submit(f"/approvalview/approve/{latest_request(session)}", {"note": ""})
    assert versions(session, "S-NEW")[0].status == "active"
    answer = cli("push", "plan", "S-NEW", "--date", "2026-11-23", "--json")
    found = [(p["planned"][11:16], p["outcome"]) for p in json.loads(answer.stdout)["pushes"]]
    shown = preview_of(maker, TYPED, "2026-11-23")
    assert [
        (time, line["outcome"])
        for line in shown["pushes"]
        for time in line.get("times", line["time"]).split(" · ")
    ] == found
    assert shown["expected"] == "Simulated push stream of 2026-11-23 (expected: 10)"
    exported = yaml.safe_load(cli("config", "export").stdout)
    stored = next(each for each in exported["schedules"] if each["code"] == "S-NEW")
    assert stored["grid"] == {"mon": TYPED["grid"]["mon"]}, "a row of high cells is left out"


def preview_of(client: Person, typed: dict[str, Any], date: str) -> dict[str, Any]:
    answer = client.submit("/scheduleview/preview", {"definition": json.dumps(typed), "date": date})
    found: dict[str, Any] = answer.json
    return found


def test_a_preview_has_the_outcome_of_each_push_and_its_reason(maker: Person) -> None:
    found = preview_of(maker, {**TYPED, "code": "", "name": "", "rules": []}, "2026-11-23")
    by_time = {each["time"]: (each["word"], each["at"], each["why"]) for each in found["pushes"]}
    quiet = next(time for time in by_time if time.startswith("00:00–"))
    number = len(next(each["times"] for each in found["pushes"] if each["time"] == quiet).split(" · "))
    assert by_time[quiet] == (f"{number} silenced", "", "quiet hours; its hits go with the next push")
    assert by_time["09:00"] == ("Sent", "", "on time")
    assert by_time["12:00"] == ("Silenced", "", "silent time range; its hits go with the next push")
    assert found["counts"] == "10 on time · 14 silenced"
    assert [day["date"] for day in found["week"]] == [f"2026-11-{day}" for day in range(23, 30)]
    assert found["sentence"].startswith(
        "Every 60 minutes; Mon: 0–9 Silent, 9–24 High; Mon 12:00–14:00 Silent; quiet"
    )
    assert {each["level"] for each in found["stretches"]} == {"S", "H"}
    daily = {"preset": "daily", "at": "22:00", "quiet_hours": ["21:00", "08:00"], "holidays": "normal"}
    found = preview_of(maker, daily, "2026-11-24")
    assert [(p["time"], p["at"], p["word"]) for p in found["pushes"]] == [
        ("11-23 22:00", "08:00", "Delayed"),
        ("22:00", "11-25 08:00", "Delayed"),
    ]
    assert found["expected"] == "Simulated push stream of 2026-11-24 (expected: 1)"
    assert "2028" in preview_of(maker, daily, "2027-12-30")["warning"]
    assert preview_of(maker, {**daily, "at": "25:00"}, "x")["problems"][0]["path"] == "at"


@given(schedules, dates)
@settings(max_examples=40, deadline=None)
def test_a_preview_counts_what_the_plan_sends(s: ScheduleDef, date: dt.date) -> None:
    """What goes out on a date equals what a plan of the surrounding days sends then."""
    found = preview(s, date, ZONE, CALENDAR)
    whole = planned(s, date - dt.timedelta(35), 35 + 7)
    for day in found.days:
        assert day.expected == sum(p.at is not None and p.at.date() == day.date for p in whole)
        assert day.silenced == sum(p.at is None and p.planned.date() == day.date for p in whole)
    assert found.stretches[0].begin == 0
    assert found.unknown_years == [y for y in {date.year, (date + dt.timedelta(6)).year} if y > 2026]


def test_editor_file_and_store_agree(app: Flask, session: Session, world: World) -> None:
    @given(schedules)
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def check(s: ScheduleDef) -> None:
        known = s.model_copy(update={"rules": ["R-1"]})
        with app.app_context():
            typed = typed_schedule(json.loads(json.dumps(_as_typed(known))))
        stored = ScheduleDef.model_validate(json.loads(json.dumps(schedule_spec(typed))))
        again = ScheduleDef.model_validate(yaml.safe_load(yaml.safe_dump(schedule_spec(typed))))
        assert typed == stored == again
        assert {**dict.fromkeys(known.grid, "H" * 24), **typed.grid} == known.grid
        assert typed.model_copy(update={"grid": known.grid}) == known

    check()


# -- refusals --------------------------------------------------------------------------------
def test_problems_name_their_field(maker: Person, session: Session) -> None:
    wrong = {
        **TYPED,
        "code": "无",
        "name": "",
        "rules": [],
        "interval_minutes": 0,
        "medium_factor": None,
        "weekend": None,
        "quiet_hours": ["8", "8"],
        "ranges": [{"from": "09:00", "to": "09:00", "level": "S", "days": []}],
        "min_gap_seconds": 100_000,
    }
    assert problems(save(maker, wrong)) == {
        "code": "Use letters, digits, dots, dashes and underscores.",
        "name": "This field must not be empty.",
        "rules": "Choose at least one.",
        "interval_minutes": "At least 1.",
        "medium_factor": "Enter a number.",
        "weekend": "Enter by how many percent intervals are stretched: 0 to 99900.",
        "quiet_hours": "Enter a time of day such as 09:00.",
        "ranges.0.days": "Choose at least one.",
        "min_gap_seconds": "At most 86400.",
    }
    same = [{"from": "09:00", "to": "09:00", "level": "S", "days": ["mon"]}]
    assert "must differ" in problems(save(maker, {**TYPED, "ranges": same}))["ranges.0.to"]
    assert (
        "two different" in problems(save(maker, {**TYPED, "quiet_hours": ["08:00", "08:00"]}))["quiet_hours"]
    )
    weekly = {**TYPED, "preset": "every_7_days", "start_date": None}
    assert problems(save(maker, weekly)) == {"start_date": "Choose the date to count from."}
    gone = {**TYPED, "rules": ["R-1", "R-GONE"], "channels": [{"kind": "webhook", "target": "nowhere"}]}
    assert problems(save(maker, gone)) == {
        "rules": "There is no rule with the code R-GONE.",
        "channels.0.target": "There is no target with the code nowhere of the kind webhook.",
    }
    assert "already" in problems(save(maker, {**TYPED, "code": "S-1"}))["code"]
    assert maker.submit("/scheduleview/save", {"definition": "{"}).status_code == 400
    assert versions(session, "S-NEW") == []


# -- several people, several versions --------------------------------------------------------
def test_a_concurrent_edit_is_reported_and_loses_nothing(
    maker: Person, checker: Person, session: Session
) -> None:
    first = save(maker, TYPED).json
    mine = save(maker, {**TYPED, "name": "甲"}, id=first["id"], seen=first["seen"])
    assert mine.status_code == 200
    answer = save(checker, {**TYPED, "name": "乙"}, id=first["id"], seen=first["seen"])
    assert answer.status_code == 409
    assert answer.json["problems"][0]["text"].startswith("maker has saved this schedule in the meantime.")
    assert versions(session, "S-NEW")[0].spec["name"] == "甲"
    again = save(checker, {**TYPED, "name": "乙"}, id=first["id"], seen=answer.json["seen"])
    assert again.status_code == 200
    [version] = versions(session, "S-NEW")
    assert (version.spec["name"], version.edited_by) == ("乙", ["maker", "checker"])
    maker.submit(f"/scheduleversionview/submit/{version.id}", {"reason": "试点"})
    checker.submit(f"/approvalview/approve/{latest_request(session)}", {"note": ""})
    assert versions(session, "S-NEW")[0].status == "submitted", "an editor may not approve it"
    assert (
        "is waiting for approval" in problems(save(maker, TYPED, id=first["id"], seen=again.json["seen"]))[""]
    )


def test_a_roll_back_submits_an_earlier_version_again(
    maker: Person, checker: Person, session: Session
) -> None:
    first = save(maker, TYPED).json
    submit_and_approve(maker, checker, session, versions(session, "S-NEW")[0].id)
    seen = editor(maker, first["edit"])["seen"]
    same = save(maker, TYPED, id=first["id"], seen=seen).json
    page = maker.submit(same["submit"], {"reason": "同"}, follow_redirects=True).text
    assert "is identical to the version in force" in page
    seen = same["seen"]
    changed = {**TYPED, "name": "改", "preset": "daily", "weekend": "silent"}
    assert save(maker, changed, id=first["id"], seen=seen).status_code == 200
    one, two = versions(session, "S-NEW")
    assert (one.status, two.status) == ("active", "draft")
    compared = maker.get(f"/scheduleversionview/compare/{two.id}?with={one.id}").text
    assert "<del>Custom</del>" in compared
    assert "<ins>Every day</ins>" in compared
    submit_and_approve(maker, checker, session, two.id)
    assert [each.status for each in versions(session, "S-NEW")] == ["retired", "active"]
    submit_and_approve(maker, checker, session, one.id)
    found = versions(session, "S-NEW")
    assert [each.status for each in found] == ["retired", "retired", "active"]
    assert found[2].spec == found[0].spec


def test_pause_resume_retire_delete(maker: Person, session: Session, world: World) -> None:
    key, free = world.ids["schedule"], world.ids["free_schedule"]
    assert re.search(r"<time datetime=.20\d\d-", maker.get(f"/scheduleview/show/{key}").text)
    for action, status in (
        ("pause", "paused"),
        ("resume", "active"),
        ("pause", "paused"),
        ("retire", "retired"),
    ):
        maker.submit(f"/scheduleview/action/{action}/{key}", {})
        session.expire_all()
        assert session.get_one(Schedule, key).status == status
    assert session.get_one(Schedule, key).active_version is None
    maker.submit(f"/scheduleview/delete/{key}", {})
    maker.submit(f"/scheduleview/delete/{free}", {})
    session.expire_all()
    assert {"S-1", "S-2"} & set(session.scalars(select(Schedule.code))) == {"S-1"}


# -- saved timings ---------------------------------------------------------------------------
def test_a_timing_is_saved_under_a_name_for_everybody(
    maker: Person, checker: Person, session: Session
) -> None:
    saved = maker.submit("/scheduleview/keep", {"name": " 夜间 ", "definition": json.dumps(TYPED)})
    assert [each["name"] for each in saved.json["shortcuts"]] == ["夜间"]
    row = session.scalars(select(ScheduleShortcut)).one()
    assert set(row.timing) == {
        "preset",
        "interval_minutes",
        "grid",
        "weekend",
        "holidays",
        "ranges",
        "quiet_hours",
    }
    [shown] = editor(checker, "/scheduleview/add")["shortcuts"]
    assert (shown["name"], shown["timing"]["quiet_hours"]) == ("夜间", ["21:00", "08:00"])
    again = checker.submit("/scheduleview/keep", {"name": "夜间", "definition": json.dumps(TYPED)})
    assert problems(again) == {"shortcut": "“夜间” is taken already."}
    nameless = maker.submit("/scheduleview/keep", {"name": " ", "definition": json.dumps(TYPED)})
    assert problems(nameless) == {"shortcut": "The name must have 1 to 32 characters."}
    assert checker.submit(f"/scheduleview/forget/{row.id}", {}).json == {"shortcuts": []}
    assert "already been deleted" in problems(maker.submit(f"/scheduleview/forget/{row.id}", {}))["shortcut"]


# -- test push -------------------------------------------------------------------------------
def test_a_test_push_shows_the_answer_and_touches_no_hit(
    bank: Bank, crm: Receiver, session: Session, login: Callable[..., Person]
) -> None:
    schedule = bank.schedule(("webhook", "crm"))
    bank.hits(2)
    client = login("Manager")
    before = [(hit.id, hit.status, hit.updated_at) for hit in bank.all(Hit)]
    page = client.get(f"/scheduleview/test/{schedule.id}").text
    assert re.search(r'value="crm"\s+checked', page)
    answer = client.submit(f"/scheduleview/test/{schedule.id}", {"target": ["crm"]}).text
    assert "Accepted by the receiver" in answer
    [body] = [each["body"] for each in crm.requests]
    assert body["test"] is True
    assert [push.is_test for push in bank.all(Push)] == [True]
    assert [(hit.id, hit.status, hit.updated_at) for hit in bank.all(Hit)] == before
    crm.behave = lambda body: 500
    assert "Failed" in client.submit(f"/scheduleview/test/{schedule.id}", {"target": ["crm"]}).text
    assert (
        "no target with the code"
        in client.submit(f"/scheduleview/test/{schedule.id}", {"target": ["x"]}).text
    )

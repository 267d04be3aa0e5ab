"""Screens of reminders: the list and the bell."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import insert, select

from app.models import Reminder
from tests.conftest import Person
from tests.reminders.conftest import NOW, Office


def fill(office: Office, username: str, count: int, kind: str = "hits") -> None:
    person = office.person(username).id
    message = "%(schedule)s: %(n)s new high-potential leads"
    rows = [
        {
            "person_id": person,
            "source": f"{kind}-{number}",
            "kind": kind,
            "message": message,
            "values": {"schedule": "S", "n": number},
            "created_at": NOW,
        }
        for number in range(count)
    ]
    office.session.execute(insert(Reminder), rows)
    office.session.commit()


def test_the_bell_shows_unread_reminders_without_a_reload(
    office: Office, login: Callable[..., Person]
) -> None:
    anna = login("Marketer", branch=office.world.home, username="anna")
    assert anna.get("/reminderview/unread").json == {
        "n": 0,
        "text": "0",
        "label": "Reminders, 0 unread",
    }
    fill(office, "anna", 3)
    answer = anna.get("/reminderview/unread")
    assert answer.json["label"] == "Reminders, 3 unread"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_reminder_has_the_width_of_a_sentence(office: Office, login: Callable[..., Person]) -> None:
    anna = login("Marketer", username="anna")
    fill(office, "anna", 1)
    said = "S: 0 new high-potential leads"
    shown = f'<strong><span class="clip" title="{said}">{said}</span></strong>'
    [cell] = re.findall(f"<td[^>]*>{shown}</td>", anna.get("/reminderview/list/").text)
    assert 'class="wide"' in cell


def test_ten_thousand_reminders_are_filtered_and_read_at_once(
    office: Office, login: Callable[..., Person]
) -> None:
    anna, bert = login("Marketer", username="anna"), login("Marketer", username="bert")
    fill(office, "anna", 10_000)
    fill(office, "anna", 2, "due")
    fill(office, "bert", 1)
    assert anna.get("/reminderview/unread").json["text"] == "99+"
    assert "2 rows" in anna.get("/reminderview/list/?_flt_1_kind=due&_flt_0_state=unread").text
    assert "0 rows" in anna.get("/reminderview/list/?_flt_0_state=read").text
    assert anna.get("/reminderview/list/?_flt_0_state=lost").status_code == 400
    page = anna.get("/reminderview/list/").text
    assert "Mark all as read" in page
    anna.submit("/reminderview/read_all")
    assert "Mark all as read" not in anna.get("/reminderview/list/").text
    left = office.session.scalars(select(Reminder.person_id).where(Reminder.read_at.is_(None))).all()
    assert left == [office.person("bert").id], "one's own only"
    assert "1 row" in bert.get("/reminderview/list/").text

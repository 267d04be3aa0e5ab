"""The first-day list of home ticks itself by what was done, and goes away when all is done or hidden."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy.orm import Session

from app.models import AuditJob, ReminderChoice, SavedView, Staff
from tests.access.world import World
from tests.conftest import Person


def steps(person: Person) -> tuple[str, str] | None:
    """Return how many steps are done and the next one, None without the list."""
    page = person.get("/", follow_redirects=True).text
    found = re.search(
        r'First steps <b class="num">(\d / \d)</b>.*?Next: <a href="[^"]+">([^<]+)</a>', page, re.S
    )
    assert (found is None) == ("Hide these steps" not in page)
    return (found[1], found[2]) if found else None


def test_steps_tick_themselves_and_go_away(
    session: Session, world: World, login: Callable[..., Person]
) -> None:
    anna = login("Marketer", branch=world.home, username="anna")
    assert steps(anna) == ("0 / 5", "Claim your first customer")
    anna.submit(f"/customerview/action/claim/{world.ids['lead_home']}")
    assert steps(anna) == ("1 / 5", "View a phone number with its purpose")
    assert "<details data-first-steps open>" in anna.get("/myworkview/list/").text
    assert "First steps" not in anna.get("/hitview/list/").text
    anna.submit("/first-steps")
    assert steps(anna) is None
    ursula = login("Auditor", username="ursula")
    assert steps(ursula) == ("0 / 4", "Verify the chain of the change log")
    session.add(SavedView(owner="ursula", view="ChangeLogView", name="mine", filters=[]))
    session.add_all(AuditJob(kind=kind, requested_by="ursula") for kind in ("verify", "export"))
    session.commit()
    assert steps(ursula) == ("3 / 4", "Choose which reminders are also mailed")
    assert "data-first-steps>" in ursula.get("/", follow_redirects=True).text, "half of it is done: folded"
    user = session.query(Staff).filter_by(username="ursula").one()
    session.add(ReminderChoice(person_id=user.id, kinds={}))
    session.commit()
    assert steps(ursula) is None

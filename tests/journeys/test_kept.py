"""Simulations kept with a version: the numbers of the example, the job, and what is stored of it."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app import retention
from app.errors import DomainError
from app.extensions import db
from app.jobs import simulations as job
from app.journeys import callers, figures, simulations
from app.journeys.simulations import Wanted
from app.lib import clock
from app.models import Customer, JourneySimulation, JourneySimulationPath, JourneyVersion
from config import Settings
from tests.journeys.example import request, simulate
from tests.journeys.test_past import FIRST, LAST, on


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_the_numbers_are_those_calculated_by_hand(draft: JourneyVersion, session: Session) -> None:
    row = simulate(session, draft, calls_a_day=1)
    assert (row.status, row.progress, row.error) == ("done", 100, None)
    result = row.result
    assert result is not None
    numbers = result["numbers"]
    assert {name: numbers[name] for name in ("entered", "still_in", "goal", "left", "outside_hours")} == {
        "entered": 4, "still_in": 1, "goal": 1, "left": 0, "outside_hours": 0,
    }  # fmt: skip
    assert numbers["steps"] == {
        "sms": {"entered": 4, "done": 3, "held": 1, "skipped": 0},
        "wait": {"entered": 3, "done": 2, "held": 0, "skipped": 0},
        "call": {"entered": 3, "done": 2, "held": 0, "skipped": 1},
        "end": {"entered": 2, "done": 2, "held": 0, "skipped": 0},
    }
    assert numbers["contacts"] == {"sms": 3, "call": 2}
    assert numbers["by_day"] == {
        "2025-09-24": {"sms": 1},
        "2025-09-26": {"call": 1},
        "2025-09-30": {"sms": 1},
        "2025-10-09": {"call": 1},
        "2025-10-30": {"sms": 1},
    }
    assert result["waiting"] == {"wait": 1}
    assert result["held"] == {"sms": {"cap_channel": 1}}
    assert result["skipped"] == {"call": {"goal": 1}}
    assert result["ways"] == {}
    assert result["sample"] == {"drawn": 4, "of": 4, "rows": 12}


def test_contacts_cost_what_they_cost_by_the_rules(draft: JourneyVersion, session: Session) -> None:
    result: Any = simulate(session, draft).result
    each = {
        name: (step["contacts"], step["segments"], step["price"]) for name, step in result["costs"].items()
    }
    assert each == {"sms": (3, 1, "0.05"), "call": (2, 1, "0.6")}
    assert [float(figures.yuan(result, channel)) for channel in ("sms", "call", None)] == [0.15, 1.2, 1.35]
    assert float(figures.yuan(result["active"])) == 2.55


def test_calls_are_counted_by_who_has_the_customer(draft: JourneyVersion, session: Session) -> None:
    result: Any = simulate(session, draft).result
    load = result["load"]
    owner = session.scalars(select(Customer.owner_id).where(Customer.owner_id.is_not(None))).one()
    one = {"calls": 1, "highest": 1, "usual": 1.0, "days": 1, "daily": {"1": 1}}
    assert (load["calls"], load["highest"], load["usual"], load["days"], load["more"]) == (2, 1, 1.0, 2, 0)
    assert load["desks"] == [
        {"user": owner, "branch": 0, "people": 1, **one, "on": "2025-09-26"},
        {"user": 0, "branch": 0, "people": 0, **one, "on": "2025-10-09"},
    ]
    assert [callers.days_over(load, most) for most in (0, 1)] == [2, 0]


def test_the_version_in_force_is_simulated_beside_it(draft: JourneyVersion, session: Session) -> None:
    result: Any = simulate(session, draft).result
    active = result["active"]
    assert (result["number"], active["number"]) == (2, 1)
    numbers = active["numbers"]
    assert [numbers[name] for name in ("entered", "still_in", "goal", "left")] == [4, 0, 0, 0]
    assert numbers["contacts"] == {"sms": 3, "call": 4}
    own: Any = simulate(session, draft.journey.active_version).result
    assert "active" not in own
    assert own["numbers"] == numbers


def test_paths_are_kept_of_each_kind_of_end(draft: JourneyVersion, session: Session) -> None:
    row = simulate(session, draft, leads=("L0001",))
    paths = session.scalars(select(JourneySimulationPath).order_by(JourneySimulationPath.lead_id)).all()
    assert [(each.lead.lead_no, each.kind, each.why, each.asked_for) for each in paths] == [
        ("L0001", "ended", "", True),
        ("L0002", "goal", "", False),
        ("L0003", "held", "cap_channel", False),
        ("L0004", "waiting", "wait", False),
    ]
    assert paths[2].steps == [
        ["sms", "2025-09-30T06:00:00+08:00", "2025-10-01T09:30:00+08:00", "held", "cap_channel"],
        ["call", "2025-10-01T09:30:00+08:00", "2025-10-09T09:30:00+08:00", "done", ""],
        ["end", "2025-10-09T09:30:00+08:00", "2025-10-09T09:30:00+08:00", "done", ""],
    ]
    assert paths[3].steps[-1] == ["wait", "2025-10-30T09:30:00+08:00", None, "waiting", ""]
    path = simulations.file_of(row)
    assert path is not None
    with path.open(encoding="utf-8-sig", newline="") as file:
        _watermark, header, *rows = csv.reader(file)
    assert header == ["lead_no", "step", "due_at", "done_at", "outcome", "why"]
    assert len(rows) == 12
    assert rows[-1] == ["L0004", "wait", "2025-10-30T09:30:00+08:00", "", "waiting", ""]


def test_drawn_customers_go_their_way_as_in_the_whole(
    draft: JourneyVersion, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {path.lead_id: path.steps for path in _paths(session, simulate(session, draft))}
    monkeypatch.setattr("app.journeys.sample.DRAWN", 2)
    row = simulate(session, draft, leads=("L0003",))
    some = _paths(session, row)
    assert row.result is not None
    assert row.result["sample"]["of"] == 4
    assert "L0003" in {path.lead.lead_no for path in some if path.asked_for}
    assert all(path.steps == whole[path.lead_id] for path in some)
    assert row.result["numbers"]["entered"] == 4


def _paths(session: Session, row: JourneySimulation) -> list[JourneySimulationPath]:
    query = select(JourneySimulationPath).where(JourneySimulationPath.simulation_id == row.id)
    return list(session.scalars(query))


def test_a_kept_simulation_says_that_the_draft_was_changed(draft: JourneyVersion, session: Session) -> None:
    row = simulate(session, draft)
    assert not simulations.is_of_former(row)
    assert getattr(simulations.newest(draft.id), "id", None) == row.id
    draft.spec = {**draft.spec, "name": "另一个"}
    session.commit()
    assert simulations.is_of_former(row)


@pytest.mark.parametrize("at", [1, 2])
def test_a_cancelled_simulation_keeps_nothing(
    draft: JourneyVersion, session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Cancelled while the version is read, or while the one in force beside it is."""
    row = session.get_one(JourneySimulation, request(draft, Wanted(FIRST, LAST, "none")))
    read, turns = simulations.Desks, iter((1, 2))

    def cancelled(past: Any) -> Any:
        if next(turns) == at:
            simulations.cancel(row)
            db.session.commit()
        return read(past)

    monkeypatch.setattr(simulations, "Desks", cancelled)
    job.run(row.id)
    session.expire_all()
    assert (row.status, row.result, row.file) == ("cancelled", None, None)
    assert session.scalars(select(JourneySimulationPath)).all() == []
    assert not list(settings.data_dir.rglob("*.csv"))
    with pytest.raises(DomainError, match="no longer in progress"):
        simulations.cancel(row)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(LAST, FIRST, "none"), "ends before it begins"),
        (Wanted(FIRST, dt.date(2199, 1, 1), "none"), "in the future"),
        (Wanted(FIRST - dt.timedelta(days=400), LAST, "none"), "at most"),
        (Wanted(FIRST, LAST, "none", None, ("L9999",)), "no customer with the number L9999"),
        (Wanted(FIRST, LAST, "none", None, tuple(f"L{n}" for n in range(21))), "20 customers at most"),
    ],
)
def test_what_cannot_be_simulated_is_refused(draft: JourneyVersion, wanted: Wanted, why: str) -> None:
    with pytest.raises(DomainError, match=why):
        request(draft, wanted)


def test_the_newest_simulations_of_a_version_are_kept(
    draft: JourneyVersion, session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulations, "KEPT", 2)
    rows = [simulate(session, draft).id for _each in range(3)]
    assert list(session.scalars(select(JourneySimulation.id).order_by(JourneySimulation.id))) == rows[1:]
    assert len(list(simulations.folder(settings).iterdir())) == 2


def test_the_days_are_proposed_by_the_newest_hit(draft: JourneyVersion) -> None:
    proposed = simulations.proposed()
    assert (proposed.last - proposed.first).days == 29
    assert proposed.last == on(36)


def test_old_files_are_deleted_and_figures_stay(
    draft: JourneyVersion, session: Session, settings: Settings, engine: Engine
) -> None:
    row = simulate(session, draft)
    path = simulations.file_of(row)
    assert path is not None
    retention.personal_data(engine, settings, clock.now())
    assert path.is_file()
    later = clock.now() + dt.timedelta(days=settings.exports_keep_days + 1)
    found = retention.personal_data(engine, settings, later)
    session.expire_all()
    assert (found["simulations"], path.exists(), row.file, row.result is None) == (1, False, None, False)

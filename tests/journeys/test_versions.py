"""Versions of journeys: by configuration file, and by a person with a second one's approval."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import select

from app import approvals
from app.errors import DomainError
from app.extensions import db
from app.journeys import approval, versions
from app.journeys.definition import JourneyDef
from app.models import Journey, OutreachTemplate, Staff
from tests.conftest import Person
from tests.journeys.support import AROUND, RECALL


@pytest.fixture
def apply(cli: Callable[..., Any], tmp_path: Path) -> Callable[[Any], Any]:
    def run(content: Any) -> Any:
        file = tmp_path / "file.yaml"
        file.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
        return cli("config", "apply", file)

    return run


def staff(name: str) -> Staff:
    return db.session.scalars(select(Staff).where(Staff.username == name)).one()


def test_a_changed_journey_is_a_new_version_and_an_unchanged_one_is_not(
    app: Flask, apply: Callable[[Any], Any]
) -> None:
    for content in ({**AROUND, "journeys": [RECALL]}, {"journeys": [RECALL]}):
        assert apply(content).exit_code == 0
    assert apply({"journeys": [{**RECALL, "reentry": "never", "name": "再次召回"}]}).exit_code == 0
    with app.app_context():
        journey = db.session.scalars(select(Journey)).one()
        found = [(each.number, each.status) for each in journey.versions]
        assert (found, journey.name) == ([(1, "retired"), (2, "active")], "再次召回")
        assert versions.journey_def(journey.versions[0]) == JourneyDef.model_validate(RECALL)


def test_a_person_s_version_is_in_force_after_a_second_one_approved_it(
    app: Flask, apply: Callable[[Any], Any], login: Callable[..., Person]
) -> None:
    apply({**AROUND, "journeys": [RECALL]})
    for name in ("maker", "checker"):
        login("Manager", username=name)
    with app.app_context():
        journey = db.session.scalars(select(Journey)).one()
        first = journey.versions[0]
        same = versions.add_version(journey, versions.journey_def(first), "maker")
        with pytest.raises(DomainError, match="identical"):
            approval.submit(same, staff("maker"), "试")
        db.session.delete(same)
        other = versions.journey_def(first).model_copy(update={"goal": None})
        draft = versions.add_version(journey, other, "maker")
        request = approval.submit(draft, staff("maker"), "没有目标")
        with force_locale("en"):
            changes = approvals.kind_named("journey_version").changes(draft.id, {})
        assert [tuple(each) for each in changes] == [("Goal", "buying any product", "none")]
        with pytest.raises(DomainError):
            approvals.approve(request, staff("maker"))
        assert journey.active_version is first
        approvals.approve(request, staff("checker"))
        assert (journey.active_version, first.status) == (draft, "retired")
        back = approval.submit(first, staff("maker"), "回退")
        assert back.subject_id not in (first.id, draft.id)


def test_what_cannot_run_any_more_is_not_put_in_force(
    app: Flask, apply: Callable[[Any], Any], login: Callable[..., Person]
) -> None:
    apply({**AROUND, "journeys": [RECALL]})
    for name in ("maker", "checker"):
        login("Manager", username=name)
    with app.app_context():
        journey = db.session.scalars(select(Journey)).one()
        other = versions.journey_def(journey.versions[0]).model_copy(update={"goal": None})
        draft = versions.add_version(journey, other, "maker")
        request = approval.submit(draft, staff("maker"), "试")
        template = db.session.scalars(select(OutreachTemplate).filter_by(code="T-CALL")).one()
        template.active = False
        db.session.flush()
        with pytest.raises(DomainError, match="T-CALL is not approved"):
            approvals.approve(request, staff("checker"))

"""A version tried out on a share of customers beside the one in force, and what becomes of it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from app.errors import DomainError
from app.extensions import db
from app.journeys import approval, canary, execution
from app.journeys.canary import Terms
from app.models import Journey, JourneyCanary, JourneyEnrolment, Outreach
from app.rules.proportion import Share
from tests.journeys.bank import Bank
from tests.journeys.test_moves import TWO, draft, live, published, staff  # noqa: F401
from tests.journeys.test_past import at, on


def tried(percent: int = 30, **limits: float) -> JourneyCanary:
    """Try out the second journey, with a second person's approval."""
    published(draft(TWO), (), Terms(percent, **limits))
    return db.session.scalars(select(JourneyCanary)).one()


def on_version(version_id: int) -> set[int]:
    query = select(JourneyEnrolment.lead_id).where(JourneyEnrolment.version_id == version_id)
    return set(db.session.scalars(query))


def test_a_version_is_tried_out_on_the_same_customers_however_far_it_is_widened(live: Bank) -> None:  # noqa: F811
    leads = [live.customer(number).id for number in range(100, 400)]
    live.session.commit()
    with live.app.app_context():
        live.move(at(on(1), 5))
        canary_ = tried()
        the_journey = canary_.version.journey
        assert (canary_.version.status, the_journey.active_version_id) == ("canary", canary_.against_id)
        version, few = canary.drawn(the_journey, leads)
        assert version is canary_.version
        assert 60 < len(few) < 120
        canary.widen(canary_, 60)
        _version, many = canary.drawn(the_journey, leads)
        assert set(few) < set(many)
        db.session.commit()
    live.live(at(on(1), 7))
    with live.app.app_context():
        entered = set(db.session.scalars(select(JourneyEnrolment.lead_id)))
        the_journey = db.session.scalars(select(Journey)).one()
        version, chosen = canary.drawn(the_journey, sorted(entered))
        assert version is not None
        assert on_version(version.id) == set(chosen)
        assert 0 < len(chosen) < 12


def test_a_version_tried_out_is_compared_put_in_force_or_withdrawn(live: Bank) -> None:  # noqa: F811
    with live.app.app_context():
        live.move(at(on(1), 5))
        tried(50)
    live.live(at(on(2)))
    with live.app.app_context():
        live.move(at(on(2), 8))
        canary_ = db.session.scalars(select(JourneyCanary)).one()
        mine = on_version(canary_.version_id)
        db.session.execute(update(Outreach).where(Outreach.lead_id.in_(mine)).values(status="answered"))
        db.session.commit()
        found = canary.compare(canary_)
        assert found.canary.answered == Share(len(mine), len(mine))
        assert found.in_force.answered == Share(0, 12 - len(mine))
        assert (found.canary.contacts, found.in_force.contacts) == (len(mine), 12 - len(mine))
        difference = found.difference("answered")
        assert difference is not None
        assert difference.low > 0
        with pytest.raises(DomainError, match="reason"):
            canary.withdraw(canary_, "maker", " ")
        db.session.rollback()
        canary.withdraw(canary_, "maker", "不如现行版本")
        assert (canary_.outcome, canary_.version.status) == ("withdrawn", "retired")
        execution.work()
        assert on_version(canary_.version_id) == set()
        assert canary.compare(canary_) == found  # as it was when it ended
        again = published(draft(TWO), (), Terms(20))
        other = db.session.scalars(select(JourneyCanary).where(JourneyCanary.ended_at.is_(None))).one()
        assert other.version_id == again.subject_id
        canary.put_in_force(other, "maker")
        assert other.version.journey.active_version is other.version
        assert (other.outcome, other.version.status, other.against.status) == (
            "in_force",
            "active",
            "retired",
        )
        with pytest.raises(DomainError, match="any more"):
            canary.widen(other, 50)


def test_a_guardrail_withdraws_a_version_by_itself(live: Bank, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    with live.app.app_context():
        live.move(at(on(1), 5))
        tried(50, opt_out_limit=20)
    live.live(at(on(2)))
    with live.app.app_context():
        live.move(at(on(2), 8))
        canary_ = db.session.scalars(select(JourneyCanary)).one()
        mine = on_version(canary_.version_id)
        outcomes = update(Outreach).where(Outreach.lead_id.in_(mine)).values(status="opt_out")
        db.session.execute(outcomes)
        assert canary.watch(at(on(2), 8)) == 0  # too few contacts to say anything
        monkeypatch.setattr(canary, "LEAST", 2)
        assert canary.watch(at(on(2), 8)) == 1
        assert (canary_.outcome, canary_.ended_by, canary_.version.status) == (
            "guardrail",
            "system",
            "retired",
        )
        assert canary.compare(canary_).canary.opted_out == Share(len(mine), len(mine))
        assert canary.watch(at(on(2), 8)) == 0


def test_what_cannot_be_compared_is_not_tried_out_and_another_version_ends_it(live: Bank) -> None:  # noqa: F811
    with live.app.app_context():
        the_journey = db.session.scalars(select(Journey)).one()
        for content, terms in (
            ({**TWO, "goal": {"outcome": "any"}}, Terms()),
            (TWO, Terms(0)),
            (TWO, Terms(100)),
            (TWO, Terms(10, 101)),
        ):
            with pytest.raises(DomainError):
                approval.submit(draft(content), staff("maker"), "试", (), terms)
            db.session.rollback()
        canary_ = tried()
        with pytest.raises(DomainError, match="tried out"):
            approval.submit(draft({**TWO, "name": "又一"}), staff("maker"), "试", (), Terms())
        db.session.rollback()
        published(draft({**TWO, "name": "又一"}))
        assert (canary_.outcome, canary_.version.status) == ("replaced", "retired")
        assert canary.of(the_journey) is None

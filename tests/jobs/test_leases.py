"""Leased rows: a claim takes as many rows as it was asked for, however the database finds them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from app.lib import clock
from app.mails.queue import MAILS
from app.models import Mail
from tests.access.world import World

#: A plan that reads the inner side of a join anew for each row of the outer one.
NESTED_LOOPS = " ".join(
    f"-c enable_{way}=off" for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize")
)


@pytest.fixture
def nested(engine: Engine) -> Iterator[Engine]:
    made = create_engine(engine.url, connect_args={"options": NESTED_LOOPS})
    yield made
    made.dispose()


def test_a_claim_takes_no_more_than_its_limit(
    app: Flask, session: Session, world: World, nested: Engine
) -> None:
    person = world.ids["staff"]
    moment = clock.now(session.connection()) - dt.timedelta(minutes=1)
    session.add_all(Mail(kind="reminders", person_id=person, next_at=moment) for _ in range(20))
    session.commit()
    claims = [MAILS.claim(nested, f"worker-{n}", MAILS.due(moment), limit=3) for n in range(4)]
    assert [len(each) for each in claims] == [3, 3, 3, 3]
    assert len({row for each in claims for row in each}) == 12

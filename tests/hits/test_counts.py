"""Counts of hits and customers stay exact under any change to hits and leads, also under concurrent ones."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.extensions import db
from app.hits import counts
from app.hits.counts import DATES, KEYS, HitFilter
from app.models import Staff
from tests import clock
from tests.access.world import DAY, active_rule, branch, hit, lead
from tests.conftest import make_staff

STATUSES = ("waiting", "in_progress", "converted", "failed")
RANKED = ("in_progress", "waiting", "converted", "failed")
SOURCES = ("", "官网预约", "抖音推广")
#: counted from the leads themselves
TRUTH = text("""
    SELECT h.hit_date, h.made_on, h.rule_id, h.grade, l.source, coalesce(l.branch_id, 0), h.status,
           h.converted, count(*)
    FROM hit h JOIN lead l ON l.id = h.lead_id AND l.deleted_at IS NULL
    WHERE h.status <> 'withdrawn'
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
""")


@pytest.fixture
def bank(app: Flask, session: Session) -> list[int]:
    """Store two branches, two rules and twenty leads with two hits each. Return the branches' ids."""
    homes = [branch(session, "A"), branch(session, "B")]
    rules = [active_rule(session, f"R-{n}")[1] for n in (1, 2)]
    leads = [lead(app.config["SETTINGS"], n, homes[n % 2]) for n in range(20)]
    session.add_all(leads)
    session.flush()
    session.add_all(hit(each, version, "waiting") for each in leads for version in rules)
    session.commit()
    return [home.id for home in homes]


def agrees(person: Staff) -> None:
    """Check the counts against the leads and hits."""
    truth = {tuple(row[:-1]): row[-1] for row in db.session.execute(TRUTH)}
    everything = HitFilter(person)
    assert counts.count(everything, (*DATES, *KEYS)) == truth
    assert counts.live(everything, (*DATES, *KEYS)) == truth
    without: dict[Any, int] = {}
    for key, n in truth.items():
        without[key[2:]] = without.get(key[2:], 0) + n
    assert counts.count(everything, KEYS) == without
    assert counts.total(everything) == sum(truth.values())
    customers_agree()


def customers_agree() -> None:
    """Check what customers sum up, and that open hits repeat their owners, against the hits one by one."""
    hits: dict[int, list[Any]] = {}
    listed = set(db.session.scalars(text("SELECT id FROM lead WHERE deleted_at IS NULL")))
    opted_out = dict(db.session.execute(text("SELECT id, opted_out FROM lead")).tuples().all())
    for row in db.session.execute(text("SELECT * FROM hit ORDER BY hit_date DESC, score DESC, id DESC")):
        hits.setdefault(row.lead_id, []).append(row)
    customers = db.session.execute(text("SELECT * FROM customer")).all()
    assert set(hits) <= {each.id for each in customers}
    for each in customers:
        own = hits.get(each.id, [])
        opened = [row for row in own if row.status in ("waiting", "in_progress")]
        good = [r for r in opened if r.live and not (r.opted_out or r.holdout or opted_out[each.id])]
        counted = [row for row in own if row.status != "withdrawn"]
        shown = good or opened or counted or own
        status = {row.status for row in own} or {"failed"}
        first = next(word for word in (*RANKED, "withdrawn") if word in status)
        assert (each.state, each.status) == ("open" if good else "blocked" if opened else "done", first)
        assert (each.hits, each.open_hits) == (len(counted), len(opened))
        assert each.live == (each.id in listed if own else False)
        assert all(row.live == (each.id in listed and row.status != "withdrawn") for row in own)
        if own:
            assert (each.hit_id, each.grade) == (shown[0].id, min(row.grade for row in shown))
            assert (each.hit_date, each.score) == (shown[0].hit_date, shown[0].score)
            assert (each.source, each.branch_id) == (own[0].source, own[0].branch_id)
        copied = {(row.owner_id, row.claimed_at, row.escalated_at) for row in opened}
        assert copied <= {(each.owner_id, each.owned_since, each.escalated_at)}
        assert opened or each.owner_id is None


def some(random: Random, table: str) -> str:
    """Return a condition that some of the rows meet."""
    return f"{table}.id % {random.randint(2, 7)} = {random.randint(0, 1)}"


def change(random: Random, branches: list[int]) -> tuple[str, dict[str, Any]]:
    """Do something that people, jobs or a database administrator do to hits and leads."""
    values = {
        "status": random.choice(STATUSES),
        "source": random.choice(SOURCES),
        "branch": random.choice([*branches, None]),
        "grade": random.choice("ABCD"),
        "day": DAY + dt.timedelta(days=random.randint(1, 5)),
        "flag": random.random() < 0.5,
    }
    hits, leads = some(random, "hit"), some(random, "lead")
    statement = random.choice(
        (
            f"UPDATE hit SET status = :status WHERE {hits} AND status <> 'withdrawn'",
            f"""UPDATE hit SET status = 'withdrawn', former_status = status, withdrawn_at = now()
                WHERE {hits} AND status <> 'withdrawn'""",
            f"""UPDATE hit SET status = former_status, former_status = NULL, withdrawn_at = NULL
                WHERE {hits} AND status = 'withdrawn'""",
            f"UPDATE hit SET grade = :grade, score = score + 1 WHERE {hits}",
            f"UPDATE hit SET owner_id = NULL WHERE {hits}",
            f"UPDATE hit SET owner_id = (SELECT min(id) FROM ab_user) WHERE {hits}",
            f"UPDATE hit SET opted_out = :flag, holdout = NOT :flag WHERE {hits}",
            f"UPDATE lead SET opted_out = :flag WHERE {leads}",
            f"""UPDATE customer SET owner_id = (SELECT min(id) FROM ab_user), next_on = :day
                WHERE open_hits > 0 AND {some(random, "customer")}""",
            f"UPDATE customer SET escalated_at = now() WHERE owner_id > 0 AND {some(random, 'customer')}",
            f"UPDATE customer SET owner_id = NULL WHERE {some(random, 'customer')}",
            f"UPDATE lead SET source = :source WHERE {leads}",
            f"UPDATE lead SET branch_id = :branch WHERE {leads}",
            f"UPDATE lead SET source = :source, branch_id = :branch, deleted_at = NULL WHERE {leads}",
            f"UPDATE lead SET name = name || '一' WHERE {leads}",
            f"UPDATE lead SET deleted_at = now() WHERE {leads}",
            f"DELETE FROM hit WHERE {some(random, 'hit')} AND hit.id % 5 = 0",
            f"DELETE FROM lead WHERE {some(random, 'lead')} AND lead.id % 9 = 0",
            """INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, evidence,
                                last_met_on, made_on, source)
               SELECT v.rule_id, v.id, lead.id, :day, '{1}', 1, :grade, '{}', :day, :day, 'nonsense'
               FROM rule_version v, lead WHERE lead.id % 3 = 0 ON CONFLICT DO NOTHING""",
        )
    )
    return statement, {name: value for name, value in values.items() if f":{name}" in statement}


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_exact_after_any_change(app: Flask, session: Session, bank: list[int], seed: int) -> None:
    random = Random(seed)
    chief = make_staff(session, "chief", "Manager")
    with app.app_context():
        person = db.session.get_one(Staff, chief.id)
        agrees(person)
        for _ in range(40):
            statement, values = change(random, bank)
            db.session.execute(text(statement), values)
            if random.random() < 0.2:
                db.session.rollback()
            db.session.commit()
            if random.random() < 0.2:
                counts.fold()
            agrees(person)
        counts.fold()
        assert db.session.scalar(text("SELECT count(*) FROM hit_delta")) == 0
        agrees(person)
        db.session.execute(text("DELETE FROM lead"))
        db.session.commit()
        counts.fold()
        assert db.session.scalar(text("SELECT count(*) FROM hit_count")) == 0


def test_many_leads_move_after_one_did_on_the_same_connection(app: Flask, session: Session) -> None:
    """The plan for one lead joins row by row, which would take many minutes for 40,000."""
    chief = make_staff(session, "chief", "Manager")
    active_rule(session, "R-1")
    session.execute(
        text(
            """INSERT INTO lead (id, lead_no, name, id_hash, phone_cipher, phone_index, phone_masked, source)
               SELECT n, 'L' || n, '客', lpad(to_hex(n), 64, '0'), '', '', '', 'old'
               FROM generate_series(1, 40000) n"""
        )
    )
    session.execute(
        text(
            """INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, evidence,
                                last_met_on, made_on)
               SELECT v.rule_id, v.id, l.id, :day, '{1}', 1, 'A', '{}', :day, :day
               FROM rule_version v, lead l WHERE l.id % 40 = 0"""
        ),
        {"day": DAY},
    )
    session.execute(text("SET LOCAL statement_timeout = '60s'"))
    session.execute(text("UPDATE lead SET source = 'new' WHERE id = 40"))
    session.execute(text("UPDATE lead SET source = 'new' WHERE id <> 40"))
    session.commit()
    with app.app_context():
        person = db.session.get_one(Staff, chief.id)
        assert counts.count(HitFilter(person), ("source",)) == {("new",): 1000}
        agrees(person)


def test_counts_follow_scope_and_every_filter(app: Flask, session: Session, bank: list[int]) -> None:
    home = session.execute(text("SELECT path FROM branch WHERE code = 'A'")).scalar_one()
    anna = make_staff(session, "anna", "Marketer")
    anna.branch_id = bank[0]
    session.execute(text("UPDATE hit SET status = 'converted' WHERE id % 4 = 0"))
    session.commit()
    with app.app_context():
        person = db.session.get_one(Staff, anna.id)
        asked = [
            HitFilter(person),
            HitFilter(person, status="converted"),
            HitFilter(person, rule=1, first=DAY, last=DAY),
            HitFilter(person, last=DAY - dt.timedelta(days=1)),
            HitFilter(person, branch=home, source="官网预约", grade="B"),
            HitFilter(person, made_on=clock.today()),
        ]
        found = [counts.total(each) for each in asked]
        assert found == [counts.live(each).get((), 0) for each in asked]
        assert found[0] == 20
        assert counts.total(HitFilter(person, branch="/999/")) == 0


def test_new_hits_and_moves_of_their_leads_never_pass_each_other(
    app: Flask, session: Session, engine: Engine, bank: list[int]
) -> None:
    """Two threads write hits, two move leads and one folds, all at once; every count is right."""
    chief = make_staff(session, "chief", "Manager")
    start, faults = threading.Barrier(5), list[DBAPIError]()

    def insert(connection: Any, n: int) -> None:
        connection.execute(
            text(
                """INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, evidence,
                                    last_met_on, made_on)
                   SELECT v.rule_id, v.id, l.id, :day, '{1}', 1, 'A', '{}', :day, :day
                   FROM rule_version v, lead l WHERE l.deleted_at IS NULL ON CONFLICT DO NOTHING"""
            ),
            {"day": DAY + dt.timedelta(days=n)},
        )

    def move(connection: Any, n: int) -> None:
        values = {"source": SOURCES[n % 3], "branch": bank[n % 2], "key": n % 20 + 1}
        connection.execute(
            text("UPDATE lead SET source = :source, branch_id = :branch WHERE id = :key"), values
        )
        connection.execute(text("UPDATE hit SET status = 'failed' WHERE lead_id = :key"), values)

    def repeatedly(deed: Callable[[Any, int], None], first: int) -> None:
        try:
            start.wait(timeout=20)
            for n in range(first, first + 12):
                with engine.begin() as connection:
                    deed(connection, n)
        except DBAPIError as error:
            faults.append(error)

    def folding() -> None:
        start.wait(timeout=20)
        with app.app_context():
            for _ in range(12):
                counts.fold()
            db.session.remove()

    threads = [threading.Thread(target=repeatedly, args=(insert, 1))]
    threads += [threading.Thread(target=repeatedly, args=(insert, 100))]
    threads += [threading.Thread(target=repeatedly, args=(move, n)) for n in (0, 7)]
    threads += [threading.Thread(target=folding)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with app.app_context():
        agrees(db.session.get_one(Staff, chief.id))


def test_two_changes_of_one_customer_both_count(app: Flask, session: Session, engine: Engine) -> None:
    """The second one waits for the first, and sums up what both wrote."""
    versions = [active_rule(session, f"R-{n}")[1] for n in (1, 2)]
    customer = lead(app.config["SETTINGS"], 1, branch(session, "A"))
    session.add(customer)
    session.flush()
    one, two = (hit(customer, version, "waiting") for version in versions)
    session.add_all([one, two])
    session.commit()
    keys = (one.id, two.id)
    close = text("UPDATE hit SET status = 'failed' WHERE id = :id")
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    def second() -> None:
        with engine.begin() as connection:
            connection.execute(close, {"id": keys[1]})

    thread = threading.Thread(target=second)
    with engine.begin() as connection:
        connection.execute(close, {"id": keys[0]})
        thread.start()
        while not connection.scalar(waiting):
            assert thread.is_alive()
    thread.join()
    with app.app_context():
        customers_agree()

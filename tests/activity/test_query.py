"""Rules compared with brute force over random events, and refused queries."""

import math
import random
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.activity import coverage, cube, history, query, store
from app.activity.errors import ActivityError
from app.activity.score import Score
from app.activity.settings import EngineSettings
from app.activity.spec import EVENT_TYPES, METRICS, OPERATORS, Condition, RuleSpec
from tests.activity.oracle import OPS, VALUE
from tests.activity.support import person, row, take, write
from tests.engines import EACH_ENGINE, ENGINES, on_spark
from tests.thorough import examples

FIRST, DAYS, LEADS = date(2026, 9, 20), 12, 25
INSTITUTIONS = ["A", "B", "C", "机构", "UNLISTED"]
SCORE = Score(3.5, {"face_verify": 1.0, "data_call": 2.5})


@dataclass(frozen=True)
class Event:
    lead: int
    at: datetime
    type: str
    institution: str
    ok: bool


def counts(event: Event, condition: Condition, as_of: date) -> bool:
    windows = [as_of - timedelta(days=ended) for ended in (0, condition.against_days or 0)]
    return any(counts_until(event, condition, last) for last in windows)


def counts_until(event: Event, condition: Condition, as_of: date) -> bool:
    first, end = condition.hours
    hour = event.at.hour
    return (
        as_of - timedelta(days=condition.window_days - 1) <= event.at.date() <= as_of
        and (first <= hour < end if first <= end else hour >= first or hour < end)
        and (condition.institutions is None or event.institution in condition.institutions)
        and (condition.event_types is None or event.type in condition.event_types)
        and (condition.result == "any" or event.ok)
    )


def brute_force(events: list[Event], spec: RuleSpec, as_of: date) -> dict[int, list[int]]:
    met = {}
    start = as_of - timedelta(days=spec.window_days - 1)
    for lead in {event.lead for event in events if start <= event.at.date() <= as_of}:
        values = []
        for condition in spec.conditions:
            values.append(value_of([e for e in events if e.lead == lead], condition, as_of))
        verdicts = [OPS[c.op](value, c.value) for c, value in zip(spec.conditions, values, strict=True)]
        if all(verdicts) if spec.match == "all" else any(verdicts):
            met[lead] = values
    return met


def value_of(events: list[Event], condition: Condition, as_of: date) -> int:
    now = VALUE[condition.metric]([e for e in events if counts_until(e, condition, as_of)])
    if condition.against_days is None:
        return now
    last = as_of - timedelta(days=condition.against_days)
    before = VALUE[condition.metric]([e for e in events if counts_until(e, condition, last)])
    return math.floor(100 * Fraction(before - now, before)) if before > now else 0


def evidence(events: list[Event], spec: RuleSpec, as_of: date, lead: int) -> dict[str, Any]:
    own = [event for event in events if event.lead == lead]
    found = [e for e in own if any(counts(e, c, as_of) for c in spec.conditions)]
    parts = [(event.type, (as_of - event.at.date()).days) for event in found]
    return {
        "calls": len(found),
        **seen(found),
        "by_condition": [seen([e for e in own if counts(e, c, as_of)]) for c in spec.conditions],
        "score": pytest.approx(
            sum(SCORE.weights.get(kind, 0) * 0.5 ** (age / 3.5) for kind, age in parts), abs=1e-6
        ),
        "by_type_age": [
            {"event_type": kind, "age_days": age, "n": parts.count((kind, age))}
            for kind, age in sorted(set(parts))
        ],
    }


def seen(events: list[Event]) -> dict[str, Any]:
    return {
        "institutions": sorted({event.institution for event in events}),
        "first_at": min((event.at for event in events), default=None),
        "last_at": max((event.at for event in events), default=None),
    }


def random_events(seed: int) -> list[Event]:
    dice = random.Random(seed)
    midnight = datetime.combine(FIRST, datetime.min.time())
    return [
        Event(
            lead=min(int(dice.expovariate(0.15)), LEADS - 1),
            at=midnight + timedelta(seconds=dice.choice([0, 1, -1]) + 3600 * dice.randrange(1, 24 * DAYS)),
            type=dice.choice(sorted(EVENT_TYPES)),
            institution=dice.choice(INSTITUTIONS),
            ok=dice.random() < 0.6,
        )
        for _ in range(400)
    ]


@dataclass(frozen=True)
class World:
    events: list[Event]
    state: store.Snapshot
    engine: EngineSettings


@pytest.fixture(
    scope="module", params=[(1, "duckdb"), (2, "duckdb"), pytest.param((3, "spark"), marks=on_spark)]
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    seed, engine = request.param
    events = random_events(seed)
    root = tmp_path_factory.mktemp("world")
    rows = [
        row(
            f"r{number}",
            event.at.isoformat(" "),
            event_type=event.type,
            institution_code=event.institution,
            id_hash=person(event.lead),
            result="success" if event.ok else "fail",
        )
        for number, event in enumerate(events)
    ]
    # Somebody who is no lead must not appear anywhere.
    stranger = row("stranger", f"{FIRST + timedelta(days=5)} 12:00:00", id_hash=person(999))
    take(root, write(root / "log.parquet", [*rows, stranger]))
    return World(events, make_leads(root), ENGINES[engine])


def make_leads(root: Path, fingerprint: str = "list-1") -> store.Snapshot:
    people = pa.table({"lead": list(range(LEADS)), "person": [person(lead)[:32] for lead in range(LEADS)]})
    return cube.ensure_leads(root, store.snapshot(root).days, fingerprint, lambda: people)


def subsets(names: list[str]) -> st.SearchStrategy[frozenset[str] | None]:
    return st.none() | st.frozensets(st.sampled_from(names))


CONDITIONS = st.builds(
    Condition,
    metric=st.sampled_from(METRICS),
    op=st.sampled_from(OPERATORS),
    value=st.integers(0, 5) | st.sampled_from([34, 50, 100]),
    window_days=st.integers(1, DAYS + 3),
    hours=st.just((0, 24)) | st.tuples(st.integers(0, 24), st.integers(0, 24)),
    institutions=subsets([*INSTITUTIONS, "NEVER-SEEN"]),
    event_types=subsets(sorted(EVENT_TYPES)),
    result=st.sampled_from(["any", "success"]),
    against_days=st.none() | st.integers(1, DAYS),
)
RULES = st.builds(
    RuleSpec,
    match=st.sampled_from(["all", "any"]),
    conditions=st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple),
)
DATES = st.integers(-1, DAYS + 4).map(lambda days: FIRST + timedelta(days=days))


@examples(8, 80)
@given(spec=RULES, as_of=DATES)
def test_evaluation_agrees_with_brute_force(world: World, spec: RuleSpec, as_of: date) -> None:
    expected = brute_force(world.events, spec, as_of)
    found = query.evaluate(world.state, spec, as_of, SCORE, settings=world.engine).to_pylist()
    assert {one["lead"]: one["values"] for one in found} == expected
    assert [(one["lead"], one["as_of"]) for one in found] == [(lead, as_of) for lead in sorted(expected)]
    for one in found:
        facts = {name: value for name, value in one.items() if name not in ("lead", "as_of", "values")}
        assert facts == evidence(world.events, spec, as_of, one["lead"])


@examples(5, 30)
@given(spec=RULES)
def test_coverage_agrees_with_brute_force(world: World, spec: RuleSpec) -> None:
    dates = [FIRST + timedelta(days=days) for days in range(-2, DAYS + 6)]
    expected = {day: len(brute_force(world.events, spec, day)) for day in dates}
    assert coverage.counts(world.state, spec, reversed(dates), settings=world.engine) == expected  # type: ignore[arg-type]


@examples(3, 12)
@given(spec=RULES, as_of=DATES, chosen=st.frozensets(st.integers(0, LEADS)))
def test_a_question_about_some_leads_is_about_them_only(
    world: World, spec: RuleSpec, as_of: date, chosen: frozenset[int]
) -> None:
    among = pa.table({"lead": pa.array(sorted(chosen), pa.int64())})
    expected = {
        lead: found for lead, found in brute_force(world.events, spec, as_of).items() if lead in chosen
    }
    rows = query.evaluate(world.state, spec, as_of, SCORE, among=among, settings=world.engine).to_pylist()
    assert {one["lead"]: one["values"] for one in rows} == expected
    assert coverage.counts(world.state, spec, [as_of], among={as_of: among}, settings=world.engine) == {
        as_of: len(expected)
    }
    assert set(
        query.lead_values(world.state, spec, as_of, among=among, settings=world.engine)["lead"].to_pylist()
    ) == set(expected)


@examples(4, 24)
@given(
    spec=RULES,
    start=st.integers(-1, DAYS),
    number=st.integers(1, 5),
    place=st.integers(0, 2),
    thresholds=st.lists(
        st.integers(0, 6) | st.sampled_from([34, 50, 100]), min_size=1, max_size=4, unique=True
    ),
)
def test_one_pass_knows_every_threshold(
    world: World, spec: RuleSpec, start: int, number: int, place: int, thresholds: list[int]
) -> None:
    dates = [FIRST + timedelta(days=start + n) for n in range(number)]
    place %= len(spec.conditions)
    table = history.values_by_date(
        world.state, spec, dates, history.Sweep(place, tuple(thresholds)), settings=world.engine
    )
    compare, join = OPS[spec.conditions[place].op], all if spec.match == "all" else any
    for threshold in thresholds:
        asked = replace(spec.conditions[place], value=threshold)
        wanted = [asked if c == place else one for c, one in enumerate(spec.conditions)]
        for d, day in enumerate(dates):
            found = {
                row["lead"]
                for row in table.to_pylist()
                if row[f"value_{d}"] is not None
                and join([row[f"rest_{d}"], compare(row[f"value_{d}"], threshold)])
            }
            assert found == set(brute_force(world.events, replace(spec, conditions=tuple(wanted)), day))


def test_who_was_active_when(world: World) -> None:
    first, last = FIRST + timedelta(2), FIRST + timedelta(4)
    expected = sorted({(e.lead, e.at.date()) for e in world.events if first <= e.at.date() <= last})
    rows = history.active_days(world.state, first, last, settings=world.engine).to_pylist()
    assert [(row["lead"], row["day"]) for row in rows] == expected
    assert history.active_leads(world.state, first, last, settings=world.engine) == len(
        {lead for lead, _day in expected}
    )


def test_a_sweep_of_nothing_is_refused(world: World) -> None:
    spec = RuleSpec("all", (Condition("calls", ">=", 1, 1),))
    with pytest.raises(ActivityError, match="nothing to sweep"):
        history.values_by_date(world.state, spec, [FIRST], history.Sweep(1, (1,)), settings=world.engine)


@examples(4, 20)
@given(spec=RULES, as_of=DATES, lead=st.integers(0, LEADS))
def test_explain_gives_the_row_of_one_lead(world: World, spec: RuleSpec, as_of: date, lead: int) -> None:
    (one,) = query.explain(world.state, spec, as_of, lead, SCORE, settings=world.engine).to_pylist()
    met = [
        row
        for row in query.evaluate(world.state, spec, as_of, SCORE, settings=world.engine).to_pylist()
        if row["lead"] == lead
    ]
    assert met in ([], [one])
    if not met:
        never = RuleSpec("all", tuple(replace(condition, op=">=", value=0) for condition in spec.conditions))
        values = brute_force(world.events, never, as_of).get(lead, [0] * len(spec.conditions))
        assert one == {
            "lead": lead,
            "as_of": as_of,
            "values": values,
            **evidence(world.events, spec, as_of, lead),
        }


@examples(4, 20)
@given(spec=RULES, as_of=DATES)
def test_values_alone_agree_with_the_evaluation(world: World, spec: RuleSpec, as_of: date) -> None:
    found = query.lead_values(world.state, spec, as_of, settings=world.engine).to_pylist()
    values = {one["lead"]: [one[f"value_{c}"] for c in range(len(spec.conditions))] for one in found}
    assert values == brute_force(world.events, spec, as_of)
    everybody = query.lead_values(world.state, spec, as_of, only_met=False, settings=world.engine)
    start = as_of - timedelta(days=spec.window_days - 1)
    seen = {e.lead for e in world.events if start <= e.at.date() <= as_of}
    assert sorted(everybody["lead"].to_pylist()) == sorted(seen)


@pytest.mark.parametrize("lead", [0, 3, LEADS, 999])
def test_the_days_of_one_person(world: World, lead: int) -> None:
    first, last = FIRST + timedelta(days=2), FIRST + timedelta(days=9)
    own = [e for e in world.events if e.lead == lead and first <= e.at.date() <= last]
    expected = [
        (day, len(found), len({e.institution for e in found}))
        for day in sorted({e.at.date() for e in own})
        if (found := [e for e in own if e.at.date() == day])
    ]
    if lead == 999:
        expected = [(FIRST + timedelta(days=5), 1, 1)]
    assert query.person_days(world.state, person(lead), first, last) == expected


def test_institutions_and_the_completeness_calendar(world: World) -> None:
    assert query.institutions(world.state) == sorted({*INSTITUTIONS, "I1"})
    day = FIRST + timedelta(days=3)
    seen = [event for event in world.events if day <= event.at.date() <= day + timedelta(days=1)]
    assert query.institutions(world.state, [day, day + timedelta(days=1)]) == sorted(
        {e.institution for e in seen}
    )
    expected = [
        (when, code, sum(e.institution == code and e.at.date() == when for e in seen))
        for when in (day, day + timedelta(days=1))
        for code in sorted(INSTITUTIONS)
    ]
    found = query.rows_by_day_and_institution(world.state, day, day + timedelta(days=1))
    assert found == [one for one in expected if one[2]]


@pytest.mark.parametrize("engine", EACH_ENGINE)
def test_an_empty_store_answers_everything(root: Path, engine: str) -> None:
    settings = ENGINES[engine]
    state, spec = store.snapshot(root), RuleSpec("all", (Condition("calls", "<", 9, 7),))
    assert query.evaluate(state, spec, FIRST, SCORE, settings=settings).num_rows == 0
    assert coverage.counts(state, spec, [FIRST], settings=settings) == {FIRST: 0}
    assert coverage.counts(state, spec, [], settings=settings) == {}
    assert query.institutions(state) == []
    [nothing] = query.explain(state, spec, FIRST, 5, SCORE, settings=settings).to_pylist()
    assert nothing["values"] == [0]


def test_a_lead_layer_that_is_missing_or_stale_is_refused(root: Path, tmp_path: Path) -> None:
    spec = RuleSpec("all", (Condition("calls", ">=", 1, 7),))
    take(root, write(tmp_path / "a.csv", [row("a"), row("b", "2026-10-02 10:00:00")]))
    as_of = date(2026, 10, 2)
    with pytest.raises(ActivityError, match="2026-10-01, 2026-10-02 is not up to date"):
        query.evaluate(store.snapshot(root), spec, as_of, SCORE)
    state = make_leads(root)
    assert query.evaluate(state, spec, as_of, SCORE)["calls"].to_pylist() == [2]
    take(root, write(tmp_path / "b.csv", [row("c", "2026-10-02 11:00:00")]))
    with pytest.raises(ActivityError, match="of 2026-10-02 is not up to date"):
        query.evaluate(store.snapshot(root), spec, as_of, SCORE)
    assert query.evaluate(state, spec, as_of, SCORE)["calls"].to_pylist() == [2], (
        "an old snapshot stays readable"
    )
    assert query.evaluate(make_leads(root), spec, as_of, SCORE)["calls"].to_pylist() == [3]


def test_bad_definitions_are_refused() -> None:
    for wrong in (
        {"metric": "colour"},
        {"op": "!="},
        {"window_days": 0},
        {"hours": (0, 25)},
        {"event_types": frozenset({"selfie"})},
    ):
        with pytest.raises(ActivityError):
            Condition(**{"metric": "calls", "op": ">=", "value": 1, "window_days": 1, **wrong})  # type: ignore[arg-type]
    with pytest.raises(ActivityError, match="at least one condition"):
        RuleSpec("all", ())
    with pytest.raises(ActivityError, match="half_life_days"):
        Score(0, {})

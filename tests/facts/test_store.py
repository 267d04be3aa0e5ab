"""Values of facts in the analytical store: dates, undo, erasure, compaction, crashes, and a brute force."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.activity import store as activity
from app.facts import compaction, store
from app.facts.store import Column, Counts, Delivery
from tests.thorough import examples

DAY = dt.date(2026, 6, 1)
AUM, TIER = Column(1, "money", 5), Column(2, "choice", 400)
COLUMNS = (AUM, TIER)
#: lead, as_of, assets, tier
Row = tuple[int, dt.date, float | None, str | None]


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


def deliver(
    root: Path, batch: int, rows: Sequence[Row], delivered: dt.date, *, backfill: bool = False, **how: Any
) -> Counts:
    """Append rows as a batch."""
    types = [("lead", pa.int64()), ("as_of", pa.date32()), ("f1", pa.float64()), ("f2", pa.string())]
    columns = zip(*rows, strict=True) if rows else ([] for _ in types)
    arrays = [pa.array(list(each), kind) for each, (_name, kind) in zip(columns, types, strict=True)]
    path = root.parent / f"{root.name}-{batch}.parquet"
    pq.write_table(pa.table(arrays, names=[name for name, _kind in types]), path)
    return store.append(root, path, COLUMNS, Delivery(batch, delivered, backfill), **how)


def seen(root: Path, as_of: dt.date, **of: Any) -> dict[tuple[int, str], tuple[Any, dt.date, dt.date]]:
    """Return the values as of a date with their dates, by lead and column."""
    table = store.values(activity.snapshot(root), COLUMNS, as_of, **of)
    return {
        (row["lead"], name): (row[name], row[f"{name}_as_of"], row[f"{name}_known_on"])
        for row in table.to_pylist()
        for name in ("f1", "f2")
        if row[name] is not None
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "activity"


def test_a_value_is_known_from_the_day_before_its_delivery(root: Path) -> None:
    assert deliver(root, 1, [(7, day(0), 5.0, None)], day(3)) == Counts(1, 0)
    assert seen(root, day(1)) == {}
    assert seen(root, day(2)) == {(7, "f1"): (5.0, day(0), day(2))}
    assert seen(root, day(5)) == seen(root, day(2))
    assert seen(root, day(6)) == {}, "older than its days kept"


def test_a_backfill_was_known_when_it_was_true(root: Path) -> None:
    deliver(root, 1, [(7, day(0), 5.0, "金卡")], day(300), backfill=True)
    assert seen(root, day(0)) == {(7, "f1"): (5.0, day(0), day(0)), (7, "f2"): ("金卡", day(0), day(0))}


def test_the_latest_date_counts_then_the_latest_delivery(root: Path) -> None:
    deliver(root, 1, [(7, day(1), 1.0, None)], day(2))
    deliver(root, 2, [(7, day(0), 2.0, None)], day(3))
    assert seen(root, day(3))[7, "f1"][0] == 1.0
    deliver(root, 3, [(7, day(1), 3.0, None)], day(4))
    assert seen(root, day(3))[7, "f1"][0] == 3.0
    assert seen(root, day(2))[7, "f1"][0] == 1.0


def test_what_was_stated_before_is_unchanged(root: Path) -> None:
    rows: list[Row] = [(7, day(0), 5.0, "金卡"), (8, day(0), None, "普通")]
    assert deliver(root, 1, rows, day(2), commit=False) == Counts(3, 0)
    assert activity.snapshot(root).version == 0
    assert deliver(root, 1, rows, day(2)) == Counts(3, 0)
    assert deliver(root, 2, rows, day(3)) == Counts(0, 3)
    assert activity.snapshot(root).version == 1, "nothing was committed"
    assert deliver(root, 3, rows, day(3), backfill=True) == Counts(3, 0), "known from an earlier date on"
    assert deliver(root, 4, [(7, day(0), 6.0, "金卡")], day(3)) == Counts(1, 1)
    assert deliver(root, 5, [(7, day(1), 6.0, "金卡")], day(3)) == Counts(2, 0), "of another date"


def test_undo_brings_the_former_values_back(root: Path) -> None:
    deliver(root, 1, [(7, day(0), 1.0, None), (8, day(0), 8.0, None)], day(1))
    before = seen(root, day(2))
    deliver(root, 2, [(7, day(0), 2.0, "金卡")], day(1))
    after = seen(root, day(2))
    deliver(root, 3, [(7, day(1), 3.0, None)], day(1))
    compaction.compact(root, COLUMNS, day(2))
    assert store.undo(root, 3) == 1
    assert seen(root, day(2)) == after
    assert store.undo(root, 2) == 2
    assert seen(root, day(2)) == before
    assert store.undo(root, 2) == 0
    assert store.batches(activity.snapshot(root)) == {1}


def test_an_erased_lead_has_no_values_anywhere(root: Path) -> None:
    deliver(root, 1, [(7, day(0), 1.0, "金卡"), (8, day(0), 8.0, None)], day(1))
    deliver(root, 2, [(7, day(1), 2.0, None)], day(1))
    assert store.erase(root, [7]) == 3
    assert seen(root, day(2)) == {(8, "f1"): (8.0, day(0), day(0))}
    state = activity.snapshot(root)
    stored = [pq.read_table(root / file.name)["lead"].to_pylist() for file in state.facts]
    assert stored == [[8]]
    assert store.erase(root, [9]) == 0
    assert activity.snapshot(root).version == state.version


def test_compaction_keeps_what_counts_sorted_by_lead(root: Path) -> None:
    deliver(root, 1, [(8, day(0), 8.0, "普通"), (7, day(0), 1.0, "金卡")], day(1))
    deliver(root, 2, [(7, day(8), 2.0, None), (9, day(8), 9.0, None)], day(9))
    before = seen(root, day(9))
    compaction.compact(root, COLUMNS, day(9), leads=lambda: pa.table({"lead": [7, 8]}))
    assert seen(root, day(9)) == {key: value for key, value in before.items() if key[0] != 9}
    [file] = activity.snapshot(root).facts
    table = pq.read_table(root / file.name)
    assert table["lead"].to_pylist() == [7, 7, 8]
    assert table["f1"].to_pylist() == [None, 2.0, None], "assets of day 0 are past their days kept"
    compaction.compact(root, [], day(9))
    assert activity.snapshot(root).facts == ()


def test_one_lead_alone(root: Path) -> None:
    deliver(root, 1, [(lead, day(0), float(lead), None) for lead in range(50)], day(1))
    assert seen(root, day(1), lead=7) == {(7, "f1"): (7.0, day(0), day(0))}
    assert seen(root, day(1), lead=77) == {}


def test_calls_and_facts_share_one_manifest(root: Path) -> None:
    deliver(root, 1, [(7, day(0), 1.0, None)], day(1))
    with activity.writing(root) as writer:
        events = writer.new_file("events", DAY)
        (root / events).write_bytes(b"")
        writer.commit({DAY: activity.Day(events, events, 0)})
    deliver(root, 2, [(8, day(0), 1.0, None)], day(1))
    state = activity.snapshot(root)
    assert (state.version, list(state.days), len(state.facts)) == (3, [DAY], 2)


@pytest.mark.parametrize("at", ["journal appended", "manifest written", "manifest swapped"])
def test_a_crash_stores_a_batch_entirely_or_not_at_all(
    root: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(root, 1, [(7, day(0), 1.0, None)], day(1))

    def crash(name: str) -> None:
        if name == at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(activity, "_step", crash)
        with pytest.raises(KeyboardInterrupt):
            deliver(root, 2, [(7, day(0), 2.0, "金卡")], day(1))
    swapped = at == "manifest swapped"
    assert seen(root, day(1))[7, "f1"][0] == (2.0 if swapped else 1.0)
    deliver(root, 3, [(8, day(0), 1.0, None)], day(1))
    named = {Path(file.name).name for file in activity.snapshot(root).facts}
    assert {path.name for path in (root / "facts").iterdir()} == named


class Value(NamedTuple):
    """A stored value, as the brute force keeps it."""

    batch: int
    order: int
    lead: int
    name: str
    as_of: dt.date
    known_on: dt.date
    value: Any


class Brute:
    """The same store in plain Python: a list of values."""

    def __init__(self) -> None:
        self.values: list[Value] = []

    def deliver(self, batch: int, rows: Sequence[Row], delivered: dt.date, *, backfill: bool) -> Counts:
        new, unchanged = [], 0
        for lead, as_of, *stated in rows:
            known = as_of if backfill else max(as_of, delivered - dt.timedelta(days=1))
            for name, value in zip(("f1", "f2"), stated, strict=True):
                if value is None:
                    continue
                same = [v for v in self.values if (v.lead, v.name, v.as_of) == (lead, name, as_of)]
                last = max(same, key=lambda v: v.order, default=None)
                if last and last.value == value and last.known_on <= known:
                    unchanged += 1
                else:
                    new.append(Value(batch, batch, lead, name, as_of, known, value))
        self.values += new
        return Counts(len(new), unchanged)

    def seen(self, as_of: dt.date) -> dict[tuple[int, str], tuple[Any, dt.date, dt.date]]:
        best: dict[tuple[int, str], Value] = {}
        for each in self.values:
            keep = {"f1": AUM, "f2": TIER}[each.name].keep_days
            if each.as_of > as_of or each.known_on > as_of or (as_of - each.as_of).days > keep:
                continue
            key = (each.lead, each.name)
            if key not in best or (best[key].as_of, best[key].order) < (each.as_of, each.order):
                best[key] = each
        return {key: (each.value, each.as_of, each.known_on) for key, each in best.items()}

    def keep(self, what: Any) -> int:
        before = len(self.values)
        self.values = [each for each in self.values if what(each)]
        return before - len(self.values)


DAYS = st.integers(0, 4)
#: so that most deliveries are later than what they state
DELIVERED = st.integers(3, 9)
ROWS = st.dictionaries(
    st.tuples(st.integers(1, 3), DAYS),
    st.tuples(st.none() | st.sampled_from([1.0, 2.0]), st.none() | st.sampled_from(["甲", "乙"])),
    min_size=1,
    max_size=6,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), ROWS, DELIVERED, st.sampled_from([False, False, True])),
        st.tuples(st.just("undo"), st.integers(1, 4)),
        st.tuples(st.just("erase"), st.integers(1, 3)),
        st.tuples(st.just("compact"), DELIVERED),
    ),
    min_size=2,
    max_size=7,
)


@examples(5, 60)
@given(STEPS)
def test_as_of_a_date_nothing_is_seen_that_was_delivered_later(steps: list[Any]) -> None:
    """Compare the store with the brute force, and with itself without the later deliveries."""
    with tempfile.TemporaryDirectory() as folder:
        root, brute = Path(folder) / "activity", Brute()
        for batch, step in enumerate(steps, 1):
            _apply(root, brute, batch, step)
        for number in range(-1, 12):
            found = seen(root, day(number))
            assert found == brute.seen(day(number))
            assert all(max(as_of, known_on) <= day(number) for _value, as_of, known_on in found.values())


def _apply(root: Path, brute: Brute, batch: int, step: Any) -> None:
    match step:
        case "deliver", rows, delivered, backfill:
            given_rows = [(lead, day(n), *stated) for (lead, n), stated in rows.items()]
            assert deliver(root, batch, given_rows, day(delivered), backfill=backfill) == brute.deliver(
                batch, given_rows, day(delivered), backfill=backfill
            )
        case "undo", undone:
            assert store.undo(root, undone) == brute.keep(lambda each: each.batch != undone)
        case "erase", lead:
            assert store.erase(root, [lead]) == brute.keep(lambda each: each.lead != lead)
        case "compact", today:
            compaction.compact(root, COLUMNS, day(today))
            kept = {"f1": AUM.keep_days, "f2": TIER.keep_days}
            brute.keep(lambda each: (day(today) - each.as_of).days <= kept[each.name])


def test_after_compaction_today_is_read_from_the_latest_values_alone(root: Path) -> None:
    deliver(root, 1, [(8, day(0), 8.0, "普通"), (7, day(0), 1.0, "金卡")], day(1))
    deliver(root, 2, [(7, day(1), 2.0, None), (9, day(2), 9.0, None)], day(2))
    before = {number: seen(root, day(number)) for number in range(1, 9)}
    compaction.compact(root, COLUMNS, day(3))
    version = activity.snapshot(root).version
    assert compaction.compact(root, COLUMNS, day(4)) == 0
    assert activity.snapshot(root).version == version, "nothing to do, nothing written"
    for file in activity.snapshot(root).facts:
        (root / file.name).rename(root / f"{file.name}.away")
    assert {number: seen(root, day(number)) for number in range(2, 9)} == {
        number: before[number] for number in range(2, 9)
    }
    for file in activity.snapshot(root).facts:
        (root / f"{file.name}.away").rename(root / file.name)
    assert seen(root, day(1)) == before[1]

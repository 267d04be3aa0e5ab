"""A store in object storage, on a real S3 server: equal to a folder, shared, and safe when cut off."""

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from app.activity import cube, objects, query, room, store
from app.activity.errors import ActivityError
from app.activity.ingest import ingest
from app.activity.objects import ObjectStore
from app.activity.spec import Condition, RuleSpec
from app.activity.withdraw import withdraw
from tests.activity.support import NOW, ZONE, counts, person, row, take, write
from tests.object_storage import SECRET, Wire, environment, new_store, other_machine, serving, within
from tests.thorough import share, thorough

DAY = date(2026, 10, 1)
PEOPLE = pa.table({"lead": [1, 2], "person": [person(1)[:32], person(2)[:32]]})
#: Makes processes by forking one that has imported this module and has no connections.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with serving(tmp_path_factory.mktemp("s3")) as made:
        yield made


@pytest.fixture
def here(wire: Wire, tmp_path: Path) -> Iterator[ObjectStore]:
    """An empty store, as one machine sees it."""
    yield new_store(tmp_path / "here")
    wire.mend()


@pytest.fixture
def there(here: ObjectStore, tmp_path: Path) -> ObjectStore:
    """The same store, as another machine sees it."""
    return other_machine(here, tmp_path / "there")


def names(root: ObjectStore) -> set[str]:
    """Return the names of the objects of a store, without manifest and lease."""
    return {*root._listed()} - {objects.MANIFEST, objects.LOCK}


def put(root: ObjectStore, name: str) -> bytes:
    """Return what the request begins with that writes an object."""
    return f"PUT /{root.url.removeprefix('s3://')}/{name}".encode()


def test_it_gives_what_a_folder_gives(here: ObjectStore, there: ObjectStore, tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", [row("a"), row("b", id_hash=person(2)), row("x", result="?")])
    later = write(tmp_path / "b.jsonl", [row("a", "2026-10-01 09:00:00"), row("c", "2026-10-02 10:00:00")])
    spec = RuleSpec("all", (Condition("calls", ">=", 1, 2),))
    found = []
    for root, reader in ((tmp_path / "folder", tmp_path / "folder"), (here, there)):
        take(root, first)
        taken = take(root, later).as_json()
        state = cube.ensure_leads(root, store.snapshot(root).days, "list", lambda: PEOPLE)
        met = query.lead_values(store.snapshot(reader), spec, date(2026, 10, 2)).to_pylist()
        digest = store.deliveries(state)[0]["digest"]
        undone = withdraw(root, digest, {"source": "s"}, timezone=ZONE, now=NOW)
        rejects = store.rejects_file(reader, store.deliveries(state)[0]["rejects_file"])
        found.append((taken, met, undone, counts(reader), rejects and rejects.read_text("utf-8")))
    assert found[0] == found[1]
    assert store.rejects_file(there, "rejected/none.csv") is None


def test_a_machine_that_waits_gets_its_turn(here: ObjectStore, there: ObjectStore, tmp_path: Path) -> None:
    """Two machines ingest files of one day at once; both are in, whoever was first."""
    logs = [write(tmp_path / f"{n}.csv", [row(f"{n}-{i}") for i in range(50)]) for n in range(4)]
    work = [(here, logs[:2]), (there, logs[2:])]
    processes = [
        FORKS.Process(target=within, args=(environment(), take, root, *files)) for root, files in work
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert store.snapshot(here) == store.snapshot(other_machine(here, here.folder))
    assert counts(there)["days"] == {"2026-10-01": 200}
    assert store.snapshot(here).version == 2


def test_who_comes_second_changes_nothing(
    here: ObjectStore, there: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was taken for gone, as it stood still for long, finds that another one has written."""
    files = [write(tmp_path / f"{name}.csv", [row(name)]) for name in "abc"]
    take(here, files[2])
    monkeypatch.setattr(objects, "LEASE_SECONDS", 0)
    reached = store._step

    def overtake(step: str) -> None:
        if step == "manifest written":
            monkeypatch.setattr(store, "_step", reached)
            take(there, files[1])

    monkeypatch.setattr(store, "_step", overtake)
    with pytest.raises(ActivityError, match="another machine has written"):
        take(here, files[0])
    assert [each["name"] for each in store.deliveries(store.snapshot(here))][1:] == [str(files[1])]
    take(here, files[0])
    assert counts(there)["days"] == {"2026-10-01": 3}


@pytest.mark.parametrize("lost", ["manifest.json", "events"])
def test_a_connection_that_is_lost_leaves_the_old_state(
    here: ObjectStore,
    there: ObjectStore,
    wire: Wire,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    take(here, write(tmp_path / "a.csv", [row("a")]))
    before, more = store.snapshot(there), write(tmp_path / "b.csv", [row("b")])
    wire.cut_before = put(here, lost)
    with pytest.raises(ActivityError, match="can't be used") as caught:
        take(here, more)
    assert wire.is_cut
    assert SECRET not in str(caught.value)
    wire.mend()
    assert store.snapshot(there) == before
    monkeypatch.setattr(objects, "LEASE_SECONDS", 0.1)
    take(there, more)
    assert counts(here)["days"] == {"2026-10-01": 2}


def test_an_answer_that_is_lost_is_no_second_commit(here: ObjectStore, wire: Wire, tmp_path: Path) -> None:
    take(here, write(tmp_path / "a.csv", [row("a")]))
    wire.lose_answer_to = put(here, objects.MANIFEST)
    take(here, write(tmp_path / "b.csv", [row("b")]))
    assert wire.lose_answer_to == b"", "the answer was lost"
    assert store.snapshot(here).version == 2
    assert counts(here)["days"] == {"2026-10-01": 2}


def work_until(root: ObjectStore, logs: Path, name: str) -> None:
    """Ingest, but kill this process at the named step."""
    store._step = lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == name else None
    ingest(root, [logs], timezone=ZONE)


@thorough
@pytest.mark.parametrize(
    "step", share([s for s in store.STEPS if s not in ("leads written", "duplicates written")], 3)
)
def test_a_kill_at_any_step_leaves_the_old_state_or_the_new(
    here: ObjectStore, there: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    take(here, write(tmp_path / "a.csv", [row("a")]))
    before, more = counts(there), write(tmp_path / "b.csv", [row("b"), row("")])
    process = FORKS.Process(target=within, args=(environment(), work_until, here, more, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert (counts(there) == before) == (step != "manifest swapped")
    # Another machine waits until the lease of the dead one has run out.
    monkeypatch.setattr(objects, "LEASE_SECONDS", 0.1)
    monkeypatch.setattr(objects, "IN_USE_SECONDS", -60)
    take(there, more)
    assert counts(there)["days"] == {"2026-10-01": 2}
    store.drop_days_before(there, DAY)
    state = store.snapshot(there)
    left = {name for name in names(there) if not name.startswith("rejected/")}
    assert left == state.files() | state.retired.keys(), "what the dead one left is gone"


def test_a_dead_writer_of_the_same_machine_is_not_waited_for(
    here: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "LEASE_SECONDS", float("inf"))
    file = write(tmp_path / "a.csv", [row("a")])
    process = FORKS.Process(target=within, args=(environment(), work_until, here, file, "events written"))
    process.start()
    process.join()
    take(here, file)
    assert counts(here)["days"] == {"2026-10-01": 1}


def test_a_long_writer_keeps_its_lease(
    here: ObjectStore, there: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease changes while it is held, by which those who wait know that its holder lives."""
    monkeypatch.setattr(objects, "RENEW_SECONDS", 0.01)
    with here.locked():
        seen = {there._read(objects.LOCK)}
        while len(seen) < 3:
            seen.add(there._read(objects.LOCK))
    assert json.loads(there._read(objects.LOCK)[0])["by"] is None


def test_replaced_files_leave_storage_and_folder(
    here: ObjectStore, there: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(here, write(tmp_path / "a.csv", [row("a")]))
    held = store.snapshot(there)
    take(here, write(tmp_path / "b.csv", [row("b")]))
    assert held.files() <= names(here), "a reader may hold the former state"
    monkeypatch.setattr(store, "KEEP_RETIRED_SECONDS", -1)
    with store.writing(here):
        pass
    gone = held.files() - store.snapshot(here).files()
    assert not gone & names(here)
    assert not any((here.folder / name).exists() for name in gone)
    with pytest.raises(ActivityError, match="lacks a file"):
        held.paths(gone)


def test_the_folder_keeps_what_was_used_last(
    here: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 4):
        take(here, write(tmp_path / f"{number}.csv", [row(str(number), f"2026-10-0{number} 10:00:00")]))
    state = store.snapshot(here)
    by_day = [day.events for _, day in sorted(state.days.items())]
    size = max(state.sizes[name] for name in by_day)
    small = ObjectStore(here.url, tmp_path / "small", cache_bytes=2 * size)

    def kept() -> list[bool]:
        return [(small.folder / name).exists() for name in by_day]

    read = store.snapshot(small)
    read.paths(by_day)
    assert kept() == [True] * 3, "what is in use stays, whatever the limit"
    monkeypatch.setattr(objects, "IN_USE_SECONDS", -60)
    (small.folder / by_day[0]).unlink()
    read.paths([by_day[1]])
    read.paths([by_day[0]])
    assert kept() == [True, True, False], "the one that was not used for longest left"


def test_the_journal_stays_in_few_files(
    here: ObjectStore, there: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "JOURNAL_FILES", 2)
    for name in "abcde":
        take(here, write(tmp_path / f"{name}.csv", [row(name)]))
    state = store.snapshot(there)
    assert [Path(each["name"]).stem for each in store.deliveries(state)] == list("abcde")
    assert len(state.journal) == 1


def test_a_store_moves_there_and_back(here: ObjectStore, tmp_path: Path) -> None:
    folder, back = tmp_path / "folder", tmp_path / "back"
    first = write(tmp_path / "a.csv", [row("a"), row(""), row("b", "2026-10-02 10:00:00")])
    rejects = take(folder, first).files[0].rejects_file
    take(folder, write(tmp_path / "b.csv", [row("b", "2026-10-02 11:00:00")]))
    was = counts(folder)
    assert store.copy(folder, here).version == store.copy(here, back).version == 2
    for root in (here, back):
        assert counts(root) == was
        assert store.rejects_file(root, str(rejects)).read_text() == (folder / str(rejects)).read_text()
        take(root, write(tmp_path / "c.csv", [row("c")]))
        assert counts(root)["accepted"] == was["accepted"] + 1
        with pytest.raises(ActivityError, match=r"an activity store in .* already"):
            store.copy(folder, root)
    assert counts(folder) == was


def test_what_does_not_fit_is_not_begun(
    here: ObjectStore, there: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(here, write(tmp_path / "a.csv", [row("a")]))
    state = store.snapshot(there)
    monkeypatch.setattr(room, "SPARE_BYTES", 1 << 60)
    with pytest.raises(ActivityError, match=r"not enough room on the disk of .*there: about .* needed, 0 MB"):
        state.paths(state.files())
    assert not any((there.folder / name).exists() for name in state.files())


def test_storage_that_ignores_conditions_is_found_out(
    here: ObjectStore, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.check()
    # Without a signature, which would tell that a header is missing.
    monkeypatch.setitem(fsspec.config.conf, "s3", {"anon": True})
    objects._file_system.cache_clear()
    here.check()
    wire.drops_conditions = True
    with pytest.raises(ActivityError, match="ignores the conditions of writes"):
        here.check()
    monkeypatch.undo()
    objects._file_system.cache_clear()
    assert names(here) == set()


def test_a_bucket_that_is_not_there_is_no_empty_store(wire: Wire, tmp_path: Path) -> None:
    for url in ("s3://no-such-bucket/store", "s3://no-such-bucket"):
        root = ObjectStore(url, tmp_path / "here")
        with pytest.raises(ActivityError, match=r"no-such-bucket.*can't be used"):
            store.snapshot(root)
        with pytest.raises(ActivityError, match=r"no-such-bucket.*can't be used"), store.writing(root):
            pass

"""Verification: the chain is recomputed from the entries and compared with its links and checkpoints."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Engine, func, select, text

from app.audit import checkpoints
from app.audit.archived import Archives
from app.audit.chain import ALL_XIDS, NO_CEILING, SPAN, UTC, Position, chain_hashes, seal, split_bytes
from app.audit.checkpoints import Checkpoint
from app.models import ChangeSeal
from config import Settings

Progress = Callable[[int, int], None]
SEALS = ChangeSeal.__table__
#: entries and links of one group
GROUP_ENTRIES, GROUP_LINKS = 20_000, 2_000
#: groups read ahead while an earlier one is checked, each on a connection of its own
AHEAD = 2
_FIRST_FROM = text("SELECT id FROM change_log WHERE xid >= :xid AND id > :floor ORDER BY xid, id LIMIT 1")


@dataclass(frozen=True)
class Verdict:
    """The result of a verification: the number of sound entries, the chain's head and the first bad entry."""

    ok: bool
    entries: int
    head: str
    first_bad: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``flask audit verify --json`` prints."""
        return dict(vars(self))


class Altered(Exception):
    """The log differs from what was sealed; ``entry`` is the first entry concerned."""

    def __init__(self, entry: int | None) -> None:
        self.entry = entry
        super().__init__(f"entry {entry}")


class _Group(NamedTuple):
    """Consecutive links, and the entries that are in their span at present."""

    links: list[Any]
    ids: list[int]
    hashes: list[bytes]


def verify(engine: Engine, settings: Settings, progress: Progress = lambda done, total: None) -> Verdict:
    """Seal new entries, then check every sealed entry, including archived ones.

    Detects entries and links that were changed, deleted, inserted or reordered and, with the checkpoints, a
    truncated or rebuilt chain. ``progress`` is called with the entries done and in total. Raises DomainError
    when a file of checkpoints or an archive can't be read.
    """
    seal(engine, settings)
    known: dict[int, list[Checkpoint]] = defaultdict(list)
    for each in checkpoints.read(settings):
        known[each.seq].append(each)
    with engine.connect() as connection:
        total = connection.scalar(select(func.max(SEALS.c.total))) or 0
        floors = list(connection.scalars(select(SEALS.c.floor_id).distinct()))
    chain = _Chain(engine, known, Archives(settings, floors))
    try:
        for group in _groups(engine):
            chain.follow(group)
            progress(chain.position.total, total)
        chain.end()
    except Altered as error:
        return Verdict(False, chain.position.total, chain.position.head.hex(), error.entry)
    return Verdict(True, chain.position.total, chain.position.head.hex())


def _groups(engine: Engine) -> Iterator[_Group]:
    """Yield the links with their entries in groups, reading ahead."""
    with engine.connect() as connection:
        sizes = connection.execute(
            select(SEALS.c.seq, func.cardinality(SEALS.c.entries), SEALS.c.floor_id).order_by(SEALS.c.seq)
        ).all()
    floors = sorted({floor for _seq, _size, floor in sizes})
    ceilings = dict(zip(floors, [*floors[1:], NO_CEILING], strict=False))
    waiting: deque[Future[_Group]] = deque()
    with ThreadPoolExecutor(AHEAD) as pool:
        for first, last, floor in _cut(sizes):
            waiting.append(pool.submit(_read, engine, first, last, ceilings[floor]))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _cut(sizes: Any) -> Iterator[tuple[int, int, int]]:
    """Yield the first link, the last link and the floor of each group. A group has a single floor."""
    first = last = floor = entries = links = 0
    for seq, size, own_floor in sizes:
        if links and (entries + size > GROUP_ENTRIES or links >= GROUP_LINKS or own_floor != floor):
            yield first, last, floor
            entries = links = 0
        if not links:
            first, floor = seq, own_floor
        last, entries, links = seq, entries + size, links + 1
    if links:
        yield first, last, floor


def _read(engine: Engine, first: int, last: int, ceiling: int) -> _Group:
    with engine.begin() as connection:
        connection.execute(UTC)
        query = select(SEALS).where(SEALS.c.seq.between(first, last)).order_by(SEALS.c.seq)
        links = list(connection.execute(query))
        span = {
            "from_xid": links[0].from_xid,
            "to_xid": links[-1].to_xid,
            "floor_id": links[0].floor_id,
            "ceiling": ceiling,
        }
        entries = connection.execute(SPAN, span).one()
    ids = [int.from_bytes(each) for each in split_bytes(bytes(entries.ids), 8)]
    return _Group(links, ids, split_bytes(bytes(entries.hashes), 32))


class _Chain:
    """The verified part of the chain, up to ``position``."""

    def __init__(self, engine: Engine, known: dict[int, list[Checkpoint]], archives: Archives) -> None:
        self._engine = engine
        self._known = known
        self._archives = archives
        self.position = Position()

    def follow(self, group: _Group) -> None:
        """Check a group's links against their entries. Raises Altered."""
        last, start = group.links[-1], 0
        group = _with_archived(group, self._archives.until(last.floor_id, last.to_xid))
        for link in group.links:
            end = start + len(link.entries)
            self._check_continuity(link)
            if group.ids[start:end] != link.entries:
                sealed = {entry for each in group.links for entry in each.entries}
                raise Altered(_misplaced(link.entries, group.ids[start:], sealed))
            head = self._head(link, group.hashes[start:end])
            self.position = Position(link.seq, link.to_xid, link.floor_id, link.total, head)
            start = end
        if len(group.ids) > start:
            raise Altered(group.ids[start])

    def end(self) -> None:
        """Check that no checkpoint is beyond the last link. Raises Altered when one is."""
        missing = [seq for seq in self._known if seq > self.position.seq]
        if missing:
            raise Altered(self._known[min(missing)][0].first)

    def _head(self, link: Any, own_hashes: list[bytes]) -> bytes:
        hashes = list(chain_hashes(self.position.head, own_hashes))
        sealed = split_bytes(bytes(link.hashes), 32)
        if hashes != sealed:
            pairs = zip(link.entries, hashes, [*sealed, *hashes[len(sealed) :]], strict=False)
            raise Altered(next((entry for entry, computed, stored in pairs if computed != stored), None))
        head = hashes[-1] if hashes else self.position.head
        checkpointed = [each.head for each in self._known.get(link.seq, [])]
        if head != bytes(link.head) or any(each != head.hex() for each in checkpointed):
            raise Altered(link.entries[0] if link.entries else None)
        return head

    def _check_continuity(self, link: Any) -> None:
        """Check that a link begins where the last one ended, or where a restored database started again.

        Raises Altered when it doesn't.
        """
        last = self.position
        restarts = last.to_xid == ALL_XIDS and link.from_xid == 0 and link.floor_id > last.floor_id
        follows = link.from_xid == last.to_xid and link.floor_id == last.floor_id
        counted = link.seq == last.seq + 1 and link.total == last.total + len(link.entries)
        if counted and (restarts or follows):
            return
        with self._engine.connect() as connection:
            raise Altered(connection.scalar(_FIRST_FROM, {"xid": last.to_xid, "floor": last.floor_id}))


def _with_archived(group: _Group, archived: dict[int, bytes]) -> _Group:
    """Merge archived entries into a group at their positions. Raises Altered for one that no link has."""
    if not archived:
        return group
    ids: list[int] = []
    hashes: list[bytes] = []
    sealed = [entry for link in group.links for entry in link.entries]
    unknown = set(archived).difference(sealed)
    if unknown:
        raise Altered(min(unknown))
    present = deque(zip(group.ids, group.hashes, strict=True))
    for entry in sealed:
        if entry in archived and not (present and present[0][0] == entry):
            ids.append(entry)
            hashes.append(archived[entry])
        elif present:
            entry_id, own_hash = present.popleft()
            ids.append(entry_id)
            hashes.append(own_hash)
    ids += [entry_id for entry_id, _hash in present]
    return _Group(group.links, ids, hashes + [own_hash for _id, own_hash in present])


def _misplaced(link: list[int], present: list[int], sealed: set[int]) -> int:
    """Return the first entry that is missing, inserted or moved.

    ``sealed`` are the entries of the whole group.
    """
    for index, entry in enumerate(link):
        if index >= len(present) or entry != present[index]:
            is_inserted = index < len(present) and entry in present and present[index] not in sealed
            return present[index] if is_inserted else entry
    raise AssertionError("nothing is misplaced")

"""Verification: the chain computed anew from the entries, and compared with its links and checkpoints."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Engine, func, select, text

from app.audit import checkpoints
from app.audit.archived import Archives
from app.audit.chain import ALL_XIDS, NO_CEILING, SPAN, UTC, Place, chained, pieces, seal
from app.audit.checkpoints import Checkpoint
from app.models import ChangeSeal
from config import Settings

Progress = Callable[[int, int], None]
SEALS = ChangeSeal.__table__
#: entries and links that are read at once
GROUP_ENTRIES, GROUP_LINKS = 20_000, 2_000
#: groups whose entries PostgreSQL hashes while we chain, each on a connection of its own
AHEAD = 2
_FIRST_FROM = text("SELECT id FROM change_log WHERE xid >= :xid AND id > :floor ORDER BY xid, id LIMIT 1")


@dataclass(frozen=True)
class Verdict:
    """Whether the log is whole; how many entries were found to be; the chain's head; the first bad entry."""

    ok: bool
    entries: int
    head: str
    first_bad: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The object ``flask audit verify --json`` prints."""
        return dict(vars(self))


class Bad(Exception):
    """Something in the log is not as it was sealed; ``entry`` is the first entry that it shows in."""

    def __init__(self, entry: int | None) -> None:
        self.entry = entry
        super().__init__(f"entry {entry}")


class _Group(NamedTuple):
    """Links that follow each other, and the entries that lie in their span now."""

    links: list[Any]
    ids: list[int]
    hashes: list[bytes]


def verify(engine: Engine, settings: Settings, progress: Progress = lambda done, total: None) -> Verdict:
    """Seal what is new, then check every sealed entry, those archived too.

    ``progress`` hears of entries done and in all.

    Finds entries that were changed, deleted, put in between or put in another order, links that were, and
    with the checkpoints a tail that was cut off and a chain that was made anew. Raises DomainError when a
    file of checkpoints or an archive can't be read.
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
            progress(chain.place.total, total)
        chain.end()
    except Bad as bad:
        return Verdict(False, chain.place.total, chain.place.head.hex(), bad.entry)
    return Verdict(True, chain.place.total, chain.place.head.hex())


def _groups(engine: Engine) -> Iterator[_Group]:
    """The links in groups, with their entries, read ahead."""
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
    """First link, last link and floor of each group; a group has one floor."""
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
        found = connection.execute(SPAN, span).one()
    ids = [int.from_bytes(each) for each in pieces(bytes(found.ids), 8)]
    return _Group(links, ids, pieces(bytes(found.hashes), 32))


class _Chain:
    """The chain as far as it was found to be right: ``place``."""

    def __init__(self, engine: Engine, known: dict[int, list[Checkpoint]], archives: Archives) -> None:
        self._engine = engine
        self._known = known
        self._archives = archives
        self.place = Place()

    def follow(self, group: _Group) -> None:
        """Check links against their entries. Raises Bad."""
        last, start = group.links[-1], 0
        group = _with_archived(group, self._archives.until(last.floor_id, last.to_xid))
        for link in group.links:
            end = start + len(link.entries)
            self._check_joint(link)
            if group.ids[start:end] != link.entries:
                sealed = {entry for each in group.links for entry in each.entries}
                raise Bad(_misplaced(link.entries, group.ids[start:], sealed))
            head = self._head(link, group.hashes[start:end])
            self.place = Place(link.seq, link.to_xid, link.floor_id, link.total, head)
            start = end
        if len(group.ids) > start:
            raise Bad(group.ids[start])

    def end(self) -> None:
        """Raise Bad when a checkpoint knows more links than there are."""
        beyond = [seq for seq in self._known if seq > self.place.seq]
        if beyond:
            raise Bad(self._known[min(beyond)][0].first)

    def _head(self, link: Any, own_hashes: list[bytes]) -> bytes:
        hashes = list(chained(self.place.head, own_hashes))
        sealed = pieces(bytes(link.hashes), 32)
        if hashes != sealed:
            pairs = zip(link.entries, hashes, [*sealed, *hashes[len(sealed) :]], strict=False)
            raise Bad(next((entry for entry, here, then in pairs if here != then), None))
        head = hashes[-1] if hashes else self.place.head
        noted = [each.head for each in self._known.get(link.seq, [])]
        if head != bytes(link.head) or any(each != head.hex() for each in noted):
            raise Bad(link.entries[0] if link.entries else None)
        return head

    def _check_joint(self, link: Any) -> None:
        """A link begins where the last one ended, or where a restored database began to count anew."""
        place = self.place
        anew = place.to_xid == ALL_XIDS and link.from_xid == 0 and link.floor_id > place.floor_id
        follows = link.from_xid == place.to_xid and link.floor_id == place.floor_id
        counted = link.seq == place.seq + 1 and link.total == place.total + len(link.entries)
        if counted and (anew or follows):
            return
        with self._engine.connect() as connection:
            raise Bad(connection.scalar(_FIRST_FROM, {"xid": place.to_xid, "floor": place.floor_id}))


def _with_archived(group: _Group, archived: dict[int, bytes]) -> _Group:
    """A group with the entries that lie in files in their places among those of the table. Raises Bad."""
    if not archived:
        return group
    ids: list[int] = []
    hashes: list[bytes] = []
    sealed = [entry for link in group.links for entry in link.entries]
    beside = set(archived).difference(sealed)
    if beside:
        raise Bad(min(beside))
    here = deque(zip(group.ids, group.hashes, strict=True))
    for entry in sealed:
        if entry in archived and not (here and here[0][0] == entry):
            ids.append(entry)
            hashes.append(archived[entry])
        elif here:
            found, own_hash = here.popleft()
            ids.append(found)
            hashes.append(own_hash)
    ids += [found for found, _hash in here]
    return _Group(group.links, ids, hashes + [own_hash for _id, own_hash in here])


def _misplaced(link: list[int], found: list[int], sealed: set[int]) -> int:
    """The first entry that is missing, put in or elsewhere; ``sealed`` has those of the links around too."""
    for place, entry in enumerate(link):
        if place >= len(found) or entry != found[place]:
            put_in = place < len(found) and entry in found and found[place] not in sealed
            return found[place] if put_in else entry
    raise AssertionError("nothing is misplaced")

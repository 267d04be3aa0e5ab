"""Journeys in the configuration file. They become active at once, a changed one in a new version."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.journeys import canary, check, stops, strategy, strategy_tables, typed, versions
from app.journeys.definition import JourneyDef
from app.journeys.differences import changes
from app.journeys.strategy import Book
from app.models import Journey, JourneyVersion, RuleStatus
from app.rulesfile.kind import Kind, lines
from app.rulesfile.segments import named_in

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


class Refusal(NamedTuple):
    """Why a journey of a file can't run: its code, the id of the step or None, and the reason in English."""

    journey: str
    step: str | None
    message: str


def known_in(config: ConfigFile) -> check.Known:
    """Return what journeys may name: what a file defines, else what there is in the database."""
    stored = check.read_known()
    webhooks = {
        each.target for schedule in config.schedules for each in schedule.channels if each.kind == "webhook"
    }
    here = check.Known(
        {rule.code for rule in config.rules},
        {segment.code for segment in config.segments},
        {each.code: check.Template(each.channel, each.active) for each in config.templates},
        webhooks,
        named_in(config),
    )
    return replace(stored.extended(here), strategies=_book(config, stored.strategies))


def _book(config: ConfigFile, stored: Book) -> Book:
    """Return the strategy tables that journeys may name, with what those name."""
    if not config.strategy_tables:
        return stored.extended(Book({}, _filters(config), _products(config)))
    tables = {each.code: each for each in config.strategy_tables}
    named = {code for table in tables.values() for row in table.rows for code in row.segments}
    there = Book(tables, strategy_tables.read_segments(named), strategy_tables.read_rules())
    return stored.extended(there).extended(Book({}, _filters(config), _products(config)))


def _filters(config: ConfigFile) -> dict[str, Any]:
    return {each.code: each.filter for each in config.segments}


def _products(config: ConfigFile) -> dict[str, list[str]]:
    return {each.code: each.products for each in config.rules}


def _active() -> list[Journey]:
    in_force = (Journey.active_version_id.is_not(None), Journey.status == RuleStatus.ACTIVE)
    return list(db.session.scalars(select(Journey).where(*in_force).order_by(Journey.id)))


def _read() -> list[JourneyDef]:
    book = strategy_tables.read_book()
    return [_stated(row.active_version, book) for row in _active() if row.active_version]


def _stated(version: JourneyVersion, book: Book) -> JourneyDef:
    """Return a version as people wrote it, if its strategy tables still mean what it does; else what it does.

    Either lets the version that is in force do the same wherever the file is applied.
    """
    does, written = versions.stored_def(version), versions.written_def(version)
    if written == does:
        return does
    try:
        meant = strategy.unfold(written, book)
    except DomainError:
        return does
    return written if meant.as_json() == does.as_json() else does


def _dormant() -> Collection[str]:
    return set(db.session.scalars(select(Journey.code))) - {row.code for row in _active()}


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    if not config.journeys:
        return
    known = known_in(config)
    for number, journey in enumerate(config.journeys):
        for each in check.problems(journey, known):
            yield number, f"{'' if each.step is None else f': step {each.step}'}: {each.error}"


def _apply(item: JourneyDef, user: str, overwrite: bool) -> None:
    journey = db.session.scalar(select(Journey).where(Journey.code == item.code))
    if journey is None:
        journey = Journey(code=item.code, name=item.name)
        db.session.add(journey)
        db.session.flush()
    elif not overwrite:
        return
    current = journey.active_version
    if current is None or _stated(current, strategy_tables.read_book()) != item:
        canary.publish(versions.add_version(journey, item, user), user)
    if journey.status == RuleStatus.PAUSED:
        stops.resume(journey, user)


class _Journeys(Kind[JourneyDef]):
    """Journeys also differ by what the strategy tables of a file let them do."""

    def differences(self, config: ConfigFile) -> Iterator[str]:
        yield from super().differences(config)
        active = {row.code: row.active_version for row in _active() if row.active_version}
        stated = {code: _stated(each, strategy_tables.read_book()) for code, each in active.items()}
        book = known_in(config).strategies
        for item in config.journeys:
            if item.tables() and stated.get(item.code) == item:
                does = versions.stored_def(active[item.code])
                yield from lines(f"{self.name} {item.code}", changes(does, strategy.unfold(item, book)))


JOURNEYS = _Journeys(
    "journeys",
    read=_read,
    apply=_apply,
    problems=_problems,
    as_yaml=JourneyDef.as_json,
    changes=changes,
    dormant=_dormant,
)


def check_file(path: Path) -> list[Refusal]:
    """Return why the journeys of a file can't run. Raises ConfigFileError when the rest can't be read."""
    from app.rulesfile.schema import ConfigFile, ConfigFileError, load_yaml, parse_config

    raw = load_yaml(path)
    journeys = raw.get("journeys", []) if isinstance(raw, dict) else None
    if not isinstance(journeys, list):
        raise ConfigFileError([f"{path}: journeys: is no list"])
    # Kinds that this version doesn't have are no concern of journeys.
    rest = {
        name: each for name, each in raw.items() if name in ConfigFile.model_fields and name != "journeys"
    }
    known = known_in(parse_config(rest, str(path)))
    seen: set[str] = set()
    found: list[Refusal] = []
    for number, each in enumerate(journeys):
        code = _text(each, "code") or f"#{number + 1}"
        if code in seen:
            found.append(Refusal(code, None, f"the code {code} stands twice"))
        seen.add(code)
        found += [Refusal(code, step, message) for step, message in _refusals(each, known)]
    return found


def _text(value: Any, name: str) -> str:
    return str(value[name]) if isinstance(value, dict) and name in value else ""


def _refusals(raw: Any, known: check.Known) -> Iterator[tuple[str | None, str]]:
    """Yield what is wrong with a journey as it stands in a file, form and sense together."""
    try:
        journey = JourneyDef.model_validate(raw)
    except ValidationError as error:
        yield from (_placed(raw, detail) for detail in error.errors())
        if isinstance(raw, dict):
            yield from ((each.step, str(each.error)) for each in typed.of_sound_parts(raw, known))
        return
    yield from ((each.step, str(each.error)) for each in check.problems(journey, known))


def _placed(raw: Any, detail: Any) -> tuple[str | None, str]:
    """Return the step of a malformed part, and what is wrong with it."""
    loc = detail["loc"]
    step = None
    if len(loc) > 1 and loc[0] == "steps" and isinstance(loc[1], int):
        step = _text(raw["steps"][loc[1]], "id") or f"#{loc[1] + 1}"
        loc = loc[3:]
    elif loc[:1] == ("trigger",):
        loc = (loc[0], *loc[2:])
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    message = _MISSING.get(place, "is missing") if detail["type"] == "missing" else detail["msg"]
    message = "unknown key" if detail["type"] == "extra_forbidden" else message
    return step, ": ".join(filter(None, (place, message.removeprefix("Value error, "))))


_MISSING = {"else": "there has to be a way for everybody else"}

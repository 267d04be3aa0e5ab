"""Facts in the configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.facts import catalogue
from app.facts.definition import FactDef, check_names
from app.rulesfile.kind import Kind, taken_names

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


def _read() -> list[FactDef]:
    return list(catalogue.definitions().values())


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    stored = {fact.code: fact for fact in _read()}
    for number, fact in enumerate(config.facts):
        kind = stored.get(fact.code, fact).kind
        if kind != fact.kind:
            yield number, f".kind: {fact.kind!r}: the fact is of the kind {kind}"
    yield from taken_names(config.facts, stored.values(), check_names)


def _apply(item: FactDef, user: str, overwrite: bool) -> None:
    catalogue.apply(item, user, overwrite=overwrite)


FACTS = Kind("facts", read=_read, apply=_apply, problems=_problems)

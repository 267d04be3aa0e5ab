"""What a kind of the configuration file is: how its items are read, checked, stored and compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from app.approvals import Change
from app.errors import FieldError
from app.lib.strict import Strict

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile

Item = TypeVar("Item", bound=Strict)


def _nothing(*_anything: Any) -> tuple[()]:
    return ()


def _code(item: Any) -> str:
    return str(item.code)


def without_defaults(item: Strict) -> dict[str, Any]:
    """Return an item as the file states it: by the names of the file, without what is the default."""
    return item.model_dump(by_alias=True, exclude_defaults=True)


def field_changes(old: Strict | None, new: Strict) -> list[Change]:
    """Return the fields in which two items differ, by their names in the file."""
    before = old.model_dump(by_alias=True) if old else {}
    after = new.model_dump(by_alias=True)
    pairs = [(name, before.get(name), value) for name, value in after.items()]
    return [Change(name, _shown(was), _shown(now)) for name, was, now in pairs if was != now]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    return "" if value is None else str(value)


def taken_names(
    items: Iterable[Item], stored: Iterable[Item], check: Callable[[Item, Iterable[Item]], None]
) -> Iterator[tuple[int, str]]:
    """Yield the items of a file whose names others have, after it is applied: number and rest of the line.

    ``check`` raises FieldError when one of others has a name of an item.
    """
    items = list(items)
    after = {_code(item): item for item in (*stored, *items)}
    for number, item in enumerate(items):
        try:
            check(item, (other for code, other in after.items() if code != _code(item)))
        except FieldError as error:
            yield number, f": {error}"


def lines(place: str, found: Iterable[Change]) -> Iterator[str]:
    """Yield changes of an item as lines of a comparison."""
    for what, old, new in found:
        yield f"{place}: {what}: {old or '–'} → {new or '–'}"


@dataclass(frozen=True)
class Kind(Generic[Item]):
    """A kind of the file. An item is found again by its ``key``."""

    name: str
    #: what is in force, in the order of an export
    read: Callable[[], Sequence[Item]]
    #: create an item or change the stored one, without committing; False leaves a stored one as it is
    apply: Callable[[Item, str, bool], None]
    #: why items of the file can't be applied: the number of the item and the rest of the line
    problems: Callable[[ConfigFile], Iterable[tuple[int, str]]] = _nothing
    #: an order in which items can be applied one after another
    ordered: Callable[[Iterable[Item]], Iterable[Item]] = iter
    as_yaml: Callable[[Item], dict[str, Any]] = without_defaults
    changes: Callable[[Item | None, Item], list[Change]] = field_changes
    key: Callable[[Item], str] = _code
    #: keys that are stored but not in force
    dormant: Callable[[], Collection[str]] = _nothing
    #: exported and counted even when there are none
    always: bool = False
    #: the file holds one, not a list
    single: bool = False

    def items(self, config: ConfigFile) -> list[Item]:
        """Return the items that a file has."""
        given = getattr(config, self.name)
        if self.single:
            return [given] if given is not None else []
        return list(given)

    def exported(self) -> Any:
        """Return what is in force as the file states it."""
        items = [self.as_yaml(item) for item in self.read()]
        return (items[0] if items else None) if self.single else items

    def differences(self, config: ConfigFile) -> Iterator[str]:
        """Yield what applying a file would change, a line each."""
        stored, dormant = {self.key(item): item for item in self.read()}, set(self.dormant())
        for item in self.items(config):
            key = self.key(item)
            place = self.name if self.single else f"{self.name} {key}"
            if key not in stored:
                yield f"{place}: would be {'put in force' if key in dormant else 'added'}"
            elif stored[key] != item:
                yield from lines(place, self.changes(stored[key], item))

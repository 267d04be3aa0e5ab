"""The schema of the configuration file, reading it, and error messages that name the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import PrivateAttr, ValidationError

from app.errors import DomainError
from app.facts.definition import FactDef
from app.journeys.definition import JourneyDef
from app.journeys.strategy import TableDef
from app.lib.strict import Strict
from app.products.definition import ProductDef
from app.rules.definition import InstitutionDef, RuleDef
from app.rulesfile.branches import BranchDef
from app.rulesfile.holidays import HolidayDef
from app.rulesfile.kinds import KINDS
from app.rulesfile.outreach import OutreachDef
from app.rulesfile.segments import NamedSegmentDef
from app.rulesfile.tags import TagDef
from app.rulesfile.templates import TemplateDef
from app.schedules.definition import ScheduleDef


class ConfigFileError(DomainError):
    """A file that can't be applied; each of the ``problems`` names file, path and value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("%(problems)s", problems="\n".join(problems))


class ConfigFile(Strict):
    """The items of a configuration file, or of several. ``places`` has the place of each, by kind."""

    branches: list[BranchDef] = []
    holidays: list[HolidayDef] = []
    tags: list[TagDef] = []
    institutions: list[InstitutionDef] = []
    facts: list[FactDef] = []
    segments: list[NamedSegmentDef] = []
    products: list[ProductDef] = []
    outreach: OutreachDef | None = None
    templates: list[TemplateDef] = []
    rules: list[RuleDef] = []
    schedules: list[ScheduleDef] = []
    strategy_tables: list[TableDef] = []
    journeys: list[JourneyDef] = []
    _places: dict[str, list[str]] = PrivateAttr(default_factory=dict)

    def place(self, kind: str, number: int) -> str:
        """Return file and path of an item."""
        places = self._places.get(kind, [])
        return places[number] if number < len(places) else f"{kind}[{number}]"


def _located(content: dict[str, Any], places: dict[str, list[str]]) -> ConfigFile:
    """Return the items with their places. Raises ConfigFileError for a code that stands twice."""
    config = ConfigFile(**content)
    config._places.update(places)
    problems = []
    for kind in KINDS:
        seen: set[str] = set()
        for number, item in enumerate(kind.items(config)):
            key = kind.key(item)
            field = ".code" if hasattr(item, "code") else ""
            if key in seen:
                problems.append(f"{config.place(kind.name, number)}{field}: {key!r} stands twice")
            seen.add(key)
    if problems:
        raise ConfigFileError(problems)
    return config


def _merged(parts: list[ConfigFile]) -> ConfigFile:
    """Return the items of several files as those of one. Raises ConfigFileError."""
    places = {
        kind.name: [each.place(kind.name, n) for each in parts for n in range(len(kind.items(each)))]
        for kind in KINDS
    }
    content: dict[str, Any] = {}
    for kind in KINDS:
        items = [item for each in parts for item in kind.items(each)]
        if kind.single and len(items) > 1:
            raise ConfigFileError([f"{places[kind.name][1]}: stands in {places[kind.name][0]} as well"])
        if items:
            content[kind.name] = items[0] if kind.single else items
    return _located(content, places)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML loader that refuses duplicate keys, of which plain YAML silently keeps the last."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _value in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} stands twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_config(path: Path) -> ConfigFile:
    """Read and check a file, or all files of a folder as one. Raises ConfigFileError."""
    if not path.is_dir():
        return _read_file(path)
    files = sorted(each for each in path.rglob("*") if each.suffix in (".yaml", ".yml") and each.is_file())
    hidden = [each for each in files if any(part.startswith(".") for part in each.relative_to(path).parts)]
    files = [each for each in files if each not in hidden]
    if not files:
        raise ConfigFileError([f"{path}: has no .yaml file"])
    return _merged([_read_file(each) for each in files])


def load_yaml(path: Path) -> Any:
    """Return the content of a file, as YAML has it. Raises ConfigFileError."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeyLoader)  # noqa: S506
    except OSError as error:
        raise ConfigFileError([f"{path}: can't be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigFileError([f"{path}: is not UTF-8 text"]) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ConfigFileError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from error
    return raw if raw is not None else {}


def _read_file(path: Path) -> ConfigFile:
    return parse_config(load_yaml(path), str(path))


def parse_config(raw: Any, name: str) -> ConfigFile:
    """Check parsed YAML and return its content. Raises ConfigFileError with a line for each problem."""
    try:
        config = ConfigFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigFileError([_problem(name, detail) for detail in error.errors()]) from error
    places = {
        kind.name: [
            f"{name}: {kind.name}" + ("" if kind.single else f"[{number}]")
            for number in range(len(kind.items(config)))
        ]
        for kind in KINDS
    }
    return _located({kind.name: getattr(config, kind.name) for kind in KINDS}, places)


def _problem(name: str, detail: Any) -> str:
    path = ""
    for part in detail["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    value = detail.get("input")
    shown = f": {value!r}" if isinstance(value, (str, int, float, bool)) or value is None else ""
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        message = "unknown key"
    return f"{name}: {path or 'file'}{shown}: {message}"

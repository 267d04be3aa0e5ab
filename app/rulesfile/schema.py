"""The schema of the rules file, reading it, and error messages that name the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import ValidationError, model_validator

from app.errors import DomainError, FieldError
from app.facts.definition import FactDef, check_names
from app.lib.strict import Strict
from app.products.definition import ProductDef
from app.rules.definition import InstitutionDef, RuleDef
from app.schedules.definition import ScheduleDef


class ConfigFileError(DomainError):
    """A file that can't be applied; each of the ``problems`` names file, path and value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("%(problems)s", problems="\n".join(problems))


class ConfigFile(Strict):
    """A whole rules file."""

    institutions: list[InstitutionDef] = []
    facts: list[FactDef] = []
    products: list[ProductDef] = []
    rules: list[RuleDef] = []
    schedules: list[ScheduleDef] = []

    @model_validator(mode="after")
    def _codes_are_unique(self) -> Self:
        for kind in ("institutions", "facts", "products", "rules", "schedules"):
            seen: set[str] = set()
            for index, item in enumerate(getattr(self, kind)):
                if item.code in seen:
                    raise ValueError(f"{kind}[{index}].code: {item.code!r} stands twice in the file")
                seen.add(item.code)
        return self

    @model_validator(mode="after")
    def _facts_have_names_of_their_own(self) -> Self:
        try:
            check_names(self.facts)
        except FieldError as error:
            raise ValueError(f"facts: {error}") from None
        return self


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


def read_config_file(path: Path) -> ConfigFile:
    """Read and check a rules file. Raises ConfigFileError that names file, path and value."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeyLoader)  # noqa: S506
    except OSError as error:
        raise ConfigFileError([f"{path}: can't be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigFileError([f"{path}: is not UTF-8 text"]) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ConfigFileError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from error
    return parse_config(raw if raw is not None else {}, str(path))


def parse_config(raw: Any, name: str) -> ConfigFile:
    """Check parsed YAML and return its content. Raises ConfigFileError with a line for each problem."""
    try:
        return ConfigFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigFileError([_problem(name, detail) for detail in error.errors()]) from error


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

"""Applying a configuration file to the database, comparing it, and exporting the configuration as one."""

from __future__ import annotations

from typing import Any

import yaml
from flask_babel import force_locale

from app.errors import DomainError
from app.extensions import db
from app.rulesfile.kinds import KINDS
from app.rulesfile.rules import never_met
from app.rulesfile.schema import ConfigFile, ConfigFileError


def apply_config(config: ConfigFile, operator: str, *, overwrite: bool = True) -> dict[str, int]:
    """Create or update everything in the file, in one transaction. Rules become active at once.

    ``overwrite=False`` leaves existing rows as they are (cold start). Return the number of items of each kind
    in the file; institutions, rules and schedules are counted even when there are none. Raises
    ConfigFileError, with nothing applied, for items that name what doesn't exist or have the name of others.
    """
    check_config(config)
    for kind in KINDS:
        items = kind.items(config)
        for item in kind.ordered(items):
            try:
                kind.apply(item, operator, overwrite)
            except DomainError as error:
                db.session.rollback()
                place = config.place(kind.name, items.index(item))
                raise ConfigFileError([f"{place}: {error}"]) from error
    db.session.commit()
    counted = {kind.name: len(kind.items(config)) for kind in KINDS}
    return {name: n for name, n in counted.items() if n or name in ("institutions", "rules", "schedules")}


def check_config(config: ConfigFile) -> None:
    """Raise ConfigFileError with a line for each item that can't be applied."""
    problems = [
        f"{config.place(kind.name, number)}{line}" for kind in KINDS for number, line in kind.problems(config)
    ]
    if problems:
        raise ConfigFileError(problems)


def warnings(config: ConfigFile) -> list[str]:
    """Return a line with file, path and value for each condition that no lead can ever meet."""
    return [f"{config.place('rules', number)}{line}" for number, line in never_met(config)]


def differences(config: ConfigFile) -> list[str]:
    """Return what applying the file would change in English, a line each. Raises ConfigFileError."""
    check_config(config)
    with force_locale("en"):
        return [line for kind in KINDS for line in kind.differences(config)]


def export_config() -> str:
    """Return the whole configuration as a file. Applying it again changes nothing."""
    exported: dict[str, Any] = {kind.name: kind.exported() for kind in KINDS}
    content = {kind.name: exported[kind.name] for kind in KINDS if kind.always or exported[kind.name]}
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)

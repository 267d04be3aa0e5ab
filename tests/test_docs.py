"""The handbook is complete: every setting, command and channel is in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from flask import Flask

from app.channels import channels
from config import load_settings

DOCS = Path(__file__).parents[1] / "docs"
HANDBOOK = (DOCS / "commands.md").read_text(encoding="utf-8")
#: commands of Flask and its extensions
THEIRS = {"fab", "routes", "run", "shell", "translate", "db"}


class Asked(dict[str, str]):
    """An environment that records the names it is asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)


def test_every_setting_is_in_the_handbook(tmp_path: Path) -> None:
    asked = Asked({"DATA_DIR": os.fspath(tmp_path)})
    load_settings(asked)
    assert len(asked.names) > 30
    ours = {name for name in asked.names if not name.startswith("FLASK_")}
    assert sorted(name for name in ours if f"`{name}`" not in HANDBOOK) == []


def test_every_command_is_in_the_handbook(worker_app: Flask) -> None:
    names = []
    for name, command in worker_app.cli.commands.items():
        if isinstance(command, click.Group):
            names += [f"flask {name} {each}" for each in command.commands if name not in THEIRS]
        elif name not in THEIRS:
            names.append(f"flask {name}")
    assert len(names) > 15
    assert [name for name in names if name not in HANDBOOK] == []


def test_every_channel_is_in_its_table() -> None:
    table = (DOCS / "pushes.md").read_text(encoding="utf-8")
    assert sorted(kind for kind in channels() if f"| `{kind}` |" not in table) == []

"""The commands ``flask journeys``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask.cli import AppGroup

from app.cli.base import as_json, notice, print_result, require_installation

journeys_group = AppGroup("journeys", help="Journeys.")


@journeys_group.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@as_json
@require_installation
def journeys_check(file: Path, json_out: bool) -> None:
    """Say why the journeys of a configuration file can't run; exit with 1 when there is a reason."""
    from app.rulesfile.journeys import check_file

    found = check_file(file)
    print_result({"ok": not found, "problems": [each._asdict() for each in found]}, json_out)
    for each in found:
        notice(": ".join(filter(None, each)))
    sys.exit(1 if found else 0)

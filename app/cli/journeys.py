"""The commands ``flask journeys``."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import click
from flask.cli import AppGroup

from app.cli.base import DATE, as_json, date_range, notice, print_result, require_installation
from app.lib.settings import current_settings

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


@journeys_group.command("simulate")
@click.argument("code")
@click.option("--from", "first", required=True, type=DATE)
@click.option("--to", "last", required=True, type=DATE)
@click.option(
    "--answers",
    required=True,
    type=click.Choice(["none", "all", "past"]),
    help="Who is assumed to answer: nobody, everybody, or as large a share as did before.",
)
@click.option(
    "--version",
    "number",
    type=int,
    help="The number of a version; by default the one in force, or the newest.",
)
@click.option("--rows", type=click.Path(path_type=Path), help="Write a row for each step to this CSV file.")
@as_json
@require_installation
def journeys_simulate(
    code: str,
    first: dt.datetime,
    last: dt.datetime,
    answers: str,
    number: int | None,
    rows: Path | None,
    json_out: bool,
) -> None:
    """Say what a journey would have done on past days, from what is recorded of them."""
    from app.journeys.report import simulate_past
    from app.journeys.versions import named

    period, version = date_range(first, last), named(code, number)
    found = simulate_past(version, current_settings(), period, answers, rows)  # type: ignore[arg-type]
    print_result(found, json_out)

"""The commands ``flask effect``."""

from __future__ import annotations

import datetime as dt

import click
from flask.cli import AppGroup

from app.cli.base import DATE, as_json, notice, print_result, require_installation
from app.errors import DomainError
from app.lib.settings import current_settings

effect_group = AppGroup("effect", help="What marketing changes.")


@effect_group.command("report")
@click.option("--from", "first", type=DATE, required=True, help="The first date of first hits.")
@click.option("--to", "last", type=DATE, required=True, help="The last date of first hits.")
@click.option(
    "--days",
    type=click.IntRange(0, 3650),
    help="Days within which an outcome counts; by default the conversion days (30).",
)
@as_json
@require_installation
def effect_report(first: dt.datetime, last: dt.datetime, days: int | None, json_out: bool) -> None:
    """Compare the treated people of each rule with those held out: conversions, money, return."""
    from app.effect import report
    from app.rules import conversions

    if first > last:
        raise DomainError("The first day of the period is after the last one.")
    found = report.report(current_settings(), first.date(), last.date(), days)
    if not conversions.judged_by_outcomes():
        notice("no outcomes have been delivered yet: conversions are what marketers marked")
    print_result({"rules": {code: effect.as_json() for code, effect in found.items()}}, json_out)

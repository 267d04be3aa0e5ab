"""The commands ``flask push``."""

from __future__ import annotations

import datetime as dt

import click
from flask.cli import AppGroup

from app.cli.base import DATE, MOMENT, as_json, notice, print_result, require_installation
from app.lib import clock
from app.lib.settings import current_settings

push_group = AppGroup("push", help="Pushes.")


@push_group.command("plan")
@click.argument("schedule")
@click.option("--date", "first", required=True, type=DATE)
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 366))
@as_json
@require_installation
def push_plan(schedule: str, first: dt.datetime, days: int, json_out: bool) -> None:
    """Show when a schedule pushes on each date: sent, delayed or silenced, and why."""
    from app.schedules.calendar import current
    from app.schedules.plan import plan
    from app.schedules.store import schedule_def

    definition, calendar = schedule_def(schedule), current()
    for year in calendar.unknown_years(first.date(), first.date() + dt.timedelta(days=days - 1)):
        notice(f"the public holidays of {year} are not known: only weekends are treated as such")
    pushes = plan(definition, first.date(), days, current_settings().zone, calendar)
    print_result(
        {
            "pushes": [
                {
                    "planned": push.planned.isoformat(),
                    "at": push.at.isoformat() if push.at else None,
                    "outcome": push.outcome,
                    "why": push.why,
                }
                for push in pushes
            ]
        },
        json_out,
    )


@push_group.command("tick")
@click.option(
    "--now", "moment", type=MOMENT, help="Act as if it were this moment (ISO, local without an offset)."
)
@as_json
@require_installation
def push_tick(moment: dt.datetime | None, json_out: bool) -> None:
    """Create the pushes that are due and send the deliveries that are due, once."""
    from app.push import deliver
    from app.push.tick import tick

    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=current_settings().zone)

    def now() -> dt.datetime:
        return moment or clock.now()

    made = tick(now())
    attempts = deliver.work(now, wait=False)
    print_result({"pushes": made, "attempts": attempts}, json_out)

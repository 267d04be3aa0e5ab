"""Commands that operate an installation: doctor, store, retention, coldstart, demo, ticker, worker."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import signal
import sys
import threading

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from app import installation
from app.audit.actor import SETUP, SYSTEM, acting_as
from app.cli.base import MOMENT, as_json, notice, print_result, report_errors, require_installation
from app.extensions import db
from app.lib import clock
from app.lib.settings import current_settings
from config import ConfigError, activity_place

store_group = AppGroup("store", help="DATA_DIR and the activity store.")
retention_group = AppGroup("retention", help="Retention.")


@retention_group.command("run")
@as_json
@require_installation
def retention_run(json_out: bool) -> None:
    """Delete data whose retention period is over."""
    from app.retention import run

    print_result(run(db.engine, current_settings(), clock.now()), json_out)


@store_group.command("adopt")
@as_json
@report_errors
def store_adopt(json_out: bool) -> None:
    """Assign this DATA_DIR to the database, when the former one is lost or replaced for good."""
    print_result(installation.adopt(db.engine, current_settings()), json_out)
    notice(
        "This DATA_DIR now belongs to the database, and the former one no longer does. Activity has to be "
        "rebuilt: ingest the call logs that are kept (flask logs ingest PATH…), then evaluate "
        "the dates that matter (flask rules evaluate). Files of exports and uploads are not carried over."
    )


@store_group.command("copy")
@click.argument("target")
@as_json
@require_installation
def store_copy(target: str, json_out: bool) -> None:
    """Copy the activity store to TARGET: an empty folder, or s3://bucket/prefix."""
    from app.activity import store
    from app.leads.cube import activity_root

    settings = current_settings()
    try:
        goal = dataclasses.replace(settings, activity_store=activity_place(target, os.environ))
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    state = store.copy(activity_root(settings), activity_root(goal))
    result = {"version": state.version, "days": len(state.days), "files": len(state.files())}
    print_result(result, json_out)
    notice(
        f"Copied. Give every process ACTIVITY_STORE={goal.activity_store} and restart it; what is written to "
        "the former place from now on is not in the copy."
    )


@click.command("clock")
@click.option("--set", "moment", type=MOMENT, help="The moment it is to be (ISO, local without an offset).")
@click.option("--reset", is_flag=True, help="Set it right.")
@as_json
@with_appcontext
@require_installation
def clock_command(moment: dt.datetime | None, reset: bool, json_out: bool) -> None:
    """Show or move the clock of the installation, for tests, demonstrations and simulations."""
    if moment is not None and reset:
        raise click.UsageError("--set and --reset exclude each other")
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=current_settings().zone)
    with db.engine.begin() as connection:
        if moment is not None or reset:
            clock.move(connection, moment)
        now, ahead = clock.now(connection), clock.ahead(connection)
    print_result(
        {
            "now": now.astimezone(current_settings().zone).isoformat(timespec="seconds"),
            "ahead_seconds": round(ahead.total_seconds()),
        },
        json_out,
    )


@click.command("doctor")
@as_json
@with_appcontext
def doctor(json_out: bool) -> None:
    """Check the installation. Exit status 1 when anything is wrong."""
    from app.doctor import run_checks

    result = run_checks(current_settings())
    print_result(result, json_out)
    if not result["ok"]:
        wrong = [name for name, check in result["checks"].items() if not check["ok"]]
        notice("not ok: " + ", ".join(wrong))
        sys.exit(1)


@click.command("coldstart")
@as_json
@with_appcontext
@require_installation
def coldstart(json_out: bool) -> None:
    """Add the preset rules, schedules and institutions, without overwriting people's changes."""
    from app.coldstart import apply_presets

    print_result(apply_presets(), json_out)


@click.command("prepare")
@with_appcontext
@report_errors
def prepare() -> None:
    """Migrate and seed the database, add the presets and, in development, the demo data."""
    from app.cli.database import upgrade_database
    from app.coldstart import apply_presets
    from app.demo.load import load_demo

    with acting_as(SETUP, SETUP):
        installation.check(db.engine, current_settings())
        click.echo("Bringing the database up to date …")
        upgrade_database(current_app._get_current_object())  # type: ignore[attr-defined]
        installation.check(db.engine, current_settings())
        apply_presets()
        load_demo(click.echo)


@click.command("demo")
@with_appcontext
@require_installation
def demo() -> None:
    """Load demo customers and 30 days of logs into an empty development database."""
    from app.demo.load import load_demo

    load_demo(notice)


@click.command("ticker")
@click.option("--every", default=15.0, show_default=True, help="Seconds between two ticks.")
@with_appcontext
@require_installation
def ticker(every: float) -> None:
    """Start due work until stopped. Two tickers may run."""
    from app.audit.chain import SEAL_SECONDS, seal_forever
    from app.jobs.ticker import run_forever

    stop = threading.Event()
    sealing = (db.engine, current_settings(), stop, SEAL_SECONDS)
    threading.Thread(target=seal_forever, args=sealing, daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with acting_as(SYSTEM, "job", "ticker"):
        run_forever(stop, every)


@click.command("worker")
@click.argument("queue_name")
@click.option("--burst", is_flag=True, help="Exit when the queue is empty.")
@with_appcontext
@require_installation
def worker(queue_name: str, burst: bool) -> None:
    """Serve one RQ queue."""
    from app.jobs.worker import work

    with acting_as(SYSTEM, "job", f"worker {queue_name}"):
        work(queue_name, burst=burst)

"""The commands: arguments in, one JSON object or a short text out; the work is done elsewhere.

Exit status 0 done, 1 refused with the reason on standard error, 2 wrong usage.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
import io
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from flask_migrate import upgrade as migrate_upgrade
from flask_migrate.cli import db as db_group

from app import clock, installation
from app.activity.errors import ActivityError
from app.audit.actor import SYSTEM, acting, operator
from app.audit.events import event
from app.embedded import EmbeddedError
from app.errors import DomainError
from app.extensions import db
from app.file_modes import tighten
from app.leads.branch_choices import MOST_NAMES, Unknown
from app.leads.errors import RowError
from config import Settings

config_group = AppGroup("config", help="Rules files.")
leads_group = AppGroup("leads", help="The lead list.")
logs_group = AppGroup("logs", help="Call logs.")
rules_group = AppGroup("rules", help="Rules.")
hits_group = AppGroup("hits", help="Hits.")
push_group = AppGroup("push", help="Pushes.")
key_group = AppGroup("api-key", help="API keys of the bank's own systems.")
pii_group = AppGroup("pii", help="Keys of personal data.")
store_group = AppGroup("store", help="DATA_DIR.")
retention_group = AppGroup("retention", help="Retention.")
audit_group = AppGroup("audit", help="The change log.")

#: rejected rows that an import tells one by one
MOST_TOLD = 20
DATE = click.DateTime(["%Y-%m-%d"])


class _Moment(click.ParamType):
    """A moment in ISO form; without an offset it has no zone yet."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The moment as typed."""
        if isinstance(value, dt.datetime):
            return value
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a moment such as 2026-10-27T09:00:00+08:00", param, ctx)


MOMENT = _Moment()
as_json = click.option("--json", "json_out", is_flag=True, help="Print one JSON object.")


def init_app(app: Flask) -> None:
    """Add every command to the app."""
    for group in (
        config_group,
        leads_group,
        logs_group,
        rules_group,
        hits_group,
        push_group,
        pii_group,
        retention_group,
        store_group,
        audit_group,
        key_group,
    ):
        app.cli.add_command(group)
    for command in (doctor, coldstart, demo, ticker, worker):
        app.cli.add_command(command)
    if not getattr(db_group, "lead_monitor", False):
        _seed_after_upgrade()


def settings() -> Settings:
    """The settings of the app that runs."""
    found: Settings = current_app.config["SETTINGS"]
    return found


def refusals(command: Callable[..., None]) -> Callable[..., None]:
    """Refuse to work with a DATA_DIR that isn't the database's, else as reasons()."""

    @functools.wraps(command)
    def checked(*args: Any, **kwargs: Any) -> None:
        installation.check(db.engine, settings())
        command(*args, **kwargs)

    return reasons(checked)


def reasons(command: Callable[..., None]) -> Callable[..., None]:
    """Turn domain errors into a reason on standard error and exit status 1."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (DomainError, ActivityError, EmbeddedError) as error:
            db.session.rollback()
            click.echo(str(error), err=True)
            sys.exit(1)

    return wrapped


def show(result: dict[str, Any], json_out: bool) -> None:
    """Print a result as one JSON object, or a line a key."""
    if json_out:
        click.echo(json.dumps(result, ensure_ascii=False))
        return
    for key, value in result.items():
        click.echo(
            f"{key}: {json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value}"
        )


def note(text: str) -> None:
    """Progress and remarks go to standard error."""
    click.echo(text, err=True)


def upgrade_database(app: Flask) -> None:
    """Migrate to the newest schema, put the change log's triggers on it, seed permissions. Idempotent."""
    with app.app_context():
        migrate_upgrade()
        _seed()


def _seed() -> None:
    from app.audit.install import install
    from app.security import seed_permissions

    with db.engine.begin() as connection:
        install(connection)
    seed_permissions(current_app.appbuilder)  # type: ignore[attr-defined]
    tighten(settings().data_dir)


def _seed_after_upgrade() -> None:
    """``flask db upgrade`` also puts triggers in place and seeds, so that no deployment forgets it."""
    command = db_group.commands["upgrade"]
    original = command.callback
    if original is None:
        raise RuntimeError("flask-migrate's upgrade command has no function")

    @functools.wraps(original)
    def upgrade_and_seed(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        if not kwargs.get("sql"):
            with_appcontext(_seed)()

    command.callback = upgrade_and_seed
    db_group.lead_monitor = True  # type: ignore[attr-defined]


@config_group.command("apply")
@click.argument("file", type=click.Path(path_type=Path))
@as_json
@refusals
def config_apply(file: Path, json_out: bool) -> None:
    """Create or update institutions, rules and schedules by code."""
    from app.rules.config_file import apply_config, doubts
    from app.rules.definition import read_config_file

    config = read_config_file(file)
    applied = apply_config(config, str(file), operator())
    for line in doubts(config, str(file)):
        click.echo(f"warning: {line}", err=True)
    event("config_applied", "config", title=file.name, **applied)
    show(applied, json_out)


@config_group.command("export")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
@refusals
def config_export(output: Path | None) -> None:
    """Write the configuration as a rules file."""
    from app.rules.config_file import export_config

    _write(export_config(), output)


@leads_group.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would happen; write nothing.")
@click.option("--update", is_flag=True, help="Update people already on the list.")
@as_json
@refusals
def leads_import(file: Path, dry_run: bool, update: bool, json_out: bool) -> None:
    """Import a lead list (xlsx, xls, csv)."""
    from app.cells import shown
    from app.leads.errors import UnreadableFile
    from app.leads.importer import ImportResult, import_leads
    from app.leads.preview import WARNINGS

    rejections = _Rejections()
    try:
        result = import_leads(
            db.engine,
            file,
            file_name=shown(file.name),
            operator=operator(),
            settings=settings(),
            dry_run=dry_run,
            update=update,
            progress=_RowProgress(),
            rejected=rejections,
        )
    except UnreadableFile as error:
        show(ImportResult(None, 0, 0, 0, 0, {"unreadable_file": 1}).as_json(), json_out)
        note(f"unreadable_file: {error}")
        sys.exit(1)
    rejections.show_rest()
    for oddity in result.oddities:
        note(WARNINGS[oddity])
    for remark in result.remarks.first:
        note(str(remark))
    _note_more(result.remarks.count - len(result.remarks.first), "remarks")
    _name_branches(result.branches, dry_run)
    show(result.as_json(), json_out)


class _Rejections:
    """Tells the first refused rows on standard error; the error file has all of them."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, number: int, cells: Sequence[str], error: RowError) -> None:
        self.rows += 1
        if self.rows <= MOST_TOLD:
            note(f"row {number}: {error.reason}: {error.told()}")

    def show_rest(self) -> None:
        """Say how many more there were."""
        _note_more(self.rows - MOST_TOLD, "rejected rows")


def _note_more(count: int, what: str) -> None:
    if count > 0:
        note(f"and {count:,} more {what}")


def _name_branches(branches: Unknown, dry_run: bool) -> None:
    """Name on standard error the branches that an import created: a misspelt one is easily overlooked."""
    if branches.names:
        shown = ", ".join(f"{each.name} ({each.rows:,} rows)" for each in branches.named[:MOST_NAMES])
        more = ", …" if branches.names > MOST_NAMES else ""
        note(f"{'would create' if dry_run else 'created'} {branches.names:,} branches: {shown}{more}")


class _RowProgress:
    """A line on standard error every 100,000 rows."""

    def __call__(self, done: int, total: int | None) -> None:
        if done and done % 100_000 == 0:
            note(f"{done:,} rows" + (f" of about {total:,}" if total else ""))


@leads_group.command("undo")
@click.argument("batch", type=int)
@as_json
@refusals
def leads_undo(batch: int, json_out: bool) -> None:
    """Take the leads an import created off the list."""
    from app.leads.undo import undo_import

    undone = undo_import(db.engine, batch, operator(), settings())
    if undone.restored or undone.left:
        note(f"of the leads it had changed {undone.restored:,} are as before, {undone.left:,} were left")
    show({"deleted": undone.deleted, "kept": undone.kept}, json_out)


@logs_group.command("ingest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
@refusals
def logs_ingest(paths: tuple[Path, ...], json_out: bool) -> None:
    """Ingest call-log files or folders of them."""
    from app.t1.deliveries import ingest_logs

    result = ingest_logs(settings(), paths)
    for record in result.files:
        if record.status != "read":
            note(f"{record.name}: {record.status}: {record.reason}")
    show(result.as_json(), json_out)


@rules_group.command("evaluate")
@click.option("--as-of", "first", required=True, type=DATE)
@click.option("--through", "last", type=DATE)
@as_json
@refusals
def rules_evaluate(first: dt.datetime, last: dt.datetime | None, json_out: bool) -> None:
    """Evaluate the active rules as of each date and make hits."""
    from app.rules.evaluate import evaluate_days

    start, end = _range(first, last or first)
    show({"days": evaluate_days(settings(), start, end)}, json_out)


@rules_group.command("preview")
@click.argument("code")
@click.option("--from", "first", required=True, type=DATE)
@click.option("--to", "last", required=True, type=DATE)
@as_json
@refusals
def rules_preview(code: str, first: dt.datetime, last: dt.datetime, json_out: bool) -> None:
    """Count the leads that meet a rule as of each date."""
    from app.rules.evaluate import preview
    from app.rules.versions import active_versions, rule_def

    start, end = _range(first, last)
    definition = rule_def(active_versions(code)[0])
    show({"coverage": preview(settings(), definition, start, end)}, json_out)


@hits_group.command("export")
@click.option("--from", "first", type=DATE)
@click.option("--to", "last", type=DATE)
@click.option("--format", "form", required=True, type=click.Choice(["csv", "json"]))
@click.option("-o", "--output", type=click.Path(path_type=Path))
@refusals
def hits_export(first: dt.datetime | None, last: dt.datetime | None, form: str, output: Path | None) -> None:
    """Write hits as CSV or JSON."""
    from app.hits.rows import COLUMNS, cells, hits_between

    if first and last:
        _range(first, last)
    rows = hits_between(first.date() if first else None, last.date() if last else None)
    if form == "json":
        _write(json.dumps(list(rows), ensure_ascii=False) + "\n", output)
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(cells(row) for row in rows)
    _write(text.getvalue(), output)


@pii_group.command("rotate")
@click.option("--batch", default=5000, show_default=True, type=click.IntRange(1, 100_000))
@as_json
@refusals
def pii_rotate(batch: int, json_out: bool) -> None:
    """Encrypt every phone number again with the newest key and the chosen cipher."""
    from app.leads.rotate import rotate

    found = rotate(
        db.engine,
        settings(),
        batch=batch,
        progress=lambda done, total: note(f"{done:,} of {total:,} phone numbers"),
    )
    show(found, json_out)
    if found["undecipherable"]:
        note(
            "some numbers are under a key that is neither PII_KEY nor in PII_KEYS_OLD; they stay as they are"
        )
        sys.exit(1)


@pii_group.command("index-key")
@reasons
def pii_index_key() -> None:
    """Print the key of the phone index, to be set as PII_INDEX_KEY before the oldest key is given up."""
    from app.leads.phone import PhoneVault

    click.echo(PhoneVault.of(settings()).index_key)


@retention_group.command("run")
@as_json
@refusals
def retention_run(json_out: bool) -> None:
    """Delete what is older than it may be kept."""
    from app.retention import run

    show(run(db.engine, settings(), clock.now()), json_out)


@audit_group.command("verify")
@as_json
@refusals
def audit_verify(json_out: bool) -> None:
    """Check that nothing in the change log was changed, deleted, put in or reordered."""
    from app.audit.verify import verify

    verdict = verify(db.engine, settings())
    show(verdict.as_json(), json_out)
    if not verdict.ok:
        note(f"the change log is not as it was written; the first bad entry is {verdict.first_bad}")
        sys.exit(1)


@audit_group.command("archive")
@click.option("--before", required=True, type=click.DateTime(["%Y-%m"]), help="The first month to keep.")
@as_json
@refusals
def audit_archive(before: dt.datetime, json_out: bool) -> None:
    """Move the months before one, sealed, from the database into files that stay verifiable."""
    from app.audit.archive import archive

    if before.date() > clock.now().date():
        raise click.UsageError("--before: the present month and later ones stay")
    show({"archived": archive(db.engine, settings(), before.date())}, json_out)


@audit_group.command("seal")
@refusals
def audit_seal() -> None:
    """Seal the entries that are new."""
    from app.audit.chain import seal

    note(f"{seal(db.engine, settings()):,} entries sealed")


@store_group.command("adopt")
@as_json
@reasons
def store_adopt(json_out: bool) -> None:
    """Make this DATA_DIR the database's, when the former one is lost or replaced for good."""
    show(installation.adopt(db.engine, settings()), json_out)
    note(
        "This DATA_DIR belongs to the database now, and the former one fits no more. Activity has to be "
        "rebuilt: ingest the call logs that are kept (flask logs ingest PATH…), then evaluate "
        "the dates that matter (flask rules evaluate). Files of exports and uploads are not brought over."
    )


@push_group.command("plan")
@click.argument("schedule")
@click.option("--date", "first", required=True, type=DATE)
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 366))
@as_json
@refusals
def push_plan(schedule: str, first: dt.datetime, days: int, json_out: bool) -> None:
    """Say when a schedule pushes on each of the dates: sent, delayed or silenced, and why."""
    from app.push.calendar import current
    from app.push.plan import plan
    from app.push.schedules import schedule_def

    definition, calendar = schedule_def(schedule), current()
    for year in calendar.unknown_years(first.date(), first.date() + dt.timedelta(days=days - 1)):
        note(f"the public holidays of {year} are not known: only weekends are treated as such")
    pushes = plan(definition, first.date(), days, settings().zone, calendar)
    show(
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
    "--now", "moment", type=MOMENT, help="Do as if it were this moment (ISO, local without an offset)."
)
@as_json
@refusals
def push_tick(moment: dt.datetime | None, json_out: bool) -> None:
    """Make the pushes that are due and send what is due, once."""
    from app.push import deliver
    from app.push.tick import tick

    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=settings().zone)

    def now() -> dt.datetime:
        return moment or clock.now()

    made = tick(now())
    attempts = deliver.work(now, wait=False)
    show({"pushes": made, "attempts": attempts}, json_out)


@key_group.command("create")
@click.argument("name")
@click.option("--branch", help="Code of the branch the key reaches; without it the whole bank.")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, 3650), help="Days it works.")
@as_json
@refusals
def key_create(name: str, branch: str | None, days: int, json_out: bool) -> None:
    """Make a key for a system; it is shown this once."""
    from app.access.keys import create_key

    show(create_key(name, branch_code=branch, days=days), json_out)


@key_group.command("list")
@as_json
@refusals
def key_list(json_out: bool) -> None:
    """List the keys, never their text."""
    from app.access.keys import list_keys

    show({"keys": list_keys()}, json_out)


@key_group.command("revoke")
@click.argument("name")
@as_json
@refusals
def key_revoke(name: str, json_out: bool) -> None:
    """End the keys of a system at once."""
    from app.access.keys import revoke_key

    show({"revoked": revoke_key(name)}, json_out)


@click.command("doctor")
@as_json
@with_appcontext
def doctor(json_out: bool) -> None:
    """Check the installation: exit status 1 when anything is wrong."""
    from app.doctor import examine

    result = examine(settings())
    show(result, json_out)
    if not result["ok"]:
        wrong = [name for name, check in result["checks"].items() if not check["ok"]]
        note("not ok: " + ", ".join(wrong))
        sys.exit(1)


@click.command("coldstart")
@as_json
@with_appcontext
@refusals
def coldstart(json_out: bool) -> None:
    """Put in the preset rules, schedules and institutions; never overwrites what people changed."""
    from app.coldstart import apply_presets

    show(apply_presets(), json_out)


@click.command("demo")
@with_appcontext
@refusals
def demo() -> None:
    """Load demo customers and 30 days of logs into an empty development database."""
    from app.demo import load_demo

    load_demo(note)


@click.command("ticker")
@click.option("--every", default=15.0, show_default=True, help="Seconds between two looks.")
@with_appcontext
@refusals
def ticker(every: float) -> None:
    """Start what is due, for ever; two tickers may run."""
    from app.audit.chain import SEAL_SECONDS, seal_forever
    from app.jobs.ticker import run_forever

    stop = threading.Event()
    sealing = (db.engine, settings(), stop, SEAL_SECONDS)
    threading.Thread(target=seal_forever, args=sealing, daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with acting(SYSTEM, "job", "ticker"):
        run_forever(stop, every)


@click.command("worker")
@click.argument("queue_name")
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
@with_appcontext
@refusals
def worker(queue_name: str, burst: bool) -> None:
    """Serve one RQ queue."""
    from app.jobs.worker import work

    with acting(SYSTEM, "job", f"worker {queue_name}"):
        work(queue_name, burst=burst)


def _range(first: dt.datetime, last: dt.datetime) -> tuple[dt.date, dt.date]:
    if last < first:
        raise click.UsageError("the last date lies before the first")
    return first.date(), last.date()


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DomainError(
            "%(path)s can't be written: %(why)s", path=str(output), why=error.strerror
        ) from error

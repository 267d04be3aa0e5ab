"""The commands ``flask logs``, ``flask rules`` and ``flask hits``."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path

import click
from flask.cli import AppGroup

from app.approvals.requests import CommandUser
from app.audit.actor import operator
from app.cli.base import (
    DATE,
    as_json,
    date_range,
    notice,
    print_result,
    require_installation,
    write,
)
from app.lib.settings import current_settings

logs_group = AppGroup("logs", help="Call logs.")
rules_group = AppGroup("rules", help="Rules.")
hits_group = AppGroup("hits", help="Hits.")


@logs_group.command("ingest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
@require_installation
def logs_ingest(paths: tuple[Path, ...], json_out: bool) -> None:
    """Ingest call-log files or folders of them."""
    from app.t1.deliveries import ingest_logs

    result = ingest_logs(current_settings(), paths)
    for record in result.files:
        if record.status != "read":
            notice(f"{record.name}: {record.status}: {record.reason}")
        elif record.other_content:
            notice(f"{record.name}: {record.other_content:,} duplicates with other content")
    print_result(result.as_json(), json_out)


reason_option = click.option("--reason", required=True, help="Kept with the file and in the change log.")
at_once_option = click.option(
    "--operator", "at_once", is_flag=True, help="Apply at once, without a second person; noted so."
)


@logs_group.command("withdraw")
@click.argument("delivery")
@reason_option
@at_once_option
@as_json
@require_installation
def logs_withdraw(delivery: str, reason: str, at_once: bool, json_out: bool) -> None:
    """Withdraw a log file that was read, named by its digest, path or name."""
    _correct(delivery, None, reason, at_once, json_out)


@logs_group.command("replace")
@click.argument("old")
@click.argument("new", type=click.Path(path_type=Path))
@reason_option
@at_once_option
@as_json
@require_installation
def logs_replace(old: str, new: Path, reason: str, at_once: bool, json_out: bool) -> None:
    """Withdraw a log file that was read and read another one, in one step."""
    _correct(old, new, reason, at_once, json_out)


def _correct(delivery: str, replacement: Path | None, reason: str, at_once: bool, json_out: bool) -> None:
    from app.t1 import corrections

    file = corrections.find_file(delivery)
    if at_once:
        print_result(corrections.apply_at_once(file, operator(), reason, replacement), json_out)
        return
    approval = corrections.request(file, CommandUser(operator()), reason, replacement)
    print_result({"request": approval.id}, json_out)


@rules_group.command("evaluate")
@click.option("--as-of", "first", required=True, type=DATE)
@click.option("--through", "last", type=DATE)
@as_json
@require_installation
def rules_evaluate(first: dt.datetime, last: dt.datetime | None, json_out: bool) -> None:
    """Evaluate the active rules as of each date and make hits."""
    from app.rules.withdrawals import evaluate_days

    start, end = date_range(first, last or first)
    print_result({"days": evaluate_days(current_settings(), start, end)}, json_out)


@rules_group.command("preview")
@click.argument("code")
@click.option("--from", "first", required=True, type=DATE)
@click.option("--to", "last", required=True, type=DATE)
@as_json
@require_installation
def rules_preview(code: str, first: dt.datetime, last: dt.datetime, json_out: bool) -> None:
    """Count the leads that meet a rule as of each date."""
    from app.rules.evaluate import preview
    from app.rules.versions import active_versions, rule_def

    start, end = date_range(first, last)
    definition = rule_def(active_versions(code)[0])
    print_result({"coverage": preview(current_settings(), definition, start, end)}, json_out)


@hits_group.command("export")
@click.option("--from", "first", type=DATE)
@click.option("--to", "last", type=DATE)
@click.option("--format", "form", required=True, type=click.Choice(["csv", "json"]))
@click.option("-o", "--output", type=click.Path(path_type=Path))
@require_installation
def hits_export(first: dt.datetime | None, last: dt.datetime | None, form: str, output: Path | None) -> None:
    """Write hits as CSV or JSON."""
    from app.hits.export import COLUMNS, cells, hits_between

    if first and last:
        date_range(first, last)
    rows = hits_between(first.date() if first else None, last.date() if last else None)
    if form == "json":
        write(json.dumps(list(rows), ensure_ascii=False) + "\n", output)
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(cells(row) for row in rows)
    write(text.getvalue(), output)

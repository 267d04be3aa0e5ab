"""Shared parts of the commands: options, error handling and output."""

from __future__ import annotations

import datetime as dt
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from app import installation
from app.activity.errors import ActivityError
from app.embedded import EmbeddedError
from app.embedded.gate import wait_at_gate
from app.errors import DomainError
from app.extensions import db
from app.lib.settings import current_settings

DATE = click.DateTime(["%Y-%m-%d"])


class _Moment(click.ParamType):
    """A date and time in ISO format; without an offset it has no time zone yet."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the parsed moment."""
        if isinstance(value, dt.datetime):
            return value
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a moment such as 2026-10-27T09:00:00+08:00", param, ctx)


MOMENT = _Moment()
as_json = click.option("--json", "json_out", is_flag=True, help="Print one JSON object.")


def require_installation(command: Callable[..., None]) -> Callable[..., None]:
    """Refuse a DATA_DIR that doesn't belong to the database, and report errors as ``report_errors``."""

    @functools.wraps(command)
    def checked(*args: Any, **kwargs: Any) -> None:
        wait_at_gate()
        installation.check(db.engine, current_settings())
        command(*args, **kwargs)

    return report_errors(checked)


def report_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Print domain errors to standard error and exit with status 1."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (DomainError, ActivityError, EmbeddedError) as error:
            db.session.rollback()
            click.echo(str(error), err=True)
            sys.exit(1)

    return wrapped


def print_result(result: dict[str, Any], json_out: bool) -> None:
    """Print a result as one JSON object, or one line per key."""
    if json_out:
        click.echo(json.dumps(result, ensure_ascii=False))
        return
    for key, value in result.items():
        click.echo(
            f"{key}: {json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value}"
        )


def notice(text: str) -> None:
    """Print progress or a remark to standard error."""
    click.echo(text, err=True)


def date_range(first: dt.datetime, last: dt.datetime) -> tuple[dt.date, dt.date]:
    """Return the dates of a range. Raises UsageError when it ends before it begins."""
    if last < first:
        raise click.UsageError("the last date lies before the first")
    return first.date(), last.date()


def write(text: str, output: Path | None) -> None:
    """Write to a file, or to standard output without one. Raises DomainError when writing fails."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DomainError(
            "%(path)s can't be written: %(why)s", path=str(output), why=error.strerror
        ) from error

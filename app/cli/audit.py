"""``flask audit``."""

from __future__ import annotations

import datetime as dt
import sys

import click
from flask.cli import AppGroup

from app.cli.base import as_json, note, refusals, settings, show
from app.extensions import db
from app.lib import clock

audit_group = AppGroup("audit", help="The change log.")


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

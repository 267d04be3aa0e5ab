"""The commands ``flask audit``."""

from __future__ import annotations

import datetime as dt
import sys

import click
from flask.cli import AppGroup

from app.cli.base import as_json, notice, print_result, require_installation
from app.extensions import db
from app.lib import clock
from app.lib.settings import current_settings

audit_group = AppGroup("audit", help="The change log.")


@audit_group.command("verify")
@as_json
@require_installation
def audit_verify(json_out: bool) -> None:
    """Check that no entry of the change log was changed, deleted, inserted or reordered."""
    from app.audit.verify import verify

    verdict = verify(db.engine, current_settings())
    print_result(verdict.as_json(), json_out)
    if not verdict.ok:
        notice(f"the change log is not as it was written; the first bad entry is {verdict.first_bad}")
        sys.exit(1)


@audit_group.command("archive")
@click.option("--before", required=True, type=click.DateTime(["%Y-%m"]), help="The first month to keep.")
@as_json
@require_installation
def audit_archive(before: dt.datetime, json_out: bool) -> None:
    """Move sealed months from the database into files that can still be verified."""
    from app.audit.archive import archive

    if before.date() > clock.now().date():
        raise click.UsageError("--before: the current month and later ones stay")
    print_result({"archived": archive(db.engine, current_settings(), before.date())}, json_out)


@audit_group.command("seal")
@require_installation
def audit_seal() -> None:
    """Seal the new entries."""
    from app.audit.chain import seal

    notice(f"{seal(db.engine, current_settings()):,} entries sealed")

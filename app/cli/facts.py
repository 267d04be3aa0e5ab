"""The commands ``flask facts``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click
from flask.cli import AppGroup
from sqlalchemy import select

from app.audit.actor import operator
from app.cli.base import DATE, as_json, print_result, require_installation
from app.cli.leads import import_file
from app.errors import DomainError
from app.extensions import db
from app.lib.clock import today
from app.lib.settings import current_settings
from app.models import Lead

facts_group = AppGroup("facts", help="Facts about leads.")


@facts_group.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as-of", type=DATE, help="The date of rows without one; by default yesterday.")
@click.option("--backfill", is_flag=True, help="The values were known on their dates.")
@click.option("--dry-run", is_flag=True, help="Report what would happen; write nothing.")
@as_json
@require_installation
def facts_import(
    file: Path, as_of: dt.datetime | None, backfill: bool, dry_run: bool, json_out: bool
) -> None:
    """Import values of facts (xlsx, xls, csv, parquet)."""
    from app.facts import catalogue
    from app.facts.importer import import_facts, result_json

    day = as_of.date() if as_of else None
    facts = catalogue.definitions()
    import_file(
        file,
        dry_run,
        json_out,
        lambda order: import_facts(db.engine, order, facts, today(), as_of=day, backfill=backfill),
        result_json,
    )


@facts_group.command("undo")
@click.argument("batch", type=int)
@as_json
@require_installation
def facts_undo(batch: int, json_out: bool) -> None:
    """Remove the values of an import, so that the former ones count again."""
    from app.facts.batches import undo_import

    print_result({"removed": undo_import(db.engine, batch, operator(), current_settings())}, json_out)


@facts_group.command("show")
@click.argument("lead_no")
@click.option("--as-of", type=DATE, help="The date as of which; by default today.")
@as_json
@require_installation
def facts_show(lead_no: str, as_of: dt.datetime | None, json_out: bool) -> None:
    """Print the facts of a lead as of a date."""
    from app.facts.lead import facts_of

    day = as_of.date() if as_of else today()
    live = select(Lead.id).where(Lead.lead_no == lead_no, Lead.deleted_at.is_(None))
    lead = db.session.scalar(live)
    if lead is None:
        raise DomainError("There is no lead %(lead_no)s.", lead_no=lead_no)
    print_result({"lead_no": lead_no, "as_of": day.isoformat(), "facts": facts_of(lead, day)}, json_out)

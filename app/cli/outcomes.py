"""The commands ``flask outcomes``."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import AppGroup

from app.cli.base import as_json, require_installation
from app.cli.leads import import_file
from app.extensions import db
from app.lib.clock import today

outcomes_group = AppGroup("outcomes", help="What customers bought.")


@outcomes_group.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Report what would happen; write nothing.")
@as_json
@require_installation
def outcomes_import(file: Path, dry_run: bool, json_out: bool) -> None:
    """Import outcomes (xlsx, xls, csv, parquet)."""
    from app.outcomes.importer import import_outcomes, result_json

    import_file(
        file, dry_run, json_out, lambda order: import_outcomes(db.engine, order, today()), result_json
    )

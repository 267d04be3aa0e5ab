"""The commands ``flask leads`` and ``flask pii``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.audit.actor import operator
from app.cli.base import as_json, notice, print_result, report_errors, require_installation
from app.extensions import db
from app.leads.branch_choices import MAX_NAMES, UnknownBranches
from app.leads.errors import RowError
from app.lib.settings import current_settings

if TYPE_CHECKING:
    from app.leads.importer import ImportOrder, ImportResult

leads_group = AppGroup("leads", help="The lead list.")
pii_group = AppGroup("pii", help="Keys of personal data.")
#: rejected rows that an import reports one by one
MAX_REPORTED = 20


@leads_group.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Report what would happen; write nothing.")
@click.option("--update", is_flag=True, help="Update people already on the list.")
@as_json
@require_installation
def leads_import(file: Path, dry_run: bool, update: bool, json_out: bool) -> None:
    """Import a lead list (xlsx, xls, csv)."""
    from app.leads.errors import UnreadableFile
    from app.leads.importer import ImportResult, import_leads
    from app.leads.preview import WARNINGS
    from app.lib.spreadsheet import printable_name

    rejections = Rejections()
    try:
        result = import_leads(
            db.engine,
            file,
            file_name=printable_name(file.name),
            user=operator(),
            settings=current_settings(),
            dry_run=dry_run,
            update=update,
            progress=RowProgress(),
            rejected=rejections,
        )
    except UnreadableFile as error:
        print_result(ImportResult(None, 0, 0, 0, 0, {"unreadable_file": 1}).as_json(), json_out)
        notice(f"unreadable_file: {error}")
        sys.exit(1)
    rejections.show_rest()
    for oddity in result.oddities:
        notice(WARNINGS[oddity])
    for remark in result.remarks.first:
        notice(remark.english())
    _note_more(result.remarks.count - len(result.remarks.first), "remarks")
    _list_branches(result.branches, dry_run)
    print_result(result.as_json(), json_out)


def import_file(
    file: Path,
    dry_run: bool,
    json_out: bool,
    run: Callable[[ImportOrder], ImportResult],
    shape: Callable[[ImportResult], dict[str, Any]],
) -> None:
    """Run the import of a file that is no lead list, and print its result in the shape of its command."""
    from app.leads.errors import UnreadableFile
    from app.leads.importer import ImportOrder, ImportResult
    from app.lib.spreadsheet import printable_name

    rejections = Rejections()
    order = ImportOrder(
        file,
        printable_name(file.name),
        operator(),
        current_settings(),
        dry_run=dry_run,
        progress=RowProgress(),
        rejected=rejections,
    )
    try:
        result = run(order)
    except UnreadableFile as error:
        print_result(shape(ImportResult(None, 0, 0, 0, 0, {"unreadable_file": 1})), json_out)
        notice(f"unreadable_file: {error}")
        sys.exit(1)
    rejections.show_rest()
    print_result(shape(result), json_out)


class Rejections:
    """Reports the first rejected rows on standard error; the error file has all of them."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, number: int, cells: Sequence[str], error: RowError) -> None:
        """Count a rejected row, and report it if it is among the first."""
        self.rows += 1
        if self.rows <= MAX_REPORTED:
            notice(f"row {number}: {error.reason}: {error.explain()}")

    def show_rest(self) -> None:
        """Report how many more there were."""
        _note_more(self.rows - MAX_REPORTED, "rejected rows")


def _note_more(count: int, what: str) -> None:
    if count > 0:
        notice(f"and {count:,} more {what}")


def _list_branches(branches: UnknownBranches, dry_run: bool) -> None:
    """List on standard error the branches that an import created, so that misspelt ones are noticed."""
    if branches.names:
        listed = ", ".join(f"{each.name} ({each.rows:,} rows)" for each in branches.named[:MAX_NAMES])
        more = ", …" if branches.names > MAX_NAMES else ""
        notice(f"{'would create' if dry_run else 'created'} {branches.names:,} branches: {listed}{more}")


class RowProgress:
    """Reports progress on standard error every 100,000 rows."""

    def __call__(self, done: int, total: int | None) -> None:
        """Report the number of rows done."""
        if done and done % 100_000 == 0:
            notice(f"{done:,} rows" + (f" of about {total:,}" if total else ""))


@leads_group.command("undo")
@click.argument("batch", type=int)
@as_json
@require_installation
def leads_undo(batch: int, json_out: bool) -> None:
    """Delete the leads that an import created."""
    from app.leads.undo import undo_import

    undone = undo_import(db.engine, batch, operator(), current_settings())
    if undone.restored or undone.left:
        notice(f"of the leads it had changed {undone.restored:,} are as before, {undone.left:,} were left")
    print_result({"deleted": undone.deleted, "kept": undone.kept}, json_out)


@pii_group.command("rotate")
@click.option("--batch", default=5000, show_default=True, type=click.IntRange(1, 100_000))
@as_json
@require_installation
def pii_rotate(batch: int, json_out: bool) -> None:
    """Re-encrypt every phone number with the newest key and the configured cipher."""
    from app.leads.rotate import rotate

    result = rotate(
        db.engine,
        current_settings(),
        rows=batch,
        progress=lambda done, total: notice(f"{done:,} of {total:,} phone numbers"),
    )
    print_result(result, json_out)
    if result["undecipherable"]:
        notice(
            "some numbers are encrypted with a key that is neither PII_KEY nor in PII_KEYS_OLD; "
            "they stay as they are"
        )
        sys.exit(1)


@pii_group.command("index-key")
@report_errors
def pii_index_key() -> None:
    """Print the key of the phone index; set it as PII_INDEX_KEY before you drop the oldest key."""
    from app.leads.phone import PhoneVault

    click.echo(PhoneVault.of(current_settings()).index_key)

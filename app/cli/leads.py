"""``flask leads`` and ``flask pii``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from flask.cli import AppGroup

from app.audit.actor import operator
from app.cli.base import as_json, note, reasons, refusals, settings, show
from app.extensions import db
from app.leads.branch_choices import MAX_NAMES, Unknown
from app.leads.errors import RowError

leads_group = AppGroup("leads", help="The lead list.")
pii_group = AppGroup("pii", help="Keys of personal data.")
#: rejected rows that an import tells one by one
MAX_TOLD = 20


@leads_group.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would happen; write nothing.")
@click.option("--update", is_flag=True, help="Update people already on the list.")
@as_json
@refusals
def leads_import(file: Path, dry_run: bool, update: bool, json_out: bool) -> None:
    """Import a lead list (xlsx, xls, csv)."""
    from app.leads.errors import UnreadableFile
    from app.leads.importer import ImportResult, import_leads
    from app.leads.preview import WARNINGS
    from app.lib.spreadsheet import shown

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
        note(remark.english())
    _note_more(result.remarks.count - len(result.remarks.first), "remarks")
    _name_branches(result.branches, dry_run)
    show(result.as_json(), json_out)


class _Rejections:
    """Tells the first refused rows on standard error; the error file has all of them."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, number: int, cells: Sequence[str], error: RowError) -> None:
        self.rows += 1
        if self.rows <= MAX_TOLD:
            note(f"row {number}: {error.reason}: {error.told()}")

    def show_rest(self) -> None:
        """Say how many more there were."""
        _note_more(self.rows - MAX_TOLD, "rejected rows")


def _note_more(count: int, what: str) -> None:
    if count > 0:
        note(f"and {count:,} more {what}")


def _name_branches(branches: Unknown, dry_run: bool) -> None:
    """Name on standard error the branches that an import created: a misspelt one is easily overlooked."""
    if branches.names:
        shown = ", ".join(f"{each.name} ({each.rows:,} rows)" for each in branches.named[:MAX_NAMES])
        more = ", …" if branches.names > MAX_NAMES else ""
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

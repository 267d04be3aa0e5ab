"""``flask api-key``."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.cli.base import as_json, refusals, show

key_group = AppGroup("api-key", help="API keys of the bank's own systems.")


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

"""The commands ``flask api-key``."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.cli.base import as_json, print_result, require_installation

key_group = AppGroup("api-key", help="API keys of the bank's own systems.")


@key_group.command("create")
@click.argument("name")
@click.option("--branch", help="Code of the branch the key is limited to; without it the whole bank.")
@click.option(
    "--days", default=365, show_default=True, type=click.IntRange(1, 3650), help="Days until it expires."
)
@as_json
@require_installation
def key_create(name: str, branch: str | None, days: int, json_out: bool) -> None:
    """Create a key for a system. It is shown only once."""
    from app.access.keys import create_key

    print_result(create_key(name, branch_code=branch, days=days), json_out)


@key_group.command("list")
@as_json
@require_installation
def key_list(json_out: bool) -> None:
    """List the keys without their text."""
    from app.access.keys import list_keys

    print_result({"keys": list_keys()}, json_out)


@key_group.command("revoke")
@click.argument("name")
@as_json
@require_installation
def key_revoke(name: str, json_out: bool) -> None:
    """Revoke all keys of a system at once."""
    from app.access.keys import revoke_key

    print_result({"revoked": revoke_key(name)}, json_out)

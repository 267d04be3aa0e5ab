"""The commands ``flask config``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask.cli import AppGroup

from app.audit.actor import operator
from app.audit.events import event
from app.cli.base import as_json, notice, print_result, require_installation, write

config_group = AppGroup("config", help="Configuration files.")
FILE = click.argument("file", type=click.Path(path_type=Path))


@config_group.command("apply")
@FILE
@as_json
@require_installation
def config_apply(file: Path, json_out: bool) -> None:
    """Create or update by code what a file, or all .yaml files of a folder, say."""
    from app.rulesfile import checkout
    from app.rulesfile.apply import apply_config, warnings
    from app.rulesfile.schema import read_config

    config = read_config(file)
    commit = checkout.commit_of(file)
    applied = apply_config(config, operator())
    for line in warnings(config):
        click.echo(f"warning: {line}", err=True)
    event("config_applied", "config", title=file.name, **applied, **({"commit": commit} if commit else {}))
    if commit:
        notice(f"commit {commit}")
    print_result(applied, json_out)


@config_group.command("diff")
@FILE
@require_installation
def config_diff(file: Path) -> None:
    """Print what applying the file or folder would change; exit with 1 when there is a difference."""
    from app.rulesfile.apply import differences
    from app.rulesfile.schema import read_config

    lines = differences(read_config(file))
    for line in lines:
        click.echo(line)
    sys.exit(1 if lines else 0)


@config_group.command("export")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
@require_installation
def config_export(output: Path | None) -> None:
    """Write the configuration as a file."""
    from app.rulesfile.apply import export_config

    write(export_config(), output)

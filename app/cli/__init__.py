"""The commands of `flask`: they parse arguments, call the domain and print one JSON object or a short text.

Exit status: 0 done, 1 refused with the reason on standard error, 2 wrong usage.
"""

from __future__ import annotations

from flask import Flask
from flask_appbuilder.cli import fab
from flask_migrate.cli import db as db_group

from app.cli.api_keys import key_group
from app.cli.audit import audit_group
from app.cli.base import report_errors
from app.cli.config import config_group
from app.cli.database import seed_after_upgrade
from app.cli.effect import effect_group
from app.cli.facts import facts_group
from app.cli.journeys import journeys_group
from app.cli.leads import leads_group, pii_group
from app.cli.operation import (
    clock_command,
    coldstart,
    demo,
    doctor,
    prepare,
    retention_group,
    store_group,
    ticker,
    worker,
)
from app.cli.outcomes import outcomes_group
from app.cli.push import push_group
from app.cli.rules import hits_group, logs_group, rules_group
from app.cli.segments import segments_group
from app.cli.users import users_group


def init_app(app: Flask) -> None:
    """Add every command to the app."""
    for group in (
        config_group,
        leads_group,
        facts_group,
        outcomes_group,
        segments_group,
        journeys_group,
        effect_group,
        logs_group,
        rules_group,
        hits_group,
        push_group,
        pii_group,
        retention_group,
        store_group,
        audit_group,
        key_group,
        users_group,
    ):
        app.cli.add_command(group)
    for command in (clock_command, doctor, prepare, coldstart, demo, ticker, worker):
        app.cli.add_command(command)
    if not getattr(db_group, "lead_monitor", False):
        seed_after_upgrade()
        _report_errors_of_accounts()


def _report_errors_of_accounts() -> None:
    """Let Flask-AppBuilder's commands print why a password is refused."""
    for name in ("create-admin", "create-user", "reset-password"):
        command = fab.commands[name]
        if command.callback is not None:
            command.callback = report_errors(command.callback)

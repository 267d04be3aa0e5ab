"""Checks of the installation, for `flask doctor`."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from redis import RedisError
from sqlalchemy import select, text

from app import installation
from app.activity import store
from app.activity.errors import ActivityError
from app.audit.install import audited_tables, tables_with_wrong_triggers
from app.audit.unsealed import oldest_transaction, unsealed
from app.embedded import services
from app.extensions import db, migrate
from app.jobs import health
from app.jobs.nudges import redis_connection
from app.leads.cube import activity_root
from app.leads.errors import LeadsError
from app.leads.phone import PhoneVault
from app.lib import clock
from app.models import Lead
from config import Settings

MIN_FREE_GB = 2
#: a transaction that is open longer keeps the change log from being sealed
LONGEST_TRANSACTION = dt.timedelta(hours=1)


def run_checks(settings: Settings) -> dict[str, Any]:
    """Run every check. Return ``{"ok", "checks": {name: {"ok", "detail"}}}``."""
    checks: dict[str, Callable[[Settings], str]] = {
        "database": _database,
        "migrations": _migrations,
        "installation": _installation,
        "permissions": _permissions,
        "change_log": _change_log,
        "redis": _redis,
        "ticker": _ticker,
        "activity": _activity,
        "disk": _disk,
        "secrets": _secrets,
        "phones": _phones,
    }
    results = {name: _run(check, settings) for name, check in checks.items()}
    return {"ok": all(result["ok"] for result in results.values()), "checks": results}


class CheckFailed(Exception):
    """A check failed for the reason in its text."""


def _run(check: Callable[[Settings], str], settings: Settings) -> dict[str, Any]:
    try:
        return {"ok": True, "detail": check(settings)}
    except (CheckFailed, ActivityError, installation.MismatchError) as error:
        return {"ok": False, "detail": str(error)}
    except Exception as error:  # noqa: BLE001 - report any error and go on with the other checks
        db.session.rollback()
        return {
            "ok": False,
            "detail": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        }


def _database(settings: Settings) -> str:
    return str(db.session.execute(text("SHOW server_version")).scalar_one())


def _migrations(settings: Settings) -> str:
    config = migrate.get_config() if hasattr(migrate, "get_config") else None
    head = ScriptDirectory.from_config(config).get_current_head() if config else None
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        raise CheckFailed(f"the schema is at {current}, the code needs {head}: run flask db upgrade")
    return str(current)


def _installation(settings: Settings) -> str:
    return installation.check(db.engine, settings) or "no schema yet"


def _permissions(settings: Settings) -> str:
    from app import permissions

    appbuilder = current_app.appbuilder  # type: ignore[attr-defined]
    menu = permissions.menu_names(appbuilder)
    for name in permissions.ROLES.values():
        role = appbuilder.sm.find_role(name)
        current = {(p.permission.name, p.view_menu.name) for p in role.permissions} if role else set()
        if current != permissions.granted(name, menu):
            raise CheckFailed(f"role {name} is not as the program defines it: run flask db upgrade")
    return f"{len(permissions.ROLES)} roles"


def _change_log(settings: Settings) -> str:
    with db.engine.connect() as connection:
        unlogged = tables_with_wrong_triggers(connection)
        tables = len(audited_tables(connection))
        left, held = unsealed(connection), oldest_transaction(connection)
    if unlogged:
        raise CheckFailed(
            f"changes of {', '.join(sorted(set(unlogged)))} are not logged: run flask db upgrade"
        )
    waiting = f", {left.entries} entries not sealed since {left.since}" if left.since else ""
    if left.since and held and held.since and clock.now() - held.since > LONGEST_TRANSACTION:
        raise CheckFailed(f"{waiting[2:]}: a transaction of {held.session} is open since {held.since}")
    return f"{tables} tables{waiting}"


def _redis(settings: Settings) -> str:
    with services(settings) as running:
        try:
            version = redis_connection(running.redis_url).info("server").get("redis_version")
        except (RedisError, OSError) as error:
            raise CheckFailed(f"no answer: {type(error).__name__}") from error
    return f"Redis protocol {version}"


def _ticker(settings: Settings) -> str:
    """Report the steps of the ticker that fail and those that recovered lately."""
    steps = health.failing_or_recovered(clock.now())
    failing = [
        f"{step.name} since {step.failing_since:%Y-%m-%d %H:%M} UTC, {step.failures} times: "
        f"{step.last_error.english()}"
        for step in steps
        if step.failing_since
    ]
    if failing:
        raise CheckFailed("; ".join(failing))
    recovered = [f"{step.name} recovered at {step.last_ok_at:%Y-%m-%d %H:%M} UTC" for step in steps]
    return "; ".join(recovered) or "no step fails"


def _activity(settings: Settings) -> str:
    state = store.snapshot(activity_root(settings))
    missing = [name for name in state.files() if not (state.root / name).is_file()]
    if missing:
        raise CheckFailed(f"{len(missing)} data files are missing, the first is {missing[0]}")
    return f"version {state.version}, {len(state.days)} days"


def _disk(settings: Settings) -> str:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free / 1e9
    if free < MIN_FREE_GB:
        raise CheckFailed(f"only {free:.1f} GB free under DATA_DIR")
    return f"{free:.0f} GB free"


def _phones(settings: Settings) -> str:
    """Check the configured keys against the oldest and the newest phone number."""
    vault, checked = PhoneVault.of(settings), 0
    for end in (Lead.id.asc(), Lead.id.desc()):
        lead = db.session.scalar(select(Lead).order_by(end).limit(1))
        if lead is None:
            break
        try:
            matches = vault.index(vault.decrypt(lead.phone_cipher)) == lead.phone_index
        except LeadsError as error:
            raise CheckFailed(f"{lead.lead_no}: {error}") from error
        if not matches:
            raise CheckFailed(f"{lead.lead_no}: the phone index was made with another key: set PII_INDEX_KEY")
        checked += 1
    return f"key version {settings.pii_key_version}, {settings.pii_cipher}" if checked else "no lead yet"


def _secrets(settings: Settings) -> str:
    path = settings.data_dir / "secrets.env"
    if not settings.generated_secrets:
        return "set by the environment"
    mode = os.stat(path).st_mode & 0o777
    if mode != 0o600:
        raise CheckFailed(f"{path.name} has mode {mode:o}, not 600")
    return "generated, mode 600"

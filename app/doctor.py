"""Checks of the installation, for `flask doctor`."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from redis import RedisError
from sqlalchemy import select, text

from app import installation
from app.access import second_factor
from app.activity import store
from app.activity.errors import ActivityError
from app.activity.objects import ObjectStore
from app.activity.places import place_of
from app.audit.install import audited_tables, tables_with_wrong_triggers
from app.audit.unsealed import oldest_transaction, unsealed
from app.embedded import services
from app.errors import AS_IT_IS, N_, DomainError, Said
from app.extensions import db, migrate
from app.jobs import health
from app.jobs.nudges import redis_connection
from app.leads.cube import activity_root
from app.leads.errors import LeadsError
from app.leads.phone import PhoneVault
from app.lib import clock
from app.models import Lead, Staff
from app.outreach import guard
from config import Settings

MIN_FREE_GB = 2
#: a transaction that is open longer keeps the change log from being sealed
LONGEST_TRANSACTION = dt.timedelta(hours=1)
_CLOCK = text("""
    SELECT zone, production, ahead, app_now(now()) - now() = ahead AND app_now() - clock_timestamp() - ahead
        BETWEEN interval '-1 minute' AND interval '1 minute' AND (
        SELECT count(*) = 2 FROM pg_trigger
        WHERE tgrelid = 'app_clock'::regclass AND tgfoid = 'app_clock_keep'::regproc
            AND tgenabled IN ('O', 'A')
    ) AS kept
    FROM app_clock
""")


class Result(NamedTuple):
    """The result of a check."""

    ok: bool
    detail: Said


def run_checks(settings: Settings) -> dict[str, Any]:
    """Run every check. Return ``{"ok", "checks": {name: {"ok", "detail"}}}`` in English."""
    found = results(settings)
    checks = {name: {"ok": each.ok, "detail": each.detail.english()} for name, each in found.items()}
    return {"ok": all(each.ok for each in found.values()), "checks": checks}


def results(settings: Settings) -> dict[str, Result]:
    """Run every check. Return the results by name."""
    checks: dict[str, Callable[[Settings], Said]] = {
        "database": _database,
        "migrations": _migrations,
        "installation": _installation,
        "permissions": _permissions,
        "change_log": _change_log,
        "clock": _clock,
        "contacts": _contacts,
        "redis": _redis,
        "ticker": _ticker,
        "activity": _activity,
        "disk": _disk,
        "secrets": _secrets,
        "second_factor": _second_factor,
        "phones": _phones,
    }
    return {name: _run(check, settings) for name, check in checks.items()}


class CheckFailed(DomainError):
    """A check failed for the reason in its text."""


def _run(check: Callable[[Settings], Said], settings: Settings) -> Result:
    try:
        return Result(True, check(settings))
    except DomainError as error:
        return Result(False, error.said)
    except ActivityError as error:
        return Result(False, Said(error.message, error.values))
    except Exception as error:  # noqa: BLE001 - report any error and go on with the other checks
        db.session.rollback()
        said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return Result(False, _as_is(said))


def _database(settings: Settings) -> Said:
    version = db.session.execute(text("SHOW server_version")).scalar_one()
    return Said(N_("version %(version)s"), {"version": str(version)})


def _migrations(settings: Settings) -> Said:
    config = migrate.get_config() if hasattr(migrate, "get_config") else None
    head = ScriptDirectory.from_config(config).get_current_head() if config else None
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        raise CheckFailed(
            N_("the schema is at %(current)s, the code needs %(head)s: run flask db upgrade"),
            current=str(current),
            head=str(head),
        )
    return Said(N_("version %(version)s"), {"version": str(current)})


def _installation(settings: Settings) -> Said:
    found = installation.check(db.engine, settings)
    return _as_is(found) if found else Said(N_("no schema yet"))


def _permissions(settings: Settings) -> Said:
    from app import permissions

    appbuilder = current_app.appbuilder  # type: ignore[attr-defined]
    menu = permissions.menu_names(appbuilder)
    for name in permissions.ROLES.values():
        role = appbuilder.sm.find_role(name)
        current = {(p.permission.name, p.view_menu.name) for p in role.permissions} if role else set()
        if current != permissions.granted(name, menu):
            raise CheckFailed(
                N_("role %(name)s is not as the program defines it: run flask db upgrade"), name=name
            )
    return Said(N_("%(n)s roles"), {"n": len(permissions.ROLES)})


def _change_log(settings: Settings) -> Said:
    with db.engine.connect() as connection:
        unlogged = tables_with_wrong_triggers(connection)
        tables = len(audited_tables(connection))
        left, held = unsealed(connection), oldest_transaction(connection)
    if unlogged:
        names = ", ".join(sorted(set(unlogged)))
        raise CheckFailed(N_("changes of %(names)s are not logged: run flask db upgrade"), names=names)
    if not left.since:
        return Said(N_("%(n)s tables"), {"n": tables})
    waiting = {"n": tables, "entries": left.entries, "since": _moment(left.since, settings)}
    if held and held.since and clock.now() - held.since > LONGEST_TRANSACTION:
        raise CheckFailed(
            N_(
                "entries not sealed since %(since)s: %(entries)s; a transaction of %(who)s is open since"
                " %(start)s"
            ),
            **waiting,
            who=held.session,
            start=_moment(held.since, settings),
        )
    return Said(N_("%(n)s tables; entries not sealed since %(since)s: %(entries)s"), waiting)


def _clock(settings: Settings) -> Said:
    """Check that app_now() is what the table of the clock says, and that it knows these settings."""
    with db.engine.connect() as connection:
        row = connection.execute(_CLOCK).one()
    if not row.kept:
        raise CheckFailed(N_("app_now() or the triggers of its table are not as installed"))
    if (row.zone, row.production) != (settings.timezone, settings.production):
        raise CheckFailed(
            N_("the database knows TIMEZONE %(zone)s and APP_ENV %(env)s"),
            zone=row.zone,
            env="production" if row.production else "development",
        )
    if row.ahead:
        return Said(N_("moved by %(ahead)s"), {"ahead": str(row.ahead)})
    return Said(N_("the server's own"))


def _contacts(settings: Settings) -> Said:
    """Check that the database refuses contacts at forbidden moments, by a calendar that goes far enough."""
    with db.engine.connect() as connection:
        missing = guard.missing(connection)
        filled = guard.filled(connection, settings.today(clock.now(connection)))
    if missing:
        names = ", ".join(sorted(set(missing)))
        raise CheckFailed(
            N_("contacts at forbidden moments are not refused by %(names)s: run flask db upgrade"),
            names=names,
        )
    if not filled:
        raise CheckFailed(N_("the calendar of public holidays is not filled ahead: run flask db upgrade"))
    return Said(N_("forbidden moments are refused"))


def _redis(settings: Settings) -> Said:
    with services(settings) as running:
        try:
            version = redis_connection(running.redis_url).info("server").get("redis_version")
        except (RedisError, OSError) as error:
            raise CheckFailed(N_("no answer: %(error)s"), error=type(error).__name__) from error
    return Said(N_("Redis protocol %(version)s"), {"version": str(version)})


def _ticker(settings: Settings) -> Said:
    """Report the steps of the ticker that fail and those that recovered lately."""
    steps = health.failing_or_recovered(clock.now())
    failing = [
        f"{step.name} since {_moment(step.failing_since, settings)}, {step.failures} times:"
        f" {step.last_error.english()}"
        for step in steps
        if step.failing_since
    ]
    if failing:
        raise CheckFailed("%(steps)s", steps="; ".join(failing))
    recovered = [
        f"{step.name} recovered at {_moment(step.last_ok_at, settings)}" for step in steps if step.last_ok_at
    ]
    return _as_is("; ".join(recovered)) if recovered else Said(N_("no step fails"))


def _activity(settings: Settings) -> Said:
    root = activity_root(settings)
    if isinstance(root, ObjectStore):
        root.check()
    state = store.snapshot(root)
    missing = place_of(state.root).missing(state.files())
    if missing:
        raise CheckFailed(
            N_("%(n)s data files are missing, the first is %(name)s"), n=len(missing), name=missing[0]
        )
    return Said(N_("version %(version)s, %(n)s days"), {"version": state.version, "n": len(state.days)})


def _disk(settings: Settings) -> Said:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free / 1e9
    if free < MIN_FREE_GB:
        raise CheckFailed(N_("only %(n)s GB free under DATA_DIR"), n=f"{free:.1f}")
    return Said(N_("%(n)s GB free"), {"n": f"{free:.0f}"})


def _phones(settings: Settings) -> Said:
    """Check the configured keys against the oldest and the newest phone number."""
    vault, checked = PhoneVault.of(settings), 0
    for end in (Lead.id.asc(), Lead.id.desc()):
        lead = db.session.scalar(select(Lead).order_by(end).limit(1))
        if lead is None:
            break
        try:
            matches = vault.index(vault.decrypt(lead.phone_cipher)) == lead.phone_index
        except LeadsError as error:
            raise CheckFailed(N_("%(lead)s: %(error)s"), lead=lead.lead_no, error=str(error)) from error
        if not matches:
            raise CheckFailed(
                N_("%(lead)s: the phone index was made with another key: set PII_INDEX_KEY"),
                lead=lead.lead_no,
            )
        checked += 1
    if not checked:
        return Said(N_("no lead yet"))
    key = {"version": settings.pii_key_version, "cipher": settings.pii_cipher}
    return Said(N_("key version %(version)s, %(cipher)s"), key)


def _secrets(settings: Settings) -> Said:
    path = settings.data_dir / "secrets.env"
    if not settings.generated_secrets:
        return Said(N_("set by the environment"))
    mode = os.stat(path).st_mode & 0o777
    if mode != 0o600:
        raise CheckFailed(N_("%(name)s has mode %(mode)s, not 600"), name=path.name, mode=f"{mode:o}")
    return Said(N_("generated, mode 600"))


def _second_factor(settings: Settings) -> Said:
    if settings.production and settings.second_factor != "required":
        raise CheckFailed(N_("only offered: set SECOND_FACTOR=required"))
    people = db.session.scalars(select(Staff).where(Staff.active))
    need = [person for person in people if second_factor.needs_one(person)]
    have = sum(map(second_factor.has_one, need))
    words = {"have": have, "need": len(need)}
    if settings.second_factor == "required":
        return Said(N_("required; %(have)s of %(need)s people who need one have it"), words)
    return Said(N_("offered; %(have)s of %(need)s people who should have one have it"), words)


def _moment(moment: dt.datetime, settings: Settings) -> str:
    return f"{moment.astimezone(settings.zone):%Y-%m-%d %H:%M}"


def _as_is(text: str) -> Said:
    return Said(AS_IT_IS, {"text": text})

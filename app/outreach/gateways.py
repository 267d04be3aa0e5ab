"""The gateway in use of each channel, with its circuit breaker and rate limit."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app
from sqlalchemy import DateTime, case, func, select, update
from sqlalchemy.dialects.postgresql import INTERVAL

from app.errors import DomainError, Said
from app.extensions import db
from app.models import OutreachGateway
from app.outreach import sandbox
from app.outreach.gateway import Gateway
from app.outreach.http_gateway import HttpGateway, checked

#: consecutive failures that open the circuit, and the seconds it stays open
MAX_FAILURES, OPEN_SECONDS = 5, 60


class Current:
    """The gateway in use of a channel."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.row = gateway.row
        self.name = gateway.row.name if gateway.row else sandbox.NAME

    def closed_until(self, now: dt.datetime) -> dt.datetime | None:
        """Return until when the open circuit blocks sending, None when it does not."""
        until = self.row.open_until if self.row else None
        return until if until is not None and until > now else None

    def reserve(self, n: int) -> float:
        """Reserve ``n`` places under the rate limit and commit. Return the seconds until the first one.

        A rate is about the server's own time: where the clock of the installation was moved, nobody waits.
        """
        if self.row is None or not self.gateway.per_second:
            return 0.0
        spread = func.make_interval(0, 0, 0, 0, 0, 0, n / self.gateway.per_second, type_=INTERVAL)
        now = func.clock_timestamp(type_=DateTime(timezone=True))
        free = func.greatest(OutreachGateway.next_slot_at, now)
        until = db.session.scalar(
            update(OutreachGateway)
            .where(OutreachGateway.id == self.row.id)
            .values(next_slot_at=free + spread)
            .returning(OutreachGateway.next_slot_at - now),
            execution_options={"synchronize_session": False},
        )
        db.session.commit()
        return until.total_seconds() - n / self.gateway.per_second if until is not None else 0.0

    def report(self, ok: bool, note: Said | None, now: dt.datetime) -> None:
        """Count a failure, or reset the count after a success. Does not commit."""
        if self.row is None:
            return
        failures = OutreachGateway.failures + 1
        opened = case(
            (failures >= MAX_FAILURES, now + dt.timedelta(seconds=OPEN_SECONDS)),
            else_=OutreachGateway.open_until,
        )
        values: dict[str, Any] = (
            {"failures": 0, "open_until": None}
            if ok
            else {"failures": failures, "last_error": note, "open_until": opened}
        )
        db.session.execute(
            update(OutreachGateway).where(OutreachGateway.id == self.row.id).values(**values),
            execution_options={"synchronize_session": False},
        )


def current(channel: str) -> Current:
    """Return the gateway in use of the channel, the sandbox if none is switched on."""
    row = db.session.scalar(
        select(OutreachGateway).where(OutreachGateway.channel == channel, OutreachGateway.active)
    )
    if row is None:
        return Current(sandbox.Sandbox())
    return Current(HttpGateway(row, current_app.config["SETTINGS"]))


def check(row: OutreachGateway) -> None:
    """Raise DomainError for invalid settings or a missing secret."""
    checked(row.settings)
    if row.secret_cipher is None:
        raise DomainError("%(gateway)s has no signing secret; edit it first.", gateway=row.name)


def switch_on(row: OutreachGateway, username: str) -> None:
    """Use the gateway instead of its channel's current one. Does not commit. Raises as ``check`` does."""
    check(row)
    db.session.execute(
        update(OutreachGateway)
        .where(OutreachGateway.channel == row.channel, OutreachGateway.active)
        .values(active=False, updated_by=username)
    )
    row.active, row.failures, row.open_until, row.last_error = True, 0, None, None
    row.updated_by = username


def switch_off(row: OutreachGateway, username: str) -> None:
    """Use the sandbox instead of the gateway. Does not commit."""
    row.active, row.updated_by = False, username


def uses_sandbox(channel: str) -> bool:
    """Whether the channel uses the sandbox, so that its contacts reach nobody."""
    return current(channel).row is None

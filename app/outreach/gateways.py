"""Which gateway a channel has now, its circuit breaker and its limit per second."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app
from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import INTERVAL

from app.errors import DomainError, Said
from app.extensions import db
from app.models import OutreachGateway
from app.outreach import sandbox
from app.outreach.gateway import Gateway
from app.outreach.http_gateway import HttpGateway, checked

#: failures in a row that open the circuit, and how long it stays open
MAX_FAILURES, OPEN_SECONDS = 5, 60


class Current:
    """The gateway of a channel as it is now."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.row = gateway.row
        self.name = gateway.row.name if gateway.row else sandbox.NAME

    def closed_until(self, now: dt.datetime) -> dt.datetime | None:
        """Until when nothing may be sent because it kept failing, None when it may."""
        until = self.row.open_until if self.row else None
        return until if until is not None and until > now else None

    def reserve(self, n: int) -> dt.datetime | None:
        """Take the next ``n`` places of the limit per second; when the first of them is. Commits."""
        if self.row is None or not self.gateway.per_second:
            return None
        spread = func.make_interval(0, 0, 0, 0, 0, 0, n / self.gateway.per_second, type_=INTERVAL)
        free = func.greatest(OutreachGateway.next_slot_at, func.clock_timestamp())
        after = db.session.scalar(
            update(OutreachGateway)
            .where(OutreachGateway.id == self.row.id)
            .values(next_slot_at=free + spread)
            .returning(OutreachGateway.next_slot_at),
            execution_options={"synchronize_session": False},
        )
        db.session.commit()
        return after - dt.timedelta(seconds=n / self.gateway.per_second) if after else None

    def report(self, ok: bool, note: Said | None, now: dt.datetime) -> None:
        """Count a failure, or forget them after a success. Does not commit."""
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
    """The gateway of the channel; the sandbox while none is switched on."""
    row = db.session.scalar(
        select(OutreachGateway).where(OutreachGateway.channel == channel, OutreachGateway.active)
    )
    if row is None:
        return Current(sandbox.Sandbox())
    return Current(HttpGateway(row, current_app.config["SETTINGS"]))


def check(row: OutreachGateway) -> None:
    """Raise DomainError for settings that can't be used and without a secret."""
    checked(row.settings)
    if row.secret_cipher is None:
        raise DomainError("%(gateway)s has no secret to sign with: edit it first.", gateway=row.name)


def switch_on(row: OutreachGateway, who: str) -> None:
    """Use a gateway in place of the one of its channel that is on. Does not commit. Raises as ``check``."""
    check(row)
    db.session.execute(
        update(OutreachGateway)
        .where(OutreachGateway.channel == row.channel, OutreachGateway.active)
        .values(active=False, updated_by=who)
    )
    row.active, row.failures, row.open_until, row.last_error, row.updated_by = True, 0, None, None, who


def switch_off(row: OutreachGateway, who: str) -> None:
    """Let the sandbox stand in. Does not commit."""
    row.active, row.updated_by = False, who


def uses_sandbox(channel: str) -> bool:
    """Whether contacts of the channel reach nobody."""
    return current(channel).row is None

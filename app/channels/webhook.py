"""Webhooks as specified at https://www.standardwebhooks.com: signed, with an id stable over retries."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import orjson
from flask_babel import lazy_gettext
from pydantic import Field, field_validator
from standardwebhooks import Webhook as Signer

from app.channels.base import (
    ChannelSettings,
    JourneyPlace,
    Limits,
    Message,
    PermanentError,
    Sent,
    TemporaryError,
    Words,
)
from app.channels.guard import AllowedHosts, NotAllowed, parts, sender
from app.errors import AS_IT_IS, N_, FieldError, Said
from config import Settings

GONE = 410


class WebhookSettings(ChannelSettings):
    """The address to post to."""

    url: Annotated[
        str,
        Field(min_length=1, max_length=2000),
        Words(
            lazy_gettext("Address"),
            lazy_gettext(
                "For example https://crm.example.com/hooks/leads. Its host must be in WEBHOOK_ALLOW."
            ),
        ),
    ]

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        # The allow-list is not checked here, so that stored settings stay readable when the list changes.
        try:
            parts(url)
        except NotAllowed as error:
            raise FieldError("url", "This is not a valid webhook address: %(why)s", why=error.said) from None
        return url

    def check_place(self, config: Settings) -> None:
        """Raise FieldError when the host is not on the allow-list. Its address is checked when sending."""
        try:
            AllowedHosts(config.webhook_allow).check(self.url)
        except NotAllowed as error:
            raise FieldError(
                "url", "Sending to this address would be refused: %(why)s", why=error.said
            ) from None


class Webhook:
    """Channel that posts a push as JSON to a system of the bank."""

    kind = "webhook"
    label = lazy_gettext("Webhook")
    settings = WebhookSettings
    limits = Limits(hits=500, seconds=15.0)
    signs = True
    tells_status = True

    def send(self, message: Message, settings: WebhookSettings, secret: str, config: Settings) -> Sent:
        """Post the message. Any 2xx is success; 410 means that the target is gone."""
        body = orjson.dumps(content(message))
        headers = signed(message.id, body, secret)
        status, answer = sender(config).post(settings.url, body, headers, self.limits.seconds)
        if 200 <= status < 300:
            return Sent(Said.as_is(answer), status)
        if status == GONE:
            raise PermanentError(
                AS_IT_IS if answer else N_("the target no longer accepts messages"),
                text=answer,
                status=status,
                gone=True,
            )
        raise TemporaryError(AS_IT_IS, text=answer, status=status)


def content(message: Message) -> dict[str, Any]:
    """Return the body of a webhook."""
    if message.journey is not None:
        return _of_journey(message, message.journey)
    return {
        "type": "hits.pushed",
        "timestamp": message.slot.isoformat(),
        "test": message.test,
        "data": {
            "push": message.push_id,
            "schedule": message.schedule,
            "schedule_name": message.schedule_name,
            "slot": message.slot.isoformat(),
            "part": message.part,
            "parts": message.parts,
            "total": message.total,
            "hits": [hit.as_json() for hit in message.hits],
        },
    }


def _of_journey(message: Message, place: JourneyPlace) -> dict[str, Any]:
    return {
        "type": "journey.step",
        "timestamp": message.slot.isoformat(),
        "test": message.test,
        "data": {
            "push": message.push_id,
            "journey": place.code,
            "journey_name": place.name,
            "version": place.version,
            "step": place.step,
            "part": message.part,
            "parts": message.parts,
            "total": message.total,
            "customers": [each.as_json() for each in message.customers],
        },
    }


def signed(message_id: str, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers of a Standard Webhook. Raises PermanentError without a usable secret."""
    now = dt.datetime.now(dt.UTC)
    try:
        signature = Signer(secret).sign(message_id, now, body.decode())
    except (RuntimeError, ValueError) as error:
        raise PermanentError("this target has no signing secret") from error
    return {
        "content-type": "application/json",
        "user-agent": "lead-monitor",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


CHANNEL = Webhook()

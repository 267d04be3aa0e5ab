"""Webhooks as https://www.standardwebhooks.com says: signed, with an id that is stable over retries."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import orjson
from flask_babel import lazy_gettext
from pydantic import Field, field_validator
from standardwebhooks import Webhook as Signer

from app.channels.base import ChannelSettings, Limits, Message, PermanentError, Sent, TemporaryError, Words
from app.channels.guard import AllowedHosts, NotAllowed, parts, sender
from app.errors import AS_IT_IS, N_, FieldError, Said
from config import Settings

GONE = 410


class WebhookSettings(ChannelSettings):
    """Where to post."""

    url: Annotated[
        str,
        Field(min_length=1, max_length=2000),
        Words(
            lazy_gettext("Address"),
            lazy_gettext("Such as https://crm.example.com/hooks/leads; its host must be in WEBHOOK_ALLOW."),
        ),
    ]

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        # The allow-list is no matter of this: what is stored stays readable when the list changes.
        try:
            parts(url)
        except NotAllowed as error:
            raise FieldError("url", "This is not an address of a webhook: %(why)s", why=error.said) from None
        return url

    def check_place(self, config: Settings) -> None:
        """By the allow-list; which address a name has is judged when something is sent."""
        try:
            AllowedHosts(config.webhook_allow).check(self.url)
        except NotAllowed as error:
            raise FieldError("url", "Nothing could be sent there: %(why)s", why=error.said) from None


class Webhook:
    """Posts a push as JSON to a system of the bank."""

    kind = "webhook"
    label = lazy_gettext("Webhook")
    settings = WebhookSettings
    limits = Limits(hits=500, seconds=15.0)
    signs = True

    def send(self, message: Message, settings: WebhookSettings, secret: str, config: Settings) -> Sent:
        """Post it; any 2xx is success, 410 ends the target."""
        body = orjson.dumps(content(message))
        headers = signed(message.id, body, secret)
        status, answer = sender(config).post(settings.url, body, headers, self.limits.seconds)
        if 200 <= status < 300:
            return Sent(Said.as_is(answer), status)
        if status == GONE:
            raise PermanentError(AS_IT_IS if answer else N_("gone"), text=answer, status=status, gone=True)
        raise TemporaryError(AS_IT_IS, text=answer, status=status)


def content(message: Message) -> dict[str, Any]:
    """The body of a webhook."""
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


def signed(message_id: str, body: bytes, secret: str) -> dict[str, str]:
    """The headers of a Standard Webhook. Raises PermanentError without a usable secret."""
    now = dt.datetime.now(dt.UTC)
    try:
        signature = Signer(secret).sign(message_id, now, body.decode())
    except (RuntimeError, ValueError) as error:
        raise PermanentError("this target has no secret to sign with") from error
    return {
        "content-type": "application/json",
        "user-agent": "lead-monitor",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


CHANNEL = Webhook()

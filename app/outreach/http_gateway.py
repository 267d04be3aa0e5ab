"""The HTTP gateway, whose requests and answers are described by settings (docs/gateway.md)."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from cryptography.fernet import InvalidToken
from flask_babel import lazy_gettext
from pydantic import Field, ValidationError, field_validator

from app.channels.base import TemporaryError
from app.channels.guard import AllowedHosts, NotAllowed, sender
from app.errors import N_, DomainError, FieldError, Said
from app.lib.row_id import whole_number
from app.lib.spreadsheet import truncate
from app.lib.strict import Strict
from app.lib.vault import vault
from app.models import OutreachGateway
from app.outreach.gateway import Answer, Contact, Receipt
from config import Settings

PURPOSE = b"lead-monitor/gateway-secret"
#: HTTP statuses that mean the contact was not accepted and may be tried again
NOT_TAKEN = frozenset({401, 403, 404, 408, 425, 429, 503})
PLACES = ("key", "phone", "text", "channel")
Url = Annotated[str, Field(min_length=1, max_length=1000)]
Pointer = Annotated[str, Field(max_length=200)]
Values = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=20)]

LABELS: dict[str, Any] = {
    "url": lazy_gettext("Address to send to"),
    "status_url": lazy_gettext("Address for status queries"),
    "request": lazy_gettext("Request body (JSON)"),
    "status_request": lazy_gettext("Body of status queries (JSON)"),
    "result": lazy_gettext("Position of the result in the answer"),
    "ref": lazy_gettext("Position of the reference number in the answer"),
    "accepted": lazy_gettext("Results that mean accepted"),
    "rejected": lazy_gettext("Results that mean rejected for good"),
    "busy": lazy_gettext("Results that mean try again later"),
    "absent": lazy_gettext("Results that mean the key is unknown"),
    "seconds": lazy_gettext("Answer time-out"),
    "per_second": lazy_gettext("Messages per second"),
}


class HttpSettings(Strict):
    """The addresses, the request bodies with {key}, {phone}, {text}, {channel}, and how to read answers."""

    url: Url
    status_url: Annotated[str, Field(max_length=1000)] = ""
    request: str = '{"key": "{key}", "phone": "{phone}", "text": "{text}"}'
    status_request: str = '{"key": "{key}"}'
    result: Pointer = "/code"
    ref: Pointer = "/id"
    accepted: Values = ["0"]
    rejected: Values = ["rejected"]
    busy: Values = ["busy"]
    absent: Values = ["absent"]
    seconds: Annotated[int, Field(ge=1, le=30)] = 10
    per_second: Annotated[float, Field(ge=1, le=1000)] = 50

    @field_validator("url", "status_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        # The allow-list may change, so it is checked when the address is used.
        try:
            if url:
                AllowedHosts([]).check(url)
        except NotAllowed as error:
            if "allow-list" not in str(error) and str(error) != "https is required":
                raise FieldError(
                    "url", "This is not a valid gateway address: %(why)s", why=error.said
                ) from None
        return url

    @field_validator("result", "ref")
    @classmethod
    def _is_a_pointer(cls, pointer: str) -> str:
        if pointer and not pointer.startswith("/"):
            raise FieldError(
                "result", "“%(value)s” is not a JSON pointer such as /data/code.", value=pointer[:40]
            )
        return pointer


#: initial values of the form: the mapping of the documented contract
DEFAULTS = HttpSettings(url="https://sms.example.com").model_dump() | {"url": ""}


def checked(values: dict[str, Any]) -> HttpSettings:
    """Return the settings in a form's values. Raises FieldError for the first invalid value."""
    try:
        settings = HttpSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "url"
        raise FieldError(
            name, "“%(value)s” can't be used here.", value=str(first.get("input"))[:60]
        ) from error
    _check_template("request", settings.request, needs=("key", "phone", "text"))
    _check_template("status_request", settings.status_request, needs=("key",))
    return settings


def _check_template(field: str, text: str, needs: tuple[str, ...]) -> None:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise FieldError(field, "This is not valid JSON: %(why)s", why=str(error)[:80]) from error
    missing = [name for name in needs if f"{{{name}}}" not in json.dumps(parsed, ensure_ascii=False)]
    if missing:
        raise FieldError(
            field, "The body must contain %(names)s.", names=", ".join(f"{{{name}}}" for name in missing)
        )


def filled(template: Any, values: dict[str, str]) -> Any:
    """Fill in the placeholders of a JSON template, in strings only, so that no value changes its form."""
    if isinstance(template, str):
        # In one pass, so that a customer's text is never read as a placeholder.
        parts = [template]
        for name in PLACES:
            parts = [
                piece for part in parts for piece in (_split(part, name) if isinstance(part, str) else [part])
            ]
        return "".join(part if isinstance(part, str) else values[part[0]] for part in parts)
    if isinstance(template, dict):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    return template


def _split(part: str, name: str) -> list[Any]:
    pieces: list[Any] = []
    for place, text in enumerate(part.split(f"{{{name}}}")):
        pieces += [(name,), text] if place else [text]
    return pieces


def pointed(document: Any, pointer: str) -> str:
    """Return the plain value at a JSON pointer as text, empty when there is none."""
    value = document
    for part in pointer.split("/")[1:] if pointer else []:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and (place := whole_number(name, len(value) - 1)) is not None:
            value = value[place]
        else:
            return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


class HttpGateway:
    """Gateway to an HTTP system of the bank or its provider."""

    at_once = 1

    def __init__(self, row: OutreachGateway, config: Settings) -> None:
        self.row: OutreachGateway | None = row
        self._settings = HttpSettings.model_validate(row.settings)
        self._config = config
        self._sealed = row.secret_cipher
        self.per_second = self._settings.per_second

    def send(self, contacts: Sequence[Contact], now: dt.datetime) -> list[Answer]:
        """Post the contacts. Anything but a clear answer is UNKNOWN."""
        return [self._send(each) for each in contacts]

    def _send(self, contact: Contact) -> Answer:
        values = {
            "key": str(contact.key),
            "phone": contact.phone,
            "text": contact.text,
            "channel": contact.channel,
        }
        body = filled(json.loads(self._settings.request), values)
        answer = self._exchange(self._settings.url, body, str(contact.key))
        # ABSENT makes no sense as an answer to sending.
        return Answer(Receipt.UNKNOWN, note=answer.note) if answer.receipt is Receipt.ABSENT else answer

    def ask(self, key: uuid.UUID, channel: str) -> Answer:
        """Ask for the status of a key."""
        if not self._settings.status_url:
            return Answer(Receipt.UNKNOWN, note=Said(N_("the gateway has no address for status queries")))
        values = {"key": str(key), "phone": "", "text": "", "channel": channel}
        body = filled(json.loads(self._settings.status_request), values)
        answer = self._exchange(self._settings.status_url, body, str(key))
        return Answer(Receipt.UNKNOWN, note=answer.note) if answer.receipt is Receipt.BUSY else answer

    def _exchange(self, url: str, body: Any, key: str) -> Answer:
        data = json.dumps(body, ensure_ascii=False).encode()
        try:
            headers = signed(key, data, opened(self._sealed, self._config))
            seconds = float(self._settings.seconds)
            status, answer = sender(self._config).exchange(url, data, headers, seconds)
        except TemporaryError as error:
            return Answer(Receipt.UNKNOWN, note=error.said)
        except DomainError as error:
            return Answer(Receipt.BUSY, note=error.said)
        return self._read(status, answer)

    def _read(self, status: int, answer: bytes) -> Answer:
        try:
            document = json.loads(answer)
        except ValueError:
            document = None
        result, settings = pointed(document, self._settings.result), self._settings
        note = Said.as_is(f"HTTP {status}" + (f", {truncate(result, 60)}" if result else ""))
        meanings = (
            (Receipt.REJECTED, settings.rejected),
            (Receipt.BUSY, settings.busy),
            (Receipt.ABSENT, settings.absent),
        )
        for taken, values in meanings:
            if result in values:
                return Answer(taken, note=note)
        if 200 <= status < 300 and result in settings.accepted:
            return Answer(Receipt.ACCEPTED, pointed(document, settings.ref)[:128], note)
        return Answer(Receipt.BUSY if status in NOT_TAKEN else Receipt.UNKNOWN, note=note)


def signed(key: str, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers of a request: key, time, and the signature over both and the body."""
    timestamp = str(int(dt.datetime.now(dt.UTC).timestamp()))
    text = f"{key}.{timestamp}.".encode() + body
    signature = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "lead-monitor",
        "idempotency-key": key,
        "x-timestamp": timestamp,
        "x-signature": f"sha256={signature}",
    }


def keep_secret(row: OutreachGateway, secret: str, config: Settings) -> None:
    """Store the secret for signing requests, encrypted. Does not commit."""
    row.secret_cipher = vault(config, PURPOSE).encrypt(secret.encode())


def opened(sealed: bytes | None, config: Settings) -> str:
    """Return a stored secret in clear, empty without one. Raises DomainError if SECRET_KEY was changed."""
    if sealed is None:
        return ""
    try:
        return vault(config, PURPOSE).decrypt(sealed).decode()
    except InvalidToken as error:
        raise DomainError(
            "The gateway's secret can't be read because SECRET_KEY was changed. Enter the secret again."
        ) from error

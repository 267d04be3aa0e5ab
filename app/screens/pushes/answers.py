"""What came of attempts: what a receiver wrote stays as it is, what we said ourselves is translated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from flask_babel import gettext as _

from app.errors import N_

#: What channels and their guard say by themselves, as it is stored.
OWN = (
    N_("SMTP_URL is not set: there is no mail server"),
    N_("the mail server refused: %(code)s"),
    N_("the person's record has no valid e-mail address"),
    N_("given up: each worker that tried it was interrupted"),
    N_("%(n)s of %(all)s recipients"),
    N_("%(n)s people reminded"),
    N_("the settings of this target are not complete"),
    N_("this target has no secret to sign with"),
    N_("the secret can't be read: SECRET_KEY was changed; make a new one"),
    N_("the folder is not below any of DROP_ROOTS"),
    N_("none of the leads is there any more"),
    N_("https is required"),
    N_("the host %(host)s is not on the allow-list WEBHOOK_ALLOW"),
    N_("%(host)s is a private address"),
    N_("the address has characters that don't belong there"),
    N_("this is not an address"),
    N_("the address must begin with https://"),
    N_("the address must not hold a user name or password"),
    N_("the address must not have a fragment"),
    N_("the host is neither a name nor a plain address"),
    N_("no answer within %(n)s s"),
    N_("%(kind)s: see the worker's log"),
    N_("ConnectError: %(host)s has no address"),
    N_("ConnectError: %(why)s"),
    N_("gone"),
)
Patterns = Sequence[tuple[re.Pattern[str], str]]
_PLACE = re.compile(r"%\\\((\w+)\\\)s")


def patterns(messages: Iterable[str]) -> Patterns:
    """What recognises messages whose places are filled in."""
    return [(re.compile(_PLACE.sub(r"(?P<\1>.+?)", re.escape(each))), each) for each in messages]


_PATTERNS = patterns(OWN)


def said(text: str | None, known: Patterns = _PATTERNS) -> str:
    """A stored answer to show; those of ``known`` in the language of the person who asks."""
    for pattern, message in known:
        found = pattern.fullmatch(text or "")
        if found:
            return _(message, **found.groupdict())
    return text or ""

"""Who could act under an account, and what to do about it, in words."""

from __future__ import annotations

from flask_babel import gettext as _

from app import labels
from app.access import password_links, taints
from app.models import Staff


def tainted_words(person: Staff) -> str:
    """Whether the account counts as a second person, and beside whom not."""
    others = taints.tainters_of(person)
    if not others:
        return _("Counts as a person of its own in approvals.")
    said = _(
        "Counts as one person with %(people)s, who set it up, reset its password or changed its address, "
        "until its owner chooses a password through a mailed link.",
        people=labels.joined(each.username for each in others),
    )
    return f"{said} {way_out()}"


def browser_words(agent: str) -> str:
    """A browser and its system, such as “Firefox 140 · Linux”, from what it calls itself.

    No version of Windows: newer ones call themselves 10.
    """
    # Its tables take a third of a second to load, which no command is to wait for.
    from ua_parser import parse

    found = parse(agent)
    browser, system = found.user_agent, found.os
    if browser is None and system is None:
        return _("Unknown")
    named = f"{browser.family} {browser.major or ''}".strip() if browser else _("Unknown")
    return f"{named} · {system.family}" if system else named


def way_out() -> str:
    """How accounts become persons of their own in approvals."""
    if password_links.can_be_sent():
        return _("Send such links on the users' pages.")
    return _(
        "No link can be sent until SMTP_URL, MAIL_FROM and PUBLIC_URL are set on the server. Until then, "
        "passwords can be reset there with “flask fab reset-password”; no administrator counts as having "
        "set them."
    )


def first_password_words() -> str:
    """What to type as the first password of a new log-in."""
    if password_links.can_be_sent():
        return _("Leave it empty: the person gets a link by mail and chooses one.")
    return _(
        "At least 10 characters with 2 capitals, 3 small letters, 2 digits and a special character. The "
        "person must choose another one at the first log-in."
    )

"""Texts about accounts: whether one counts as a second person, first passwords, and names of browsers."""

from __future__ import annotations

from flask_babel import gettext as _

from app import labels
from app.access import password_links, taints
from app.access.people import name_of
from app.models import Staff


def second_person_text(account: Staff) -> str:
    """Return whether the account counts as a person of its own in approvals, and if not, with whom as one."""
    others = taints.tainters_of(account)
    if not others:
        return _("Counts as a separate person in approvals.")
    text = _(
        "Counts as one person with %(people)s, who set it up, reset its password or changed its e-mail "
        "address, until its owner chooses a password through a mailed link.",
        people=labels.joined(name_of(each.username) for each in others),
    )
    return f"{text} {link_advice()}"


def browser_name(agent: str) -> str:
    """Return the browser and system of a user agent string, such as “Firefox 140 · Linux”.

    The version of the system is left out, because newer versions of Windows call themselves 10.
    """
    # Imported here because its tables take a third of a second to load, which would slow every command.
    from ua_parser import parse

    parsed = parse(agent)
    browser, system = parsed.user_agent, parsed.os
    if browser is None and system is None:
        return _("Unknown")
    name = f"{browser.family} {browser.major or ''}".strip() if browser else _("Unknown")
    return f"{name} · {system.family}" if system else name


def link_advice() -> str:
    """Return how accounts become persons of their own in approvals."""
    if password_links.can_be_sent():
        return _("Send password links on the users' pages.")
    return _(
        "No link can be sent until SMTP_URL, MAIL_FROM and PUBLIC_URL are set on the server. Until then, "
        "passwords can be reset there with “flask fab reset-password”; no administrator counts as having "
        "set them."
    )


def first_password_help() -> str:
    """Return the help text for the first password of a new account."""
    if password_links.can_be_sent():
        return _("Leave empty to mail the user a link for choosing a password.")
    return _(
        "At least 15 characters: some words that don't belong together, with spaces if you like. The user "
        "must choose another one at the first log-in."
    )

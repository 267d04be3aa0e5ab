"""Mailed links for choosing a password, valid once and for a day.

The secret stands in the URL fragment, which browsers never send, and is stored as a hash. Using a link proves
access to the account's mailbox and therefore clears the account's taints (app/access/taints.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from email.message import EmailMessage

from flask import render_template, url_for
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import update

from app.access import taints
from app.access.people import name_of
from app.errors import DomainError
from app.extensions import db
from app.lib import clock, mailer
from app.lib.settings import current_settings
from app.models import PasswordLink, Staff

HOURS = 24


def can_be_sent() -> bool:
    """Return whether a mail server and the public URL are configured."""
    settings = current_settings()
    return bool(settings.smtp_url and settings.public_url)


def send(person: Staff, user: Staff) -> None:
    """Mail a link for choosing a password to the person, invalidate their earlier ones and commit.

    Raises DomainError without a mail server or address, for a disabled log-in, and when the mail server
    refuses the mail. Nothing has changed then.
    """
    _check(person)
    token = secrets.token_urlsafe(32)
    link = PasswordLink(
        person_id=person.id,
        token_hash=_hash(token),
        sent_to=person.email,
        created_by=user.username,
        expires_at=clock.now() + dt.timedelta(hours=HOURS),
    )
    db.session.add(link)
    db.session.flush()
    with force_locale(person.language):
        mail = _compose(person, link, token)
    db.session.commit()
    try:
        mailer.send(mail, current_settings())
    except mailer.MailError as error:
        db.session.delete(link)
        db.session.commit()
        raise DomainError("The mail could not be sent: %(answer)s", answer=error.said) from error
    _expire_open(person, except_id=link.id)
    db.session.commit()


def use(token: str) -> Staff:
    """Use up a link and clear its account's taints, without committing. Return the account.

    Raises DomainError when the link has been used, has expired or was replaced, or when the log-in has been
    disabled or given another address since.
    """
    used = db.session.execute(
        update(PasswordLink)
        .where(
            PasswordLink.token_hash == _hash(token),
            PasswordLink.used_at.is_(None),
            PasswordLink.expires_at > clock.BEGAN,
        )
        .values(used_at=clock.BEGAN)
        .returning(PasswordLink.person_id, PasswordLink.sent_to)
    ).one_or_none()
    person = db.session.get(Staff, used.person_id) if used else None
    if used is None or person is None or not person.active or person.email != used.sent_to:
        raise DomainError(
            "This link has already been used, has expired or has been replaced by a newer one. "
            "Ask your administrator for a new one."
        )
    _expire_open(person)
    taints.clear(person)
    return person


def _check(person: Staff) -> None:
    if not can_be_sent():
        raise DomainError(
            "No link can be sent until SMTP_URL, MAIL_FROM and PUBLIC_URL are set on the server. Until then, "
            "passwords can be reset there with “flask fab reset-password”; no administrator counts as having "
            "set them."
        )
    if not person.active:
        raise DomainError("%(name)s is switched off.", name=name_of(person.username))
    if not mailer.is_address(person.email or ""):
        raise DomainError("%(name)s has no valid e-mail address.", name=name_of(person.username))


def _expire_open(person: Staff, except_id: int = 0) -> None:
    db.session.execute(
        update(PasswordLink)
        .where(PasswordLink.person_id == person.id, PasswordLink.id != except_id)
        .where(PasswordLink.used_at.is_(None), PasswordLink.expires_at > clock.BEGAN)
        .values(expires_at=clock.BEGAN)
    )


def _compose(person: Staff, link: PasswordLink, token: str) -> EmailMessage:
    settings = current_settings()
    until = link.expires_at.astimezone(settings.zone)
    given = {
        "username": person.username,
        "by": link.created_by,
        "url": f"{settings.public_url}{url_for('PasswordLinkView.choose')}#{token}",
        "until": f"{until:%Y-%m-%d %H:%M}",
    }
    mail = mailer.draft(f"password-{link.id}", [link.sent_to], _("Choose your password"), settings)
    mail.set_content(render_template("mail/password.txt", **given))
    mail.add_alternative(render_template("mail/password.html", **given), subtype="html")
    return mail


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

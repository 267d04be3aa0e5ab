"""Mailed links by which the owner of an account chooses a password: once, within a day.

The secret is in the address's fragment, which browsers send to nobody, and is kept as a hash. Whoever uses it
reads the account's mail; nobody who set the account up can act under it any longer (app/access/hands.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from email.message import EmailMessage

from flask import current_app, render_template, url_for
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import func, update

from app.access import hands
from app.errors import DomainError
from app.extensions import db
from app.lib import clock, mailer
from app.models import PasswordLink, Staff
from config import Settings

HOURS = 24


def can_be_sent() -> bool:
    """Whether this installation has a mail server and knows its own address."""
    settings = _settings()
    return bool(settings.smtp_url and settings.public_url)


def send(person: Staff, by: Staff) -> None:
    """Mail the person a link to choose a password; earlier ones end. Commits.

    Raises DomainError without a mail server or address, for a log-in that is switched off, and when the mail
    server doesn't take the mail: then nothing has changed.
    """
    _check(person)
    token = secrets.token_urlsafe(32)
    link = PasswordLink(
        person_id=person.id,
        token_hash=_hash(token),
        sent_to=person.email,
        created_by=by.username,
        expires_at=clock.now() + dt.timedelta(hours=HOURS),
    )
    db.session.add(link)
    db.session.flush()
    with force_locale(person.language):
        mail = _written(person, link, token)
    db.session.commit()
    try:
        mailer.send(mail, _settings())
    except mailer.MailError as error:
        db.session.delete(link)
        db.session.commit()
        raise DomainError("The mail could not be sent: %(answer)s", answer=error.said) from error
    _end_open(person, but=link.id)
    db.session.commit()


def use(token: str) -> Staff:
    """Take the link's one use and clear the account of everybody who set it up; whose it is. Does not commit.

    Raises DomainError when the link was used, has expired or was replaced, or the log-in has been switched
    off or given another address since.
    """
    taken = db.session.execute(
        update(PasswordLink)
        .where(
            PasswordLink.token_hash == _hash(token),
            PasswordLink.used_at.is_(None),
            PasswordLink.expires_at > func.now(),
        )
        .values(used_at=func.now())
        .returning(PasswordLink.person_id, PasswordLink.sent_to)
    ).one_or_none()
    person = db.session.get(Staff, taken.person_id) if taken else None
    if taken is None or person is None or not person.active or person.email != taken.sent_to:
        raise DomainError(
            "This link was used already, has expired or was replaced by a newer one. "
            "Ask your administrator for a new one."
        )
    _end_open(person)
    hands.clear(person)
    return person


def _check(person: Staff) -> None:
    if not can_be_sent():
        raise DomainError(
            "No link can be sent: whoever runs the server must set SMTP_URL, MAIL_FROM and PUBLIC_URL first. "
            "Until then passwords given there by “flask fab reset-password” count as nobody's."
        )
    if not person.active:
        raise DomainError("%(name)s is switched off.", name=person.username)
    if not mailer.is_address(person.email or ""):
        raise DomainError("%(name)s has no valid e-mail address.", name=person.username)


def _end_open(person: Staff, but: int = 0) -> None:
    db.session.execute(
        update(PasswordLink)
        .where(PasswordLink.person_id == person.id, PasswordLink.used_at.is_(None), PasswordLink.id != but)
        .where(PasswordLink.expires_at > func.now())
        .values(expires_at=func.now())
    )


def _written(person: Staff, link: PasswordLink, token: str) -> EmailMessage:
    settings = _settings()
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


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings

"""E-mail: headers of the product's mails, and sending through the bank's mail server."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import Any
from urllib.parse import unquote, urlsplit

from flask_babel import gettext as _

from app.errors import DomainError
from config import Settings

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
DEFAULT_PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
SECONDS = 15.0


class MailError(DomainError):
    """A mail was not sent; ``permanent`` when a retry is useless. The text holds no personal data."""

    def __init__(self, message: str, *, permanent: bool = False, **values: Any) -> None:
        self.permanent = permanent
        super().__init__(message, **values)


def is_address(text: str) -> bool:
    """Return whether the text is one plain e-mail address."""
    return ADDRESS.fullmatch(text) is not None


def draft(key: str, to: Sequence[str], subject: str, config: Settings) -> EmailMessage:
    """Return a mail in the current language, without a body.

    ``key`` identifies the mail: when it is sent again it has the same Message-ID, so that receivers can
    recognise the duplicate.
    """
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = formataddr((_("Lead Monitor"), config.mail_from))
    mail["To"] = ", ".join(to)
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{key}@{config.mail_from.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    return mail


def send(mail: EmailMessage, config: Settings, seconds: float = SECONDS) -> int:
    """Send a mail through SMTP_URL. Return how many recipients were accepted. Raises MailError."""
    if not config.smtp_url:
        raise MailError("SMTP_URL is not set: there is no mail server")
    try:
        refused = _hand_over(mail, config, seconds)
    except smtplib.SMTPRecipientsRefused as error:
        raise _refusal(min(code for code, _text in error.recipients.values())) from error
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code) from error
    except (OSError, smtplib.SMTPException) as error:
        raise MailError("%(kind)s: %(why)s", kind=type(error).__name__, why=str(error)) from error
    return len(mail["To"].addresses) - len(refused)


def _refusal(code: int) -> MailError:
    return MailError("the mail server refused: %(code)s", permanent=500 <= code < 600, code=code)


def _hand_over(mail: EmailMessage, config: Settings, seconds: float) -> dict[str, Any]:
    """Send the mail. Return the recipients that were refused while others were accepted."""
    server = urlsplit(config.smtp_url)
    host, port = server.hostname or "", server.port or DEFAULT_PORTS[server.scheme]
    context = ssl.create_default_context()
    if server.scheme == "smtps":
        opened: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=seconds, context=context)
    else:
        opened = smtplib.SMTP(host, port, timeout=seconds)
    with opened as smtp:
        if server.scheme == "smtp":
            smtp.starttls(context=context)
        if server.username:
            smtp.login(unquote(server.username), unquote(server.password or ""))
        return smtp.send_message(mail)

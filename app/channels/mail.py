"""E-mail digests: what was pushed, as text and HTML with a picture, phones masked."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections import Counter
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from flask import render_template
from flask_babel import force_locale, lazy_gettext
from flask_babel import gettext as _
from pydantic import Field, field_validator

from app.channels.base import ChannelSettings, Limits, Message, PermanentError, Sent, TemporaryError, Words
from app.channels.picture import bars
from app.errors import FieldError
from config import Settings

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
GRADE_COLOURS = {"A": "#cf1322", "B": "#d46b08", "C": "#1677ff", "D": "#8c8c8c"}
DEFAULT_PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
LANGUAGES = [("zh", "中文"), ("en", "English")]


class MailSettings(ChannelSettings):
    """Whom to write, in which language, and how long the list in the mail may be."""

    to: Annotated[
        list[str],
        Field(min_length=1, max_length=50),
        Words(lazy_gettext("Recipients"), lazy_gettext("One e-mail address a line."), lines=True),
    ]
    rows: Annotated[
        int,
        Field(ge=0, le=200),
        Words(
            lazy_gettext("Leads in the mail"), lazy_gettext("The best ones by score; the rest is counted.")
        ),
    ] = 20
    language: Annotated[Literal["zh", "en"], Words(lazy_gettext("Language"), choices=LANGUAGES)] = "zh"

    @field_validator("to")
    @classmethod
    def _are_addresses(cls, addresses: list[str]) -> list[str]:
        for address in addresses:
            if not ADDRESS.fullmatch(address):
                raise FieldError("to", "“%(value)s” is not an e-mail address.", value=address[:80])
        return addresses


class Mail:
    """Sends a digest by SMTP."""

    kind = "email"
    label = lazy_gettext("E-mail digest")
    settings = MailSettings
    limits = Limits(hits=10_000, seconds=15.0)
    signs = False

    def send(self, message: Message, settings: MailSettings, secret: str, config: Settings) -> Sent:
        """Hand the mail to the server of SMTP_URL. A retry carries the same Message-ID."""
        if not config.smtp_url:
            raise TemporaryError("SMTP_URL is not set: there is no mail server")
        with force_locale(settings.language):
            mail = digest(message, settings, config)
        try:
            refused = _hand_over(mail, config, self.limits.seconds)
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(min(code for code, _text in error.recipients.values())) from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code) from error
        except (OSError, smtplib.SMTPException) as error:
            raise TemporaryError(f"{type(error).__name__}: {error}") from error
        taken = len(settings.to) - len(refused)
        return Sent(f"{taken} of {len(settings.to)} recipients")


def _refusal(code: int) -> PermanentError | TemporaryError:
    kind = PermanentError if 500 <= code < 600 else TemporaryError
    return kind(f"the mail server refused: {code}")


def digest(message: Message, settings: MailSettings, config: Settings) -> EmailMessage:
    """The mail in the present language."""
    grades = Counter(hit.grade for hit in message.hits)
    given: dict[str, Any] = {
        "message": message,
        "slot": message.slot.astimezone(config.zone),
        "best": sorted(message.hits, key=lambda hit: (-hit.score, hit.id))[: settings.rows],
        "grades": sorted(grades.items()),
        "rules": Counter(hit.rule_name for hit in message.hits).most_common(),
        "url": f"{config.public_url}/hitview/list/" if config.public_url else "",
    }
    mail = EmailMessage()
    subject = _("%(n)s high-potential leads: %(schedule)s", n=message.total, schedule=message.schedule_name)
    subject += f" ({message.part}/{message.parts})" if message.parts > 1 else ""
    mail["Subject"] = f"[{_('Test')}] {subject}" if message.test else subject
    mail["From"] = formataddr((_("Lead Monitor"), config.mail_from))
    mail["To"] = ", ".join(settings.to)
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message.id}@{config.mail_from.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(render_template("mail/digest.txt", **given))
    mail.add_alternative(render_template("mail/digest.html", **given), subtype="html")
    picture = bars([(grade, grades.get(grade, 0), colour) for grade, colour in GRADE_COLOURS.items()])
    html: Any = mail.get_payload(1)
    html.add_related(picture, "image", "png", cid="<grades>", filename="grades.png")
    return mail


def _hand_over(mail: EmailMessage, config: Settings, seconds: float) -> dict[str, Any]:
    """Send it; the recipients that were refused while others were taken."""
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


CHANNEL = Mail()

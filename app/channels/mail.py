"""E-mail digests of pushes, as text and HTML with a chart and masked phone numbers."""

from __future__ import annotations

from collections import Counter
from email.message import EmailMessage
from typing import Annotated, Any, Literal

from flask import render_template
from flask_babel import force_locale, lazy_gettext
from flask_babel import gettext as _
from pydantic import Field, field_validator

from app.channels.base import ChannelSettings, Limits, Message, PermanentError, Sent, TemporaryError, Words
from app.channels.picture import bars
from app.errors import N_, FieldError, Said
from app.lib import mailer
from app.lib.pointers import to_rows
from config import Settings

GRADE_COLOURS = {"A": "#cf1322", "B": "#d46b08", "C": "#1677ff", "D": "#8c8c8c"}
LANGUAGES = [("zh", "中文"), ("en", "English")]


class MailSettings(ChannelSettings):
    """Recipients, language, and the number of leads listed in the mail."""

    to: Annotated[
        list[str],
        Field(min_length=1, max_length=50),
        Words(lazy_gettext("Recipients"), lazy_gettext("One e-mail address per line."), lines=True),
    ]
    rows: Annotated[
        int,
        Field(ge=0, le=200),
        Words(
            lazy_gettext("Leads in the mail"),
            lazy_gettext("Those with the highest scores; the others are only counted."),
        ),
    ] = 20
    language: Annotated[Literal["zh", "en"], Words(lazy_gettext("Language"), choices=LANGUAGES)] = "zh"

    @field_validator("to")
    @classmethod
    def _are_addresses(cls, addresses: list[str]) -> list[str]:
        for address in addresses:
            if not mailer.is_address(address):
                raise FieldError("to", "“%(value)s” is not an e-mail address.", value=address[:80])
        return addresses


class Mail:
    """Channel that sends a digest by SMTP."""

    kind = "email"
    label = lazy_gettext("E-mail digest")
    settings = MailSettings
    limits = Limits(hits=10_000, seconds=15.0)
    signs = False
    tells_status = False

    def send(self, message: Message, settings: MailSettings, secret: str, config: Settings) -> Sent:
        """Send the mail to the server of SMTP_URL. A retry has the same Message-ID."""
        with force_locale(settings.language):
            mail = digest(message, settings, config)
        try:
            taken = mailer.send(mail, config, self.limits.seconds)
        except mailer.MailError as error:
            raise (PermanentError if error.permanent else TemporaryError)(
                error.message, **error.values
            ) from error
        return Sent(Said(N_("%(n)s of %(all)s recipients"), {"n": taken, "all": len(settings.to)}))


def digest(message: Message, settings: MailSettings, config: Settings) -> EmailMessage:
    """Return the mail in the current language."""
    grades = Counter(hit.grade for hit in message.hits)
    context: dict[str, Any] = {
        "message": message,
        "slot": message.slot.astimezone(config.zone),
        "best": sorted(message.hits, key=lambda hit: (-hit.score, hit.id))[: settings.rows],
        "grades": sorted(grades.items()),
        "rules": Counter(hit.rule_name for hit in message.hits).most_common(),
        "public_url": config.public_url,
        "opens": to_rows("hit"),
    }
    subject = _("%(n)s high-potential leads: %(schedule)s", n=message.total, schedule=message.schedule_name)
    subject += f" ({message.part}/{message.parts})" if message.parts > 1 else ""
    subject = f"[{_('Test')}] {subject}" if message.test else subject
    mail = mailer.draft(message.id, settings.to, subject, config)
    mail.set_content(render_template("mail/digest.txt", **context))
    mail.add_alternative(render_template("mail/digest.html", **context), subtype="html")
    picture = bars([(grade, grades.get(grade, 0), colour) for grade, colour in GRADE_COLOURS.items()])
    html: Any = mail.get_payload(1)
    html.add_related(picture, "image", "png", cid="<grades>", filename="grades.png")
    return mail


CHANNEL = Mail()

"""Templates: checking, measuring and rendering their texts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.errors import DomainError, FieldError
from app.extensions import db
from app.facts import catalogue
from app.facts.definition import FactDef
from app.models import ForbiddenWord, Lead, OutreachTemplate, OutreachTemplateVersion
from app.outreach import text_facts
from app.segments.sentence import name_of

CHANNELS = ("sms", "call")
#: variables that a template may contain, with their descriptions
VARIABLES: dict[str, Any] = {
    "surname": lazy_gettext("the customer's surname"),
    "name": lazy_gettext("the customer's full name"),
    "branch": lazy_gettext("the customer's branch"),
    "month": lazy_gettext("the month of sending, as a number"),
    "day": lazy_gettext("the day of sending, as a number"),
}
#: values as long as most customers have, to measure a text without a customer
_TYPICAL = {"surname": "某", "name": "某某某", "branch": "某某某某支行", "month": "12", "day": "31"}
_TYPICAL_FACT = "2026-12-31"
MAX_CHARS = {"sms": 500, "call": 2000}
_PLACE = re.compile(r"\{([^{}]*)\}")
_DOUBLE_SURNAMES = (
    *("欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "令狐", "慕容", "司徒", "夏侯"),
    *("端木", "南宫", "长孙", "宇文", "轩辕", "钟离", "澹台", "申屠"),
)
#: GSM 03.38: characters of one septet, and those that take two
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWO = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True)
class Length:
    """Length of an SMS: ``chars`` in units of its ``alphabet``, and the ``segments`` it is charged for."""

    chars: int
    segments: int
    alphabet: str


def length(text: str) -> Length:
    """Return the length of an SMS in GSM-7 (160, or 153 a segment) or UCS-2 (70, or 67 a segment)."""
    if all(char in _GSM or char in _GSM_TWO for char in text):
        chars = sum(2 if char in _GSM_TWO else 1 for char in text)
        return Length(chars, 1 if chars <= 160 else -(-chars // 153), "GSM-7")
    chars = len(text.encode("utf-16-le")) // 2
    return Length(chars, 1 if chars <= 70 else -(-chars // 67), "UCS-2")


def stored(body: str) -> str:
    """Return a text as it is stored: without space around it and at the ends of lines."""
    return "\n".join(line.rstrip() for line in body.strip().splitlines())


def check_body(channel: str, body: str, facts: Iterable[FactDef] | None = None) -> str:
    """Return a template's text in its stored form. Raises FieldError that says what is wrong and where.

    ``facts`` are those that it may name, by default those in the database.
    """
    text = stored(body)
    if not text:
        raise FieldError("body", "Enter the text that the customer will read or hear.")
    if len(text) > MAX_CHARS[channel]:
        raise FieldError(
            "body",
            "The text has %(n)s characters; the limit is %(most)s.",
            n=len(text),
            most=MAX_CHARS[channel],
        )
    _check_places(text, facts)
    words = forbidden_in(text)
    if words:
        raise FieldError("body", "These words are not allowed: %(words)s.", words=", ".join(words))
    return text


def _check_places(text: str, facts: Iterable[FactDef] | None) -> None:
    known = list(catalogue.definitions().values() if facts is None else facts)
    for name in _PLACE.findall(text):
        if name.startswith(text_facts.PREFIX):
            text_facts.check(name.removeprefix(text_facts.PREFIX), known)
        elif name not in VARIABLES:
            raise FieldError(
                "body",
                "There is no variable {%(name)s}; the variables are: %(names)s.",
                name=name[:40],
                names=", ".join(f"{{{each}}}" for each in variables(known)),
            )
    if "{" in _PLACE.sub("", text) or "}" in _PLACE.sub("", text):
        raise FieldError("body", "There is an unmatched curly bracket; variables look like {surname}.")


def variables(facts: Iterable[FactDef]) -> dict[str, Any]:
    """Return the variables that a text may contain, facts included, with their descriptions."""
    named = text_facts.usable(facts)
    return {**VARIABLES, **{text_facts.PREFIX + code: name_of(fact) for code, fact in named.items()}}


def forbidden_in(text: str) -> list[str]:
    """Return the forbidden words in a text, also with spaces or signs between their characters."""
    plain = _folded(text)
    return [word for word in db.session.scalars(select(ForbiddenWord.word)) if _folded(word) in plain]


def _folded(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def check_word(word: str) -> str:
    """Return a forbidden word in its stored form. Raises FieldError."""
    stripped = word.strip()
    if not _folded(stripped):
        raise FieldError("word", "A forbidden word needs at least one letter or digit.")
    return stripped


def store(template: OutreachTemplate, body: str, username: str) -> OutreachTemplateVersion:
    """Add a new version to a template if its text differs from the newest. Return the newest version.

    Flushes, does not commit. Raises FieldError.
    """
    text = check_body(template.channel, body)
    newest = template.versions[0] if template.versions else None
    if newest is not None and newest.body == text:
        return newest
    number = newest.number + 1 if newest else 1
    version = OutreachTemplateVersion(number=number, body=text, created_by=username)
    template.versions.insert(0, version)
    db.session.add(template)
    db.session.flush()
    return version


def usable(channel: str) -> list[OutreachTemplate]:
    """Return the active templates of a channel, sorted by name."""
    query = select(OutreachTemplate).where(OutreachTemplate.channel == channel, OutreachTemplate.active)
    return list(db.session.scalars(query.order_by(OutreachTemplate.name)))


def for_products(channel: str, products: Collection[str]) -> list[OutreachTemplate]:
    """Return the active templates of a channel for a rule's products: those that name one, else general ones.

    A rule without products counts any, so that every template is for it.
    """
    known = [each for each in usable(channel) if each.versions]
    if not products:
        return known
    named = [each for each in known if set(each.products) & set(products)]
    return named or [each for each in known if not each.products]


def newest(template_id: str | None, channel: str, field: str = "template") -> OutreachTemplateVersion:
    """Return the newest version of a template selected in a form's field.

    Raises FieldError when there is none or it contains forbidden words.
    """
    template = next((each for each in usable(channel) if str(each.id) == template_id), None)
    if template is None or not template.versions:
        raise FieldError(field, "Choose a template.")
    words = forbidden_in(template.versions[0].body)
    if words:
        raise FieldError(field, "These words are no longer allowed: %(words)s.", words=", ".join(words))
    return template.versions[0]


def render(body: str, values: Mapping[str, str], channel: str, opt_out: str) -> str:
    """Return the text for the customer. Raises DomainError for an unknown variable."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise DomainError("There is no variable {%(name)s}.", name=match[1][:40])
        return values[match[1]]

    text = _PLACE.sub(value, body)
    if channel != "sms" or not opt_out:
        return text
    return f"{text} {opt_out}" if text[-1:].isascii() else text + opt_out


def typical(body: str, channel: str, opt_out: str) -> str:
    """Return a text about as long as a customer would get it, in whatever language it is asked for."""
    facts = {text_facts.PREFIX + code: _TYPICAL_FACT for code in text_facts.named(body)}
    return render(body, facts | _TYPICAL, channel, opt_out)


def in_words(body: str) -> str:
    """Return a text with the descriptions of its variables in their place."""
    words = _descriptions(body)
    return _PLACE.sub(lambda place: words.get(place[1], place[0]), body)


def _descriptions(body: str) -> dict[str, str]:
    words = variables(catalogue.definitions().values())
    # A fact that may not be named any more is shown by its code.
    codes = {text_facts.PREFIX + code: code for code in text_facts.named(body)}
    return {name: f"〔{word}〕" for name, word in {**codes, **words}.items()}


def example(version: OutreachTemplateVersion, lead: Lead | None, day: dt.date, opt_out: str) -> str:
    """Return the text as a customer would read it, masked.

    Without a customer, the variables are replaced by their descriptions; otherwise facts that aren't known.
    """
    shown = _descriptions(version.body)
    if lead is not None:
        told = text_facts.tell([version.body], [lead.id], day)
        shown |= values_of(lead, day, masked=True) | dict(told.get(lead.id, {}))
    return render(version.body, shown, version.template.channel, opt_out)


def values_of(lead: Lead, day: dt.date, *, masked: bool = False) -> dict[str, str]:
    """Return the values of the variables for a lead, with the name masked for previews."""
    variables = values(lead.name, lead.branch.name if lead.branch else "", day)
    if masked:
        family = variables["surname"]
        variables["name"] = family + "*" * max(1, len(variables["name"]) - len(family))
    return variables


def values(name: str, branch: str, day: dt.date) -> dict[str, str]:
    """Return the values of the variables for a customer with that name and branch."""
    whole = name.strip()
    return {
        "surname": surname(whole),
        "name": whole,
        "branch": branch,
        "month": str(day.month),
        "day": str(day.day),
    }


def surname(name: str) -> str:
    """Return the family name of a Chinese name, or the first word of another name."""
    first = name.split()[0] if name.split() else ""
    if first[:1].isascii():
        return first
    return first[:2] if first[:2] in _DOUBLE_SURNAMES and len(first) > 2 else first[:1]

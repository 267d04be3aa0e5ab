"""Bring the Chinese catalogue up to date with the messages of code and templates.

New messages are added without a translation, for a person to fill in; those that are gone are dropped.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_keywords, parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
CATALOGUE = ROOT / "app" / "translations" / "zh" / "LC_MESSAGES" / "messages.po"
#: errors whose message is translated when it is shown
ERRORS = (
    *("DomainError", "NotAllowed", "PermanentError", "TemporaryError", "MailError"),
    *("ActivityError", "RefusedFile"),
)
#: besides gettext's own: markers and errors
KEYWORDS = ("lazy_gettext", "_", "N_", "FieldError:2", "LeadsError:2", *(f"{name}:1" for name in ERRORS))


def extract() -> Catalog:
    """Return the messages in the sources."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    words = DEFAULT_KEYWORDS | parse_keywords(KEYWORDS)
    catalog = Catalog()
    for _file, line, message, _comments, context in extract_from_dir(
        str(ROOT / "app"), methods, options, words
    ):
        catalog.add(message, lineno=line, context=context)
    return catalog


def chinese() -> Catalog:
    """Return the stored Chinese catalogue."""
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="zh")


def missing(sources: Catalog, translated: Catalog) -> list[str]:
    """Return the messages without a translation."""
    pairs = ((message, translated.get(message.id, message.context)) for message in sources if message.id)
    return [str(message.id) for message, known in pairs if not known or not any(known.string)]


def update() -> list[str]:
    """Rewrite the catalogue. Return the messages that still need a translation."""
    sources, old = extract(), chinese()
    new = Catalog(locale="zh", fuzzy=False, charset="utf-8")
    new.header_comment = "# Chinese words of Lead Monitor."
    for message in sources:
        if message.id:
            known = old.get(message.id, message.context)
            new.add(message.id, known.string if known else "", flags=message.flags, context=message.context)
    text = io.BytesIO()
    write_po(text, new, width=0, sort_output=True)
    CATALOGUE.write_text(_without_dates(text.getvalue().decode()), encoding="utf-8")
    return missing(sources, new)


def _without_dates(text: str) -> str:
    """Return the catalogue without header lines that change each time or stay empty."""
    noise = ("Project-Id", "Report-Msgid", "POT-Creation", "PO-Revision", "Last-Translator", "Language-Team")
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(tuple(f'"{name}' for name in noise)))


if __name__ == "__main__":
    for each in update():
        print("not translated yet:", each)

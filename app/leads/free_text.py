"""Free texts from people and programs: cleaning them, and recognising texts without meaning."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: placeholders for a missing value, as normalised by ``_plain``
_PLACEHOLDERS = frozenset(
    (
        *(
            "null",
            "(null)",
            "<null>",
            "[null]",
            "\\n",
            "nil",
            "none",
            "nan",
            "na",
            "n/a",
            "undefined",
            "unknown",
        ),
        *(
            "(blank)",
            "(空白)",
            "空白",
            "空",
            "无",
            "暂无",
            "没有",
            "未知",
            "不详",
            "不明",
            "缺失",
            "未填",
            "未填写",
        ),
        *("待补", "待补充", "true", "false"),
    )
)
_YEAR = r"(?:19|20)[0-9]{2}"
_CLOCK = r"[0-9]{1,3}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
#: errors of spreadsheet formulas, cells that were too narrow, dates and times
_ERROR = r"#n/?a(?: n/a)?|#[a-z0-9/_]+[!?]|#getting_data|#+|err:[0-9]+"
_DATE = (
    rf"{_YEAR}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}|[0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.]{_YEAR}"
    rf"|(?:{_YEAR}年)?[0-9]{{1,2}}月(?:[0-9]{{1,2}}[日号])?|{_YEAR}年"
    rf"|[0-9]{{1,2}}[- ]{_MONTH}(?:[- ][0-9]{{2,4}})?|{_MONTH}[- ][0-9]{{2,4}}"
)
_NO_VALUE = re.compile(rf"{_ERROR}|{_CLOCK}|(?:{_DATE})(?:[t ]{_CLOCK})?|0(?:\.0+)?")
#: decimals, signed numbers, percentages and grouped digits: amounts instead of codes
_AMOUNT = re.compile(
    r"[+-]?[0-9,]*\.[0-9]+(?:e[+-]?[0-9]+)?%?|[+-][0-9,]+%?|[0-9,]+%|[0-9]{1,3}(?:,[0-9]{3})+"
)
_SCIENTIFIC = re.compile(r"[0-9.]+e[+-]?[0-9]+")
_LETTERS = ("L", "Nl", "Co", "Cn")


def clean_text(text: str) -> str:
    """Return ``text`` without unusable characters (see ``unusable_characters``) and outer spaces."""
    if not text.isprintable():
        text = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _is_unusable(c))
    return text.strip()


def unusable_characters(text: str) -> list[str]:
    """Return the characters that ``clean_text`` removes, as ``U+200B``.

    They are control and format characters, surrogates and noncharacters. Characters for private use, and
    those newer than this version of Python, occur in names and are kept.
    """
    if text.isprintable():
        return []
    return [f"U+{ord(c):04X}" for c in text if not c.isspace() and _is_unusable(c)]


def _is_unusable(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cn":
        return ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef"
    return category in ("Cc", "Cf", "Cs")


@lru_cache(maxsize=4096)
def is_not_a_value(text: str) -> bool:
    """Return whether a clean text is a placeholder, a date, a time, a truth value or a formula error."""
    return _is_meaningless(_plain(text))


def is_not_a_name(text: str) -> bool:
    """Return whether a clean text can't be a name: it is not a value, or has no letter."""
    # Shortcut for nearly every name: its characters need no normalisation.
    plain = text if "\u3400" <= text[:1] <= "\u9fff" and text.isalpha() else _plain(text)
    if plain.isalpha():
        return plain in _PLACEHOLDERS
    return _is_meaningless(plain) or bool(_SCIENTIFIC.fullmatch(plain)) or not any(map(_is_letter, plain))


def is_not_a_branch(text: str) -> bool:
    """Return whether a clean text can't be a branch's name or code: it is not a value, or an amount."""
    return is_not_a_value(text) or bool(_AMOUNT.fullmatch(_plain(text)))


def _is_meaningless(plain: str) -> bool:
    if plain in _PLACEHOLDERS or _NO_VALUE.fullmatch(plain):
        return True
    return not any(c.isalnum() or _is_letter(c) for c in plain)


def _plain(text: str) -> str:
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(folded.casefold().split())


def _is_letter(character: str) -> bool:
    return character.isalpha() or unicodedata.category(character) in _LETTERS

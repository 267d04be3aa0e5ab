"""Texts that people type or programs deliver: what can be kept of them, and what means nothing."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: what stands for nothing, as ``_plain`` writes it
_NOTHING = frozenset(
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
#: results of a spreadsheet's formulas that failed, cells too narrow, dates and times
_ERROR = r"#n/?a(?: n/a)?|#[a-z0-9/_]+[!?]|#getting_data|#+|err:[0-9]+"
_DATE = (
    rf"{_YEAR}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}|[0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.]{_YEAR}"
    rf"|(?:{_YEAR}年)?[0-9]{{1,2}}月(?:[0-9]{{1,2}}[日号])?|{_YEAR}年"
    rf"|[0-9]{{1,2}}[- ]{_MONTH}(?:[- ][0-9]{{2,4}})?|{_MONTH}[- ][0-9]{{2,4}}"
)
_NO_VALUE = re.compile(rf"{_ERROR}|{_CLOCK}|(?:{_DATE})(?:[t ]{_CLOCK})?|0(?:\.0+)?")
#: decimals, signed numbers, shares, and digits in groups: amounts, no codes
_AMOUNT = re.compile(
    r"[+-]?[0-9,]*\.[0-9]+(?:e[+-]?[0-9]+)?%?|[+-][0-9,]+%?|[0-9,]+%|[0-9]{1,3}(?:,[0-9]{3})+"
)
_SCIENTIFIC = re.compile(r"[0-9.]+e[+-]?[0-9]+")
_LETTERS = ("L", "Nl", "Co", "Cn")


def clean_text(text: str) -> str:
    """``text`` without what no text has (see ``lost_characters``) and without outer spaces."""
    if not text.isprintable():
        text = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _is_lost(c))
    return text.strip()


def lost_characters(text: str) -> list[str]:
    """What ``clean_text`` leaves out, as ``U+200B``.

    Those are control and format characters, surrogates and noncharacters. Characters for private use, and
    those that are newer than this Python, stay: people have them in names.
    """
    if text.isprintable():
        return []
    return [f"U+{ord(c):04X}" for c in text if not c.isspace() and _is_lost(c)]


def _is_lost(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cn":
        return ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef"
    return category in ("Cc", "Cf", "Cs")


@lru_cache(maxsize=4096)
def is_no_value(text: str) -> bool:
    """Whether a clean text stands for nothing, or is a date, a time, a truth value or a failed formula."""
    return _says_nothing(_plain(text))


def is_no_name(text: str) -> bool:
    """Whether a clean text can't be anybody's name: it is no value, or has no letter."""
    # Nearly every name: characters that are written in one way only.
    plain = text if "\u3400" <= text[:1] <= "\u9fff" and text.isalpha() else _plain(text)
    if plain.isalpha():
        return plain in _NOTHING
    return _says_nothing(plain) or bool(_SCIENTIFIC.fullmatch(plain)) or not any(map(_is_letter, plain))


def is_no_branch(text: str) -> bool:
    """Whether a clean text can't be a branch's name or code: it is no value, or an amount."""
    return is_no_value(text) or bool(_AMOUNT.fullmatch(_plain(text)))


def _says_nothing(plain: str) -> bool:
    if plain in _NOTHING or _NO_VALUE.fullmatch(plain):
        return True
    return not any(c.isalnum() or _is_letter(c) for c in plain)


def _plain(text: str) -> str:
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(folded.casefold().split())


def _is_letter(character: str) -> bool:
    return character.isalpha() or unicodedata.category(character) in _LETTERS

"""Colours of the pages: every one a variable with a dark value, and readable in both."""

from __future__ import annotations

import re

import pytest

from app.console.frame import STATIC

LIGHT, DARK = ((STATIC / name).read_text() for name in ("console.css", "dark.css"))
COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl)a?\(", re.IGNORECASE)
#: text → the grounds on which it stands
TEXT = {
    "ink": "card ground hover head grey-pale blue-pale",
    "ink-2": "card ground hover head grey-pale",
    "ink-3": "card ground hover weekend",
    "blue": "card ground hover",
    "blue-dark": "card hover blue-pale",
    "grey": "card grey-pale",
    "amber": "card amber-pale",
    "green": "card green-pale",
    "red": "card red-pale red-ground",
    "purple": "purple-pale",
    "teal": "teal-pale",
    "pink": "pink-pale",
    "on-fill": "blue-fill blue-fill-2 red-fill badge pitch pitch-2",
    "grade-a-ink": "grade-a",
    "grade-b-ink": "grade-b",
    "grade-c-ink": "grade-c",
    "high-ink": "high",
    "medium-ink": "medium",
    "low-ink": "low",
    "pitch-ink": "pitch pitch-2",
}


def variables(css: str) -> dict[str, str]:
    block = css[css.index(":root {") : css.index("\n}")]
    found = dict(re.findall(r"--([\w-]+): ([^;]+);", block))
    return {name: value for name, value in found.items() if COLOUR.search(value)}


def test_every_colour_is_a_variable_with_a_dark_value() -> None:
    rules = LIGHT[LIGHT.index("\n}") :]
    assert COLOUR.findall(re.sub(r"/\*.*?\*/", "", rules)) == []
    assert set(variables(LIGHT)) == set(variables(DARK))
    assert set(re.findall(r"var\(--([\w-]+)", LIGHT)) <= set(re.findall(r"--([\w-]+):", LIGHT))


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * each for each in digits)
    parts = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("css", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(css: str) -> None:
    colours = variables(css)
    pairs = [(text, ground) for text, grounds in TEXT.items() for ground in grounds.split()]
    faint = {}
    for text, ground in pairs:
        low, high = sorted(luminance(colours[each]) for each in (text, ground))
        if (contrast := (high + 0.05) / (low + 0.05)) < 4.5:
            faint[text, ground] = round(contrast, 2)
    assert faint == {}

"""The chapters of the user guide as HTML, and the search in them."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import url_for
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from app.console.help import CHAPTERS

DOCS = Path(__file__).resolve().parents[3] / "docs"
PICTURES = DOCS / "screenshots"
#: characters shown around what a search finds
AROUND = 40
MAX_FOUND = 30
#: marks that an excerpt does not begin with
MARKS = " ,.;:)。，；：、）」”"
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Section:
    """A section of a chapter: its heading with the anchor, and its text."""

    anchor: str
    heading: str
    text: str


@dataclass(frozen=True)
class Found:
    """A place that a search finds, with the words around it."""

    chapter: str
    heading: str
    url: str
    excerpt: Markup


def path_of(slug: str, language: str) -> Path:
    """Return the file of a chapter."""
    return DOCS / "guide" / language / f"{slug}.md"


@cache
def _tokens(slug: str, language: str) -> list[Token]:
    """Return the parsed chapter, its headings with anchors."""
    tokens = _MARKDOWN.parse(path_of(slug, language).read_text("utf-8"))
    headings = [token for token in tokens if token.type == "heading_open"]
    for number, token in enumerate(headings):
        token.attrSet("id", f"s{number}")
    return tokens


def title(slug: str, language: str) -> str:
    """Return the title of a chapter, its first heading."""
    return next(sections(slug, language)).heading


def sections(slug: str, language: str) -> Iterator[Section]:
    """Yield the sections of a chapter; the first one is what stands below the title."""
    anchor, heading, before = "", "", ""
    lines: list[str] = []
    for token in _tokens(slug, language):
        if token.type == "heading_open":
            if heading:
                yield Section(anchor, heading, " ".join(lines))
            anchor, lines = str(token.attrGet("id")), []
        elif token.type == "inline":
            text = _plain(token)
            if before == "heading_open":
                heading = text
            elif text:
                lines.append(text)
        before = token.type
    yield Section(anchor, heading, " ".join(lines))


def _plain(token: Token) -> str:
    parts = (each.content for each in token.children or () if each.type in ("text", "code_inline"))
    return "".join(parts)


def html(slug: str, language: str) -> Markup:
    """Return a chapter without its title as HTML; pictures and links lead to the product's addresses."""
    tokens = _tokens(slug, language)[3:]
    for token in tokens:
        for each in token.children or ():
            _to_addresses(each)
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704


def _to_addresses(token: Token) -> None:
    """Change a file of a picture or chapter to its address; an address stays as it is."""
    if token.type == "image":
        name = str(token.attrGet("src")).rsplit("/", 1)[-1]
        token.attrSet("src", url_for("GuideView.picture", name=name))
        token.attrSet("loading", "lazy")
        for side, pixels in zip(("width", "height"), _size(PICTURES / name), strict=True):
            token.attrSet(side, str(pixels))
    elif token.type == "link_open":
        chapter = re.fullmatch(r"(\w+)\.md", str(token.attrGet("href")))
        if chapter:
            token.attrSet("href", url_for("GuideView.show", slug=chapter[1]))


@cache
def _size(picture: Path) -> tuple[int, int]:
    """Return width and height of a PNG file, so that the page keeps the room for it."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height


def contents(language: str) -> list[tuple[str, str]]:
    """Return the chapters in order: name and title."""
    return [(each.slug, title(each.slug, language)) for each in CHAPTERS]


def find(text: str, language: str) -> list[Found]:
    """Return the first sections that contain a text, in whatever case."""
    found: list[Found] = []
    for slug, chapter in contents(language):
        for section in sections(slug, language):
            place = section.text.lower().find(text.lower())
            if place >= 0 or text.lower() in section.heading.lower():
                url = url_for("GuideView.show", slug=slug, _anchor=section.anchor)
                found.append(Found(chapter, section.heading, url, _excerpt(section.text, place, len(text))))
    return found[:MAX_FOUND]


def _excerpt(text: str, place: int, length: int) -> Markup:
    """Return the words around a place, or the first ones when the place is negative; no word is cut."""
    start, end = (place, place + length) if place >= 0 else (0, 0)
    first, last = max(0, start - AROUND), min(len(text), end + AROUND)
    while 0 < first < start and _inside_word(text, first):
        first += 1
    while end < last < len(text) and _inside_word(text, last):
        last -= 1
    before = text[first:start].lstrip(MARKS) if first else text[:start]
    marked = Markup("<mark>{}</mark>").format(text[start:end]) if end else ""
    more = "…" if last < len(text) else ""
    return Markup("{}{}{}{}{}").format("…" if first else "", before, marked, text[end:last].rstrip(), more)


def _inside_word(text: str, place: int) -> bool:
    """Whether a place lies between two letters or digits of a Latin word."""
    return all(each.isascii() and each.isalnum() for each in text[place - 1 : place + 1])

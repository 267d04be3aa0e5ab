"""The user guide keeps step with the product: its chapters, the words it quotes, its pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from app.console.help import CHAPTERS
from app.screens.guide import text
from app.views import MENU, WITHOUT_MENU
from scripts import translations

SLUGS = [each.slug for each in CHAPTERS]
NAMES = [view for each in CHAPTERS for view in each.views]


def read(slug: str, language: str) -> str:
    return text.path_of(slug, language).read_text("utf-8")


def test_every_page_has_one_chapter_in_both_languages() -> None:
    views = {view.__name__ for area in MENU for view in area.screens} | {v.__name__ for v in WITHOUT_MENU}
    assert views - set(NAMES) == set(), "app/console/help.py says which chapter is about a page"
    assert len(NAMES) == len(set(NAMES))
    for language in ("zh", "en"):
        files = {path.stem for path in text.path_of("start", language).parent.glob("*.md")}
        assert files == set(SLUGS)


@pytest.mark.parametrize("slug", SLUGS)
def test_words_of_the_screen_are_those_of_the_catalogue(slug: str) -> None:
    """Bold words of the English chapter are messages, those in 「」 of the Chinese one their translations."""
    chinese = translations.chinese()
    messages = {str(each.id): each.string for each in chinese if each.id}
    quoted = set(re.findall(r"\*\*(.+?)\*\*", read(slug, "en")))
    assert quoted - set(messages) == set(), "not on any page"
    assert set(re.findall("「(.+?)」", read(slug, "zh"))) == {messages[word] for word in quoted}


@pytest.mark.parametrize("slug", SLUGS)
def test_pictures_and_links_lead_somewhere(slug: str) -> None:
    pictures = {}
    for language in ("zh", "en"):
        folder = text.path_of(slug, language).parent
        targets = re.findall(r"\]\(([^)]+)\)", read(slug, language))
        assert [each for each in targets if not (folder / each).is_file()] == []
        pictures[language] = [Path(each).name for each in targets if each.endswith(f"-{language}.png")]
    assert [name.replace("-zh", "-en") for name in pictures["zh"]] == pictures["en"]


def test_a_chapter_is_shown_safely(app: Flask) -> None:
    with app.test_request_context():
        body = text.html("marketer", "en")
        found = text.find("CLAIM", "en")
    assert "<ol>" in body
    picture = re.search(r'<img src="/guideview/picture/customer-en.png"[^>]*>', body)
    assert picture
    assert 'width="1280" height="' in picture[0], "the text does not jump when it is loaded"
    assert any(each.heading == "Claiming" and "<mark>" in each.excerpt for each in found)
    assert "<script>" not in text._MARKDOWN.render("<script>alert(1)</script> [x](javascript:alert(1))")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_numbered_line_is_an_item_of_a_list(app: Flask, language: str) -> None:
    with app.test_request_context():
        for slug in SLUGS:
            assert re.findall(r"(?m)^(?:<p>)?\d+\..*$", text.html(slug, language)) == [], slug


def test_an_excerpt_begins_with_words_and_does_not_repeat_the_heading(app: Flask) -> None:
    with app.test_request_context():
        found = {(each.chapter, each.heading): each.excerpt for each in text.find("线索", "zh")}
    assert found["线索名单", "线索名单"].startswith("<mark>线索</mark>就是名单上的存量客户")
    assert [each for each in found.values() if re.match("…?[。，；：、）」 .]", each)] == []
    with app.test_request_context():
        by_heading = next(each for each in text.find("Claiming", "en") if each.heading == "Claiming")
        queue = next(each for each in text.find("lead", "en") if each.heading == "Finding things")
    assert by_heading.excerpt.startswith("Choose Claim in the list")
    assert queue.excerpt.startswith("…the beginning of a customer"), "no word is cut"

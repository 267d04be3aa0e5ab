"""Every text of the interface exists in both languages."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo, write_mo
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.outreach.settings import OutreachSettings
from app.rules.catalogue import REGIONS
from app.views import MENU
from scripts import translations
from tests.conftest import Person
from tests.console.site import PAGES, furnished

#: words that are the same in every language: codes, proper names, and names in the tests' world
SAME = """
    tag tpl e mail mb json excel csv xlsx xls sha id ocr api english pii_key redis utf gb bank micro_loan
    leads hits body file template_id word sql lead_monitor openapi create rison
    http https webhook hooks url drop_roots webhook_allow push crm drop busy
    considering shift vip me home away sub free helper somebody worker admin example com system x r i v a t l
    gsm ucs sms send call key phone text channel code data result surname name branch month day fact
    rejected absent sandbox outreach pdf smtp_url aum assets as_of facts loan parquet store outcomes rfm esc
"""
CODES = set(SAME.split())


@pytest.fixture(scope="module")
def sources() -> Catalog:
    return translations.extract()


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    return translations.chinese()


def test_every_message_is_translated(sources: Catalog, chinese: Catalog) -> None:
    assert len(sources) > 300
    assert translations.missing(sources, chinese) == []


def test_messages_inside_f_strings_are_known(chinese: Catalog) -> None:
    """Messages are not extracted from f-strings, so these have to occur elsewhere as well."""
    calls = [
        call
        for path in Path("app").rglob("*.py")
        for text in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(text, ast.JoinedStr)
        for call in ast.walk(text)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_"
    ]
    messages = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert messages
    assert [message for message in messages if chinese.get(str(message)) is None] == []


def test_no_translation_is_fuzzy_or_left_over(sources: Catalog, chinese: Catalog) -> None:
    assert [m.id for m in chinese if m.id and m.fuzzy] == []
    assert [m.id for m in chinese if m.id and sources.get(m.id, m.context) is None] == []


def test_translations_keep_the_places_for_values(chinese: Catalog) -> None:
    def places(text: object) -> set[str]:
        return set(re.findall(r"%\((\w+)\)", str(text)))

    wrong = [m.id for m in chinese if m.id and places(m.id) != places(m.string)]
    assert wrong == []


def test_the_catalogue_is_compiled(chinese: Catalog) -> None:
    file = io.BytesIO()
    write_mo(file, chinese)
    file.seek(0)
    with translations.CATALOGUE.with_suffix(".mo").open("rb") as stored:
        fresh, compiled = ({str(m.id): m.string for m in read_mo(each) if m.id} for each in (file, stored))
    stale = [said for said in fresh if compiled.get(said) != fresh[said]]
    assert stale == [], "`make setup` compiles the catalogue"


def test_every_list_of_the_menu_is_read_in_both_languages(app: Flask) -> None:
    routes = {type(view): view.route_base for view in app.appbuilder.baseviews}  # type: ignore[attr-defined]
    lists = [f"{routes[screen]}/list/" for area in MENU for screen in area.screens]
    assert [path for path in lists if path not in PAGES] == [], "tests/console/site.py lists the pages"


def test_chinese_pages_have_no_english(app: Flask, session: Session, login: Callable[..., Person]) -> None:
    world, client = furnished(app, session, login, "zh")
    found = {}
    for page in PAGES:
        text = words_of(client.get(page.format(**world.ids)).text)
        english = [word for word in re.findall(r"[A-Za-z][A-Za-z_]+", text) if word.lower() not in CODES]
        if english:
            found[page] = english
    assert found == {}, found


def test_english_pages_have_no_chinese(app: Flask, session: Session, login: Callable[..., Person]) -> None:
    world, client = furnished(app, session, login, "en")
    known = "中文官网预约线下活动、" + OutreachSettings().opt_out_sentence
    data = set(known) | set("".join([*REGIONS, *map(str, names_in_world(session))]))
    found = {}
    for page in PAGES:
        text = words_of(client.get(page.format(**world.ids)).text)
        chinese = [word for word in re.findall(r"[\u4e00-\u9fff、，。：]+", text) if not set(word) <= data]
        if chinese:
            found[page] = chinese
    assert found == {}, found


def names_in_world(session: Session) -> list[str]:
    """Return every Chinese text in the database that came from people or logs."""
    columns = (
        "lead.name",
        "lead.source",
        "rule.name",
        "rule.description",
        "institution.name",
        "institution.region",
        "branch.name",
        "tag.name",
        "fact_definition.name",
        "product.name",
        "fact_definition.unit",
        "segment.name",
        "saved_view.name",
        "suppression.reason",
        "close_reason.name",
        "contact_result.name",
        "schedule.name",
        "target.name",
        "outreach_template.name",
        "outreach_template_version.body",
        "forbidden_word.word",
        "outreach_gateway.name",
        "sandbox_message.body",
        "ab_user.last_name",
        "ab_user.first_name",
    )
    queries = ["SELECT {1} FROM {0}".format(*column.split(".")) for column in columns]
    return [value for query in queries for value in session.execute(text(query)).scalars() if value]


def words_of(html: str) -> str:
    """Return the visible text of a page and its spoken or shown attributes."""
    html = re.sub(
        r"<(script|style)\b.*?</\1>|<option [^>]*value=\"[^\"]*__[^\"]*\".*?</option>", " ", html, flags=re.S
    )
    shown = re.findall(
        r'(?:aria-label|placeholder|title|alt|data-confirm|data-yes|data-text)="([^"]*)"', html
    )
    body = re.sub(r"<time\b.*?</time>|<code\b.*?</code>|<small>.*?</small>", " ", html, flags=re.S)
    text = re.sub(r"<[^>]+>", " ", body)
    return unescape(" ".join([text, *shown])).replace("{n}", "")

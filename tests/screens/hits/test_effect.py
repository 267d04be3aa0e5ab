"""The effect page over HTTP: each number equals the count of the list it opens, within row scope."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.effect.funnel import DIMENSIONS
from app.models import Hit
from tests.conftest import Person
from tests.console.test_translations import words_of
from tests.effect.bank import DAYS, TODAY, Bank
from tests.screens.hits.test_workspace import rows

EVERYTHING = f"first={TODAY - dt.timedelta(days=DAYS)}&last={TODAY}"


@pytest.fixture
def bank(app: Flask, session: Session) -> Bank:
    return Bank(session, app.config["SETTINGS"], 7, leads=14)


def figures(person: Person, query: str) -> str:
    """Return the rendered figures, after the lines of progress."""
    answer = person.get(f"/effectview/figures?{query}")
    assert answer.status_code == 200
    *counting, last = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["done"] for line in counting] == sorted(line["done"] for line in counting)
    return str(last["html"])


def numbers(page: str) -> list[tuple[str, int]]:
    return [(unescape(url), int(n)) for url, n in re.findall(r'href="([^"]+)" data-count="(\d+)"', page)]


@pytest.mark.parametrize(
    ("role", "dimensions"), [("Manager", DIMENSIONS[::2]), ("Marketer", DIMENSIONS[1::2])]
)
def test_every_number_is_the_count_of_the_list_it_opens(
    bank: Bank, login: Callable[..., Person], role: str, dimensions: tuple[str, ...]
) -> None:
    person = login(role, branch=bank.branches["HOME"])
    checked: dict[str, int] = {}
    for query in (f"by={by}" for by in dimensions):
        for url, n in numbers(figures(person, f"{query}&{EVERYTHING}")):
            assert checked.setdefault(url, n) == n, url
    some = f"by=grade&channel=sms&version={bank.versions[0].id}&{EVERYTHING}"
    checked |= dict(numbers(figures(person, some)))
    for url, n in checked.items():
        assert rows(person.get(url).text) == n, url
    assert len(checked) > 30
    assert sum(checked.values()) > 15


def test_a_marketer_sees_nothing_of_other_branches(bank: Bank, login: Callable[..., Person]) -> None:
    away, boss = login("Marketer", branch=bank.branches["AWAY"]), login("Manager", username="boss")
    mine = figures(away, f"by=branch&{EVERYTHING}")
    home = figures(boss, f"by=branch&branch={bank.branches['AWAY'].id}&{EVERYTHING}")
    assert [n for _url, n in numbers(mine)] == [n for _url, n in numbers(home)]
    assert "HOME" not in mine
    refused = away.get(f"/effectview/list/?branch={bank.branches['HOME'].id}")
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("language", "foreign", "known"),
    [("zh", "[A-Za-z]{3,}", {"TOP", "HOME", "SUB", "AWAY"}), ("en", "[\u4e00-\u9fff]+", {"一", "支行"})],
)
def test_the_figures_speak_one_language(
    bank: Bank, login: Callable[..., Person], language: str, foreign: str, known: set[str]
) -> None:
    person = login("Manager", language=language)
    for by in ("version", "branch", "channel", "hour"):
        read = words_of(figures(person, f"by={by}&{EVERYTHING}"))
        assert set(re.findall(foreign, read)) <= known


def test_the_file_is_the_table(bank: Bank, login: Callable[..., Person], session: Session) -> None:
    for each in bank.branches.values():
        each.name = f"=1+{each.code}"
    session.commit()
    person = login("Auditor", language="en")
    answer = person.get(f"/effectview/export?by=branch&{EVERYTHING}")
    table = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))
    shown = [n for _url, n in numbers(figures(person, f"by=branch&{EVERYTHING}").split('id="parts"')[1])]
    assert table.pop(0)[0].startswith("No outcomes have been delivered")
    assert [int(n) for row in table[1:] for n in row[1:6]] == shown
    assert table[0][0] == "Branch"
    assert all(row[0].startswith(("'=", "No branch", "Total")) for row in table[1:])


@pytest.mark.parametrize(
    "query",
    [
        *("grade=E", "rule=99", "version=x", "channel=mail", "template=-1", "hour=3", "branch=x", "by=name"),
        *("first=2026-13-01", "first=2026-10-02&last=2026-10-01"),
    ],
)
def test_invalid_filters_are_refused(app: Flask, login: Callable[..., Person], query: str) -> None:
    person = login("Manager")
    for place in ("list/", "figures", "export"):
        assert person.get(f"/effectview/{place}?{query}").status_code == 400, place


def test_an_empty_bank_and_an_unknown_stage(app: Flask, login: Callable[..., Person]) -> None:
    person = login("Manager", language="en")
    page = figures(person, "")
    assert "No hit matches these filters." in page
    assert "There is no holdout group" in page
    assert person.get("/hitview/list/?_flt_0_reach=won").status_code == 400
    assert person.get("/hitview/list/?_flt_0_first_hour=3").status_code == 400


def test_money_is_shown_once_outcomes_are_there(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    person = login("Auditor", language="en")

    def money(by: str = "rule") -> str:
        answer = person.get(f"/effectview/money?money={by}&{EVERYTHING}")
        assert answer.status_code == 200
        return str(answer.text)

    assert "No outcomes have been delivered" in money()
    bank.deliver()
    told = re.sub(r"<[^>]+>", "", money("rule"))
    assert re.search(r"-?¥[0-9.,]+ more a person \(-?¥[0-9.,]+ – -?¥[0-9.,]+\)", told)
    assert re.search(r'<span class="one-line">\(-?¥[0-9.,]+</span>', money("rule")), (
        "a sign stays with its amount"
    )
    assert 'data-label="Margin caused"' in money("rule"), "phones show each figure below its head"
    assert "Total" in money("branch")
    for contacted in ("template", "batch"):
        assert "Everybody here was contacted" in money(contacted)
        assert "caused</th>" not in money(contacted)
    chinese = login("Manager", language="zh").get(f"/effectview/money?{EVERYTHING}").text
    assert "投资回报率 =（营销带来的利润 − 触达费用）/ 触达费用" in chinese
    session.query(Hit).update({"holdout": False})
    session.commit()
    assert "No rule has held anybody out" in money("branch")
    assert money("rule").count("needs a holdout group") == 6
    assert person.get("/effectview/money?money=colour").status_code == 400


def test_where_workspace_and_effect_differ_the_page_says_why_and_claims_are_told(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    person = login("Auditor", language="en")
    bank.deliver()
    hits = [each for each in session.query(Hit) if each.live]
    won = sum(bool(each.converted) for each in hits)
    page = figures(person, EVERYTHING)
    assert f"The workspace has {len(hits)} hits and {won} conversions on these dates" in page
    [its_list] = re.findall(r'<a href="([^"]+)">These conversions', page)
    assert rows(person.get(unescape(its_list)).text) == won
    assert "left out here" in figures(person, f"channel=sms&{EVERYTHING}")
    claimed = [each for each in hits if each.status == "converted"]
    told = f"{len(claimed)} marked in all, {sum(bool(each.converted) for each in claimed)} confirmed"
    assert told in person.get("/workspaceview/list/").text
    session.query(Hit).update({"holdout": False})
    session.commit()
    assert "The workspace has" not in figures(person, EVERYTHING)

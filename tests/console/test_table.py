"""What lists, forms and row pages offer to each role."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.console import urls
from app.console.table import Link, Row
from app.models import Lead
from tests.access.world import World
from tests.conftest import Person


@pytest.fixture
def manager(login: Callable[..., Person], world: World) -> Person:
    return login("Manager")


def links(html: str, text: str) -> list[str]:
    """Return the addresses of the links whose text starts with ``text``."""
    return [unescape(url) for url, words in re.findall(r'<a\b[^>]*href="([^"]*)"[^>]*>(.*?)</a>', html, re.S)
            if re.sub(r"<[^>]+>", "", words).strip().startswith(text)]  # fmt: skip


def test_filters_narrow_the_list_and_show_as_chips(manager: Person) -> None:
    html = manager.get("/leadview/list/?_flt_0_name=客户A&_flt_1_status=active").text
    assert "1 row<" in html
    assert links(html, "Customer name: 客户A") == ["/leadview/list/?_flt_1_status=active"]
    assert links(html, "Status: Active") == ["/leadview/list/?_flt_0_name=%E5%AE%A2%E6%88%B7A"]


def test_a_date_range_has_a_chip_for_each_end(manager: Person) -> None:
    html = manager.get("/hitview/list/?_flt_0_hit_date=2026-10-26&_flt_1_hit_date=2026-10-26").text
    assert "Hit date from 2026-10-26" in html
    assert "Hit date to 2026-10-26" in html
    assert "3 rows<" in html


def test_a_filter_without_a_control_has_a_chip_and_is_kept(manager: Person) -> None:
    html = manager.get("/leadview/list/?_flt_1_lead_no=L1001&_flt_0_name=客户").text
    assert "1 row<" in html
    assert links(html, "Lead no. is L1001") == ["/leadview/list/?_flt_0_name=%E5%AE%A2%E6%88%B7"]
    assert '<input type="hidden" name="_flt_1_lead_no" value="L1001">' in html
    assert "Lead no. is L1001" in manager.get("/leadview/export_all?_flt_1_lead_no=L1001").text


def test_a_filter_that_finds_nothing_offers_to_clear_it(manager: Person) -> None:
    html = manager.get("/leadview/list/?_flt_0_name=nobody").text
    assert "No row matches these filters." in html
    assert links(html, "Clear the filters") == ["/leadview/list/"]


def test_an_empty_list_says_what_to_do(login: Callable[..., Person]) -> None:
    html = login("Manager").get("/leadview/list/").text
    assert "Import a lead list, or add one by hand." in html
    assert links(html, "Add lead")
    assert links(html, "Import leads")


def test_only_the_first_filters_are_in_sight(manager: Person) -> None:
    html = manager.get("/leadview/list/").text
    seen, more = html.split('class="filter-row more-filters"')
    assert "_flt_1_status" in seen
    assert "_flt_0_lead_no" not in seen
    assert "_flt_0_lead_no" in more


def test_sorting_turns_round_and_forgets_the_page(manager: Person) -> None:
    html = manager.get("/leadview/list/?page_LeadView=0&_oc_LeadView=name&_od_LeadView=asc").text
    assert 'aria-sort="ascending"' in html
    assert links(html, "Customer name") == ["/leadview/list/?_oc_LeadView=name&_od_LeadView=desc"]


def test_a_page_beyond_the_end_is_the_last_one(manager: Person, session: Session) -> None:
    html = manager.get("/leadview/list/?psize_LeadView=2&page_LeadView=99").text
    assert '<span aria-current="page">2</span>' in html
    assert html.count('name="rowid"') == 1


@pytest.mark.parametrize("cookie", ["7", "9999", "x", ""])
def test_a_page_size_nobody_offers_is_not_believed(manager: Person, session: Session, cookie: str) -> None:
    session.add_all(
        Lead(name="客", id_hash=f"{n + 50:064x}", phone_cipher=b"x", phone_index="x", phone_masked="x")
        for n in range(30)
    )
    session.commit()
    manager.set_cookie("page_size", cookie)
    assert manager.get("/leadview/list/").text.count('name="rowid"') == 25


def test_a_marketer_is_offered_only_their_own_branches(login: Callable[..., Person], world: World) -> None:
    html = login("Marketer", branch=world.home).get("/leadview/list/").text
    choices = re.search(r'name="_flt_0_branch".*?</select>', html, re.S)
    assert choices
    assert "HOME" in choices[0]
    assert "AWAY" not in choices[0]


def test_an_auditor_is_offered_nothing_that_changes(login: Callable[..., Person], world: World) -> None:
    client = login("Auditor")
    for path in (
        "/leadview/list/",
        "/hitview/list/",
        "/ruleview/list/",
        f"/leadview/show/{world.ids['lead_home']}",
    ):
        html = client.get(path).text
        assert "formaction" not in html
        assert 'name="rowid"' not in html
        assert not links(html, "Edit")
        assert not links(html, "Add")


def test_a_row_offers_the_steps_its_status_allows(manager: Person, world: World) -> None:
    def offered(path: str) -> set[str]:
        return set(re.findall(r"formaction=\"/hitview/action/(\w+)/", manager.get(path).text))

    def on_page(status: str) -> set[str]:
        return offered(f"/hitview/show/{world.ids[f'hit_home_{status}']}")

    assert on_page("waiting") == {"claim", "start", "recompute"}
    assert on_page("in_progress") == {"claim", "follow_up", "recompute"}
    assert on_page("failed") == {"reopen", "recompute"}
    assert offered("/hitview/list/?_flt_1_status=waiting") == {"claim", "start"}


def test_words_that_are_too_long_for_a_row_are_in_its_menu() -> None:
    def beside(*texts: str) -> list[str]:
        row = Row("1", "", [], [Link(text, "/") for text in texts], [])
        assert [each.text for each in (*row.words, *row.more)] == list(texts)
        return [each.text for each in row.words]

    assert beside("View", "Edit", "Delete") == ["View", "Edit", "Delete"]
    assert beside("View", "Run again", "Evaluate the other dates again") == ["View", "Run again"]
    assert beside("查看", "重新执行", "重新评估其他日期") == ["查看", "重新执行", "重新评估其他日期"]
    assert beside("View", "Edit", "Stop", "Delete") == ["View", "Edit"]


def test_history_offers_no_change_and_says_why(manager: Person, world: World) -> None:
    html = manager.get(f"/ruleversionview/show/{world.ids['version']}").text
    assert "It is in force and stays on record." in html
    assert not links(html, "Edit")


def test_a_form_returns_to_where_it_was_opened(manager: Person, world: World) -> None:
    origin = "/leadview/list/?_flt_1_status=active"
    lead = world.ids["lead_home"]
    form = manager.get(f"/leadview/edit/{lead}", headers={"Referer": f"http://localhost{origin}"}).text
    assert f'name="next" value="{origin}"' in form
    answer = manager.submit(f"/leadview/edit/{lead}", {"name": "新", "status": "active", "next": origin})
    assert answer.headers["Location"] == origin


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/x", "//evil.example/x", "/\\evil.example", "javascript:alert(1)", "", None],
)
def test_nobody_is_sent_to_another_site(app: Flask, address: str | None) -> None:
    with app.test_request_context("/"):
        assert urls.own_path(address) is None


def test_an_address_of_ours_keeps_its_query(app: Flask) -> None:
    with app.test_request_context("/", base_url="http://bank.example"):
        assert (
            urls.own_path("http://bank.example/leadview/list/?page_LeadView=2")
            == "/leadview/list/?page_LeadView=2"
        )


def test_form_errors_stand_beside_their_field(manager: Person) -> None:
    html = manager.submit(
        "/leadview/add", {"name": "", "phone": "12", "id_number": "310101199709060963", "status": "active"}
    ).text
    assert re.search(r'id="name"[^>]*aria-invalid="true"|aria-invalid="true"[^>]*id="name"', html)
    assert 'id="name-error"' in html
    assert 'value="310101199709060963"' in html
    assert "Not saved yet" in html


def test_whole_numbers_stand_on_the_right_and_keys_on_the_left(manager: Person) -> None:
    heads = {
        re.sub(r"<[^>]+>", "", text).strip(): attributes
        for attributes, text in re.findall(
            r"<th\b([^>]*)>(.*?)</th>", manager.get("/contactresultview/list/").text
        )
    }
    assert 'class="number"' in heads["Position in the list"]
    assert 'class="number"' in heads["Next contact after"]
    assert "class" not in heads["Name"]


def test_a_list_whose_rows_have_no_acts_has_no_column_for_them(manager: Person, world: World) -> None:
    page = manager.get(f"/deliveryview/show/{world.ids['dead_delivery']}").text
    attempts = page.partition("Delivery attempts")[2]
    assert "<tbody" in attempts
    assert "Actions" not in attempts


def test_a_field_for_several_lines_is_drawn_as_one(manager: Person) -> None:
    assert re.search(r'<textarea[^>]*name="choices"', manager.get("/factview/add").text)


def test_a_decimal_is_shown_without_empty_places(manager: Person, world: World) -> None:
    page = manager.get(f"/productview/edit/{world.ids['product']}").text
    rate = re.search(r'<input[^>]*name="margin_rate"[^>]*>', page)
    assert rate is not None
    assert re.search(r'value="0\.\d*[1-9]"', rate[0])


def test_a_list_on_the_page_of_a_row_leaves_out_what_is_the_same_in_all(
    manager: Person, world: World
) -> None:
    page = manager.get(f"/leadview/show/{world.ids['lead_home']}").text.partition('class="related"')[2]
    assert 'data-label="Reason"' in page
    assert 'data-label="Phone"' not in page
    assert 'data-label="Phone"' in manager.get("/hitview/list/").text


def test_a_page_whose_list_one_may_not_open_has_no_breadcrumb(login: Callable[..., Person]) -> None:
    assert 'class="crumbs"' not in login("Marketer").get("/users/userinfo/").text
    assert 'class="crumbs"' in login("Admin").get("/users/userinfo/").text


def test_errors_are_summed_up_in_the_order_of_the_fields(manager: Person) -> None:
    page = manager.submit("/leadview/add", {}).text
    summed = re.findall(r'<a href="#(\w+)"', page.partition('class="summary"')[2].partition("</ul>")[0])
    fields = re.findall(r'<label for="(\w+)"', page)
    assert {"name", "phone", "id_number"} <= set(summed)
    assert summed == [each for each in fields if each in summed]

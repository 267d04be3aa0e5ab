"""The end of an idle session: the warning, work that goes on, and what is typed when it is over."""

from __future__ import annotations

from playwright.sync_api import expect
from sqlalchemy import Engine, text

from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import Window

LEFT, STAY = "/loginsessionview/left", "/loginsessionview/stay"


def _idle(engine: Engine, minutes: float) -> None:
    """Let the last request be so many minutes ago."""
    with engine.begin() as connection:
        seen = text("UPDATE login_session SET last_seen_at = now() - make_interval(secs => :secs)")
        connection.execute(seen, {"secs": 60 * minutes})


def _look(window: Window) -> None:
    """Come back to the window, as from another tab."""
    window.page.evaluate("window.dispatchEvent(new Event('focus'))")


def test_a_warning_comes_first_and_who_is_there_works_on(world: World, visit: Visit, engine: Engine) -> None:
    manager = visit("Manager")
    manager.open("/tagview/list/")
    _look(manager)
    expect(manager.dialog).to_have_count(0)
    _idle(engine, 15)
    _look(manager)
    expect(manager.dialog).to_contain_text("您还在吗")
    expect(manager.dialog).to_contain_text("会话将在")
    with manager.page.expect_response(lambda answer: answer.url.endswith(STAY)) as answer:
        manager.dialog.get_by_role("button", name="继续工作").click()
    assert answer.value.json()["seconds"] > 900
    expect(manager.dialog).to_have_count(0)


def test_typing_is_work(world: World, visit: Visit, engine: Engine) -> None:
    manager = visit("Manager")
    manager.open("/tagview/add")
    _idle(engine, 15)
    manager.page.get_by_label("名称").fill("高净值")
    manager.page.get_by_label("名称").press("End")
    with manager.page.expect_response(lambda answer: answer.url.endswith(STAY)):
        _look(manager)
    expect(manager.dialog).to_have_count(0)


def test_a_page_without_input_goes_to_the_log_in_and_comes_back(
    world: World, visit: Visit, engine: Engine
) -> None:
    manager = visit("Manager")
    manager.refusals.add(manager.base + LEFT)
    manager.open("/tagview/list/?psize_TagView=50")
    _idle(engine, 17)
    _look(manager)
    expect(manager.page).to_have_url(f"{manager.base}/login/?next=%2Ftagview%2Flist%2F%3Fpsize_TagView%3D50")


def test_what_is_typed_is_covered_and_there_again_after_the_log_in(
    world: World, visit: Visit, engine: Engine
) -> None:
    manager = visit("Manager")
    manager.refusals.add(manager.base + LEFT)
    manager.open("/tagview/add")
    with engine.begin() as connection:
        kept = connection.execute(text("SELECT token_hash, user_id, data FROM login_session")).one()
        connection.execute(text("DELETE FROM login_session"))
    name = manager.page.get_by_label("名称")
    name.fill("高净值")
    _look(manager)
    expect(manager.dialog).to_contain_text("会话已结束")
    expect(name).to_be_hidden()
    manager.page.keyboard.press("Escape")
    expect(manager.dialog).to_contain_text("会话已结束")
    # The same person logs in again in another tab, by which the cookie of this one is another.
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO login_session (token_hash, user_id, data) VALUES (:hash, :user, :data)"),
            {"hash": kept.token_hash, "user": kept.user_id, "data": kept.data},
        )
    _look(manager)
    expect(manager.dialog).to_have_count(0)
    expect(name).to_have_value("高净值")
    manager.page.get_by_role("button", name="保存", exact=True).click()
    expect(manager.row("高净值")).to_be_visible()

"""A busy or unreachable database: the page says so in the user's language, and nothing is half done."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, event, make_url, text
from sqlalchemy.orm import Session

from app import create_web
from app.extensions import db
from config import Settings
from tests.access.world import World
from tests.conftest import Person
from tests.console.proxy import Proxy

PAGES = ("/", "/leadview/list/", "/hitview/list/", "/effectview/", "/login/", "/nothing/here")


@pytest.fixture
def short_lock_wait(app: Flask) -> None:
    """Limit lock waits of web requests to one second."""
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], web_lock_seconds=1)


@contextmanager
def locked(engine: Engine, table: str = "lead") -> Iterator[None]:
    """Lock the table in another transaction."""
    with engine.connect() as other:
        other.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield
        other.rollback()


def test_a_locked_table_is_a_busy_page(
    short_lock_wait: None, world: World, login: Callable[..., Person], engine: Engine, session: Session
) -> None:
    chinese, english = login("Manager", language="zh"), login("Manager")
    for client in (chinese, english):
        assert client.get("/leadview/list/").status_code == 200
    lead = world.ids["lead_home"]
    with locked(engine):
        busy, said = chinese.get("/leadview/list/?_flt_0_source=a&b=%22"), english.get("/leadview/list/")
        saved = english.submit(f"/leadview/edit/{lead}", {"name": "王小明", "status": "paused"})
        api = english.get("/api/v1/leads/")
        script = english.get("/leadview/list/", headers={"Sec-Fetch-Dest": "empty"})
    answers = (busy, said, saved, api, script)
    assert [each.status_code for each in answers] == [503] * 5
    assert [each.headers["Retry-After"] for each in answers] == ["10"] * 5
    assert "系统繁忙" in busy.text
    assert 'class="again" href="/leadview/list/?_flt_0_source=a&amp;b=%22"' in busy.text, "filters are kept"
    assert "The system is busy" in said.text
    assert "Nothing was saved" not in said.text, "a page that was only opened"
    assert "The system is busy" in saved.text
    assert "Nothing was saved" in saved.text
    assert api.json["message"].startswith("The system is busy.")
    assert script.json["message"].startswith("The system is busy.")
    assert session.scalar(text("SELECT status FROM lead WHERE id = :id"), {"id": lead}) == "active"
    assert english.get("/leadview/list/").status_code == 200
    assert english.get("/api/v1/leads/").status_code == 200


def test_web_requests_alone_are_bound(app: Flask) -> None:
    shown = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
    with app.test_request_context("/"):
        assert tuple(db.session.execute(text(shown)).one()) == ("30s", "5s")
        db.session.rollback()
    with app.app_context():
        assert tuple(db.session.execute(text(shown)).one()) == ("0", "0")
        db.session.rollback()


def test_no_connection_left_is_a_busy_page(
    app: Flask, world: World, login: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = login("Manager")
    manager.get("/")
    with app.app_context():
        pool = db.engine.pool
        monkeypatch.setattr(pool, "_timeout", 0.1)
        taken = [pool.connect() for _ in range(pool.size() + pool._max_overflow - pool.checkedout())]  # type: ignore[attr-defined]
    answer = manager.get("/leadview/list/")
    for each in taken:
        each.close()
    assert answer.status_code == 503
    assert "The system is busy" in answer.text
    assert manager.get("/leadview/list/").status_code == 200


class TestAway:
    """The connection to the database is cut."""

    @pytest.fixture
    def proxy(self, settings: Settings) -> Iterator[Proxy]:
        with tempfile.TemporaryDirectory() as folder:
            made = Proxy(Path(folder), Path(str(make_url(settings.database_url).query["host"])))
            yield made
            made.stop()

    @pytest.fixture
    def app(self, settings: Settings, engine: Engine, proxy: Proxy) -> Iterator[Flask]:
        url = make_url(settings.database_url).update_query_dict({"host": str(proxy._path.parent)})
        through = url.render_as_string(hide_password=False)
        made = create_web(dataclasses.replace(settings, database_url=through))
        yield made
        with made.app_context():
            db.engine.dispose()

    def test_pages_say_so_and_come_back_by_themselves(
        self, app: Flask, proxy: Proxy, login: Callable[..., Person]
    ) -> None:
        chinese, english = login("Manager", language="zh"), login("Manager")
        stranger = app.test_client()
        for client in (chinese, english):
            assert client.get("/leadview/list/").status_code == 200
        proxy.stop()
        for page in PAGES:
            answer = english.get(page)
            assert (page, answer.status_code) == (page, 503)
            assert "The service is not available" in answer.text
            assert answer.headers["Retry-After"] == "10"
            assert "X-Request-ID" in answer.headers
            assert 'lang="zh-CN"' in chinese.get(page).text
            assert "服务暂不可用" in chinese.get(page).text
        wanted = {"Accept-Language": "en-GB,en;q=0.9"}
        tried = stranger.post("/login/", data={"username": "x", "password": "y"}, headers=wanted)
        assert tried.status_code in (400, 503)
        assert english.get("/api/v1/leads/").json["message"].startswith("The service is not available.")
        assert english.get("/readyz").status_code == 503
        outside = english.get("//evil.example/x", base_url="http://localhost")
        assert (outside.status_code, 'href="//' in outside.text) == (503, False)
        proxy.start()
        for client in (chinese, english):
            assert client.get("/leadview/list/").status_code == 200
        assert english.get("/readyz").json == {"status": "ok"}

    @pytest.mark.parametrize("within", [False, True], ids=["idle", "in a statement"])
    def test_a_server_that_is_silent_counts_as_away(
        self,
        app: Flask,
        proxy: Proxy,
        login: Callable[..., Person],
        monkeypatch: pytest.MonkeyPatch,
        within: bool,
    ) -> None:
        manager = login("Manager")
        assert manager.get("/leadview/list/").status_code == 200
        assert manager.get("/readyz").status_code == 200
        if within:
            app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], web_statement_seconds=1)
            freeze = proxy.freeze

            def frozen_below(*_anything: object) -> None:
                freeze()

            with app.app_context():
                event.listen(db.engine, "before_cursor_execute", frozen_below)
        else:
            proxy.freeze()
        began = time.monotonic()
        page = manager.get("/leadview/list/")
        assert (page.status_code, "The service is not available" in page.text) == (503, True)
        assert time.monotonic() - began < 14
        assert manager.get("/healthz").status_code == 200
        began = time.monotonic()
        assert manager.get("/readyz").status_code == 503
        assert time.monotonic() - began < 6
        if within:
            with app.app_context():
                event.remove(db.engine, "before_cursor_execute", frozen_below)
        proxy.thaw()
        assert manager.get("/readyz").json == {"status": "ok"}
        assert manager.get("/leadview/list/").status_code == 200

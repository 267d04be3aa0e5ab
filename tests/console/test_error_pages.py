"""Error pages: what happened, what to do, the request's number, and never a traceback."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable

import pytest
from flask import Flask

from tests.access.world import World
from tests.conftest import Person

TITLES = {
    400: "请求有误",
    403: "没有权限",
    404: "内容不存在",
    405: "不能直接打开此地址",
    409: "当前不能修改",
    413: "内容过大",
    500: "系统出现问题",
}


def assert_error_page(answer, code: int, title: str) -> None:
    assert answer.status_code == code
    # From 500 on the page has no frame, whose heading comes first elsewhere.
    heading = "h1" if code >= 500 else "h2"
    assert f"<{heading}>{title}</{heading}>" in answer.text
    assert f"错误 {code}" in answer.text
    assert answer.headers["X-Request-ID"] in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("role", "path", "code"),
    [
        ("Admin", "/leadview/list/?page_LeadView=x", 400),
        ("Marketer", "/users/list/", 403),
        ("Admin", "/leadview/show/999999", 404),
        ("Admin", "/nothing-here", 404),
        ("Admin", "/leadview/action/export/1", 405),
        ("Admin", "/ruleversionview/edit/{version}", 409),
    ],
)
def test_a_refused_page_says_why(
    login: Callable[..., Person], world: World, role: str, path: str, code: int
) -> None:
    client = login(role, branch=world.home, language="zh")
    assert_error_page(client.get(path.format(**world.ids)), code, TITLES[code])


def test_a_form_without_its_token_has_expired(login: Callable[..., Person], world: World) -> None:
    answer = login("Admin", language="zh").post("/leadview/add", data={"name": "x"})
    assert_error_page(answer, 400, "页面已过期")
    assert "CSRF" not in answer.text


def test_a_file_that_is_too_large(
    login: Callable[..., Person], app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(app.config["SETTINGS"], max_upload_mb=1))
    client = login("Manager", language="zh")
    answer = client.submit("/importbatchview/upload", {"file": (io.BytesIO(b"x" * (2 << 20)), "a.csv")})
    assert_error_page(answer, 413, TITLES[413])


def test_a_broken_server_says_so_without_its_secrets(
    login: Callable[..., Person], app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_kwargs: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setitem(app.view_functions, "LeadView.list", fail)
    answer = login("Admin", language="zh").get("/leadview/list/")
    assert_error_page(answer, 500, TITLES[500])
    assert "secret reason" not in answer.text


def test_too_many_log_ins_are_told_to_wait(login: Callable[..., Person]) -> None:
    stranger = login("Marketer", language="zh")
    stranger.submit("/logout/")
    with stranger.session_transaction() as stored:
        stored["locale"] = "zh"
    answers = [stranger.submit("/login/", {"username": "x", "password": "y"}) for _ in range(12)]
    assert [answer.status_code for answer in answers[:3]] == [302, 302, 302]
    assert_error_page(answers[-1], 429, "尝试次数过多")


def test_programs_get_errors_as_json(login: Callable[..., Person]) -> None:
    answer = login("Marketer").get("/jobrunview/list/", headers={"Accept": "application/json"})
    assert answer.status_code == 403
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


def test_scripts_need_the_nonce_of_their_page(login: Callable[..., Person]) -> None:
    answer = login("Admin").get("/ingestfileview/list/")
    policy = answer.headers["Content-Security-Policy"]
    rule = re.search(r"script-src ([^;]+)", policy)
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert rule
    assert nonce
    assert "unsafe" not in rule[1]
    assert "http" not in rule[1]
    scripts = re.findall(r"<script\b[^>]*>", answer.text)
    assert scripts
    assert all(f'nonce="{nonce[1]}"' in script for script in scripts)
    assert not re.search(r"\son\w+=", answer.text)

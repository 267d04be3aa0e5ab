"""Odd input at every address, by an administrator: refused with a message, never a server error."""

from __future__ import annotations

import html
import io
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from tests.access.world import World
from tests.conftest import Person
from tests.thorough import share, thorough

HUGE = "99999999999999999999"
KEYS = (
    *(HUGE, "-1", "2147483648", "9223372036854775808", "1e9"),
    *("%00", "%ff%fe", "%E7%8E%8B", "%25", "a%2Fb", "%C2%B2"),
)
TEXTS = (
    HUGE,
    "-" + HUGE,
    "NaN",
    "1e999",
    "2026-13-45",
    "9999999-01-01",
    "x" * 5000,
    "{" * 3000,
    "[" * 3000,
    "王",
)
DEEP = "[" * 100_000
STORED = "be stored"
#: addresses that are tried with every key; the others with one each
SEVERAL = ("LeadView.show", "StaffView.show", "RoleView.show", "ImportBatchView.columns", "LeadView.edit")
#: addresses that would end the session
ENDS = ("logout", "delete", "resetmypassword", "session", "action/")
APP = Path(__file__).parents[2] / "app"
_READ = re.compile(r'request\.(?:form|values|args)(?:\.get|\.getlist)?[\[(]"(\w+)"')


@pytest.fixture
def admin(world: World, login: Callable[..., Person]) -> Person:
    return login("Admin")


def _rules(app: Flask, method: str) -> list[Rule]:
    found = [rule for rule in app.url_map.iter_rules() if method in (rule.methods or ())]
    return [rule for rule in found if not rule.rule.startswith("/static") and "logout" not in rule.rule]


def _at(rule: Rule, key: str) -> str:
    return re.sub(r"<[^>]+>", key, rule.rule)


def _view(app: Flask, rule: Rule) -> Any:
    views = app.appbuilder.baseviews  # type: ignore[attr-defined]
    return next((each for each in views if each.endpoint == rule.endpoint.rpartition(".")[0]), None)


def _with_keys(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield method and address of every route with a key, with odd keys."""
    others = itertools.cycle(KEYS)
    for method in ("GET", "POST"):
        for rule in _rules(app, method):
            odd = (HUGE, *KEYS) if rule.endpoint in SEVERAL else (HUGE if method == "POST" else next(others),)
            for key in odd if "<" in rule.rule else ():
                yield method, _at(rule, key)


def _filters(app: Flask) -> Iterator[str]:
    """Yield an address for every filter of every list, with odd values."""
    values = itertools.cycle(TEXTS)
    for view in app.appbuilder.baseviews:  # type: ignore[attr-defined]
        if not hasattr(view, "search_columns") or not hasattr(view, "list_template"):
            continue
        offered = view.datamodel.get_filters(list(view.search_columns))._all_filters
        for column, kinds in offered.items():
            for index in range(len(kinds)):
                yield f"{view.route_base}/list/?_flt_{index}_{column}={next(values)}"


def _fields(app: Flask, rule: Rule) -> set[str]:
    """Return the fields that a route reads from a form."""
    view = _view(app, rule)
    names = {name for path in APP.glob("*.py") for name in _READ.findall(path.read_text(encoding="utf-8"))}
    for kind in ("add_form", "edit_form", "form"):
        form = getattr(view, kind, None)
        if form is not None:
            names |= {field.name for field in form(meta={"csrf": False})}
    return names - {"csrf_token"}


def _key_of_a_row(app: Flask, rule: Rule, session: Session) -> str:
    model = getattr(_view(app, rule), "model", None)
    if model is None:
        return HUGE
    return str(session.scalar(select(inspect(model).primary_key[0]).limit(1)) or HUGE)


def _check(answers: dict[str, Any]) -> None:
    assert {where: code for where, code in answers.items() if code >= 500} == {}


@thorough
def test_no_key_in_an_address_is_an_error(app: Flask, admin: Person) -> None:
    answers, asked = {}, list(_with_keys(app))
    assert len(asked) > 200
    for method, path in share(asked, 90):
        send = admin.get if method == "GET" else admin.submit
        answers[f"{method} {path}"] = send(path).status_code
    _check(answers)


@thorough
def test_no_value_of_a_filter_is_an_error(app: Flask, admin: Person) -> None:
    asked = list(_filters(app))
    assert len(asked) > 300
    answers = {each: admin.get(each).status_code for each in share(asked, 250)}
    assert {where: code for where, code in answers.items() if code not in (200, 400)} == {}


@pytest.mark.parametrize("path", ["/leadview/list/?_flt_0_branch", "/leadview/bulk?_flt_0_branch"])
@pytest.mark.parametrize("value", [HUGE, "-1", "2147483648", "²", "x"])
def test_what_is_no_key_of_a_related_row_is_refused_in_words(admin: Person, path: str, value: str) -> None:
    refused = admin.get(f"{path}={value}")
    assert refused.status_code == 400
    assert f"“{value}” can't be searched for in" in html.unescape(refused.text)


def test_no_key_of_a_log_in_for_a_new_password_is_an_error(admin: Person) -> None:
    form = dict.fromkeys(("password", "conf_password"), "Strong-Word#2026")
    for key in (HUGE, "²", "-1", "x"):
        assert admin.submit(f"/resetpassword/form?pk={key}", form).status_code == 404, key


@thorough
def test_no_value_in_an_address_or_form_is_an_error(app: Flask, admin: Person, session: Session) -> None:
    answers, others = {}, itertools.cycle(TEXTS)
    with app.test_request_context():
        fields = {rule.endpoint: _fields(app, rule) for rule in app.url_map.iter_rules()}
    for rule in share(_rules(app, "GET"), 70):
        path = _at(rule, _key_of_a_row(app, rule, session))
        query = dict.fromkeys(fields[rule.endpoint], next(others))
        answers[path] = admin.get(path, query_string=query).status_code
    changing = [rule for rule in _rules(app, "POST") if not any(word in rule.rule for word in ENDS)]
    for rule in share(changing, 70):
        path = _at(rule, _key_of_a_row(app, rule, session))
        form = dict.fromkeys(fields[rule.endpoint], HUGE)
        answers[f"POST {path}"] = admin.submit(path, form).status_code
    _check(answers)
    assert admin.get("/leadview/list/").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/leadview/list/?_flt_0_name=%00",
        "/leadview/list/?_flt_0_name=%ff%fe",
        "/leadview/list/?%00=1",
        "/leadview/list/?a%c0%80=1",
        "/leadview/show/\xff",
        "/leadview/show/1\0",
    ],
)
@pytest.mark.parametrize(("language", "said"), [("en", STORED), ("zh", "无法保存的字符")])
def test_what_is_no_text_in_an_address_is_refused_in_words(
    login: Callable[..., Person], path: str, language: str, said: str
) -> None:
    place, _mark, query = path.partition("?")
    raw = {"PATH_INFO": place, "QUERY_STRING": query}
    answer = login("Admin", language=language).get("/", environ_overrides=raw)
    assert answer.status_code == 400
    assert said in answer.text


@pytest.mark.parametrize("body", [b"name=a%00b", b"name=%ff%fe", b"na%00me=a"])
def test_what_is_no_text_in_a_form_is_refused(admin: Person, body: bytes) -> None:
    token = f"&csrf_token={admin.token()}".encode()
    answer = admin.post("/tagview/add", data=body + token, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert STORED in answer.text


@pytest.mark.parametrize("name", ["a\0b.csv", "a\ufffd.csv"])
def test_what_is_no_text_in_the_name_of_a_file_is_refused(admin: Person, name: str) -> None:
    for path in ("/importbatchview/upload", "/suppressionview/upload", "/holidayview/upload"):
        answer = admin.submit(path, {"file": (io.BytesIO(b"a,b\n1,2\n"), name), "reason": "x"})
        assert answer.status_code == 400, path
        assert STORED in answer.text


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        '{"a":' * 50_000,
        '{"results": [{"outreach_id": "\\u0000"}]}',
        '{"results": [{"outreach_id": "\\ud800"}]}',
        '{"a\\u0000": 1}',
    ],
)
def test_json_that_can_not_be_stored_or_has_no_end_is_refused(app: Flask, admin: Person, body: str) -> None:
    for rule in _rules(app, "POST"):
        if rule.rule.startswith("/api/"):
            answer = admin.post(_at(rule, "1"), data=body, content_type="application/json")
            assert (answer.status_code, bool(answer.json["message"])) == (400, True), rule.rule


@pytest.mark.parametrize(
    "body",
    [
        f'{{"results": [{{"outreach_id": {HUGE}, "outcome": "answered", "at": "2026-01-01T00:00:00Z"}}]}}',
        f'{{"results": [{{"outreach_id": {"9" * 5000}}}]}}',
        '{"results": [{"outreach_id": "' + HUGE + '", "outcome": "answered", "at": "99999-01-01"}]}',
        "[]",
        "null",
        '"\\u738b"',
        "{",
        "\xff",
    ],
)
def test_no_json_body_is_an_error(app: Flask, admin: Person, body: str) -> None:
    answers = {}
    for rule, method in itertools.product(app.url_map.iter_rules(), ("POST", "PUT", "DELETE")):
        if rule.rule.startswith("/api/") and method in (rule.methods or ()):
            answers[f"{method} {rule.rule}"] = admin.open(
                _at(rule, HUGE),
                method=method,
                data=body.encode("latin-1", "replace"),
                content_type="application/json",
            ).status_code
    assert answers
    _check(answers)


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("language", "said"), [("en", "The limit is 2 MB"), ("zh", "一次最多上传 2 MB")])
def test_a_body_beyond_its_address_is_refused_in_words(
    login: Callable[..., Person], chunked: bool, language: str, said: str
) -> None:
    person = login("Admin", language=language)
    body = f"csrf_token={person.token()}&name=".encode() + b"x" * (3 << 20)
    answer = person.post(
        "/tagview/add",
        input_stream=io.BytesIO(body),
        content_type="application/x-www-form-urlencoded",
        environ_overrides=CHUNKED if chunked else {"CONTENT_LENGTH": str(len(body))},
    )
    assert answer.status_code == 413
    assert said in answer.text


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_api_is_refused(admin: Person, chunked: bool) -> None:
    body = b'{"results": ["' + b"x" * (3 << 20) + b'"]}'
    answer = admin.post(
        "/api/v1/outreach/results",
        input_stream=io.BytesIO(body),
        content_type="application/json",
        environ_overrides=CHUNKED if chunked else {"CONTENT_LENGTH": str(len(body))},
    )
    assert answer.status_code == 413
    assert answer.json["message"]


def test_only_somebody_who_is_logged_in_uploads_much(app: Flask, admin: Person) -> None:
    for person, status in ((app.test_client(), 413), (admin, 200)):
        data = {"file": (io.BytesIO(b"x" * (3 << 20)), "a.exe")}
        send = getattr(person, "submit", person.post)
        assert send("/importbatchview/upload", data=data).status_code == status

"""The application of commands makes its pages when a mail first links to one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from flask import render_template_string

from app import create_app, views
from config import Settings


def test_a_mail_waits_for_the_pages_that_another_thread_registers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, others = create_app(settings), list[Future[str]]()

    def address() -> str:
        with app.app_context():
            return render_template_string(
                "{{ address_of(opens) }}", opens={"page": "my_work", "arguments": {}}
            )

    def register(appbuilder: Any) -> None:
        others.append(pool.submit(address))
        # It would end here with pages half registered, if it didn't wait.
        wait(others, timeout=0.5)
        original(appbuilder)

    original = views.register
    monkeypatch.setattr(views, "register", register)
    with ThreadPoolExecutor(2) as pool:
        assert pool.submit(address).result() == "/myworkview/list/"
        assert others[0].result() == "/myworkview/list/"

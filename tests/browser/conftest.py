"""Fixtures: a live server of the application, Chromium, and windows that may reach no other host."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from tests import clock
from tests.access.world import World
from tests.browser.window import DESK, Window, screen
from tests.conftest import Person

LOCALES = {"zh": "zh-CN", "en": "en-GB"}
#: other hosts can't be resolved, and Chromium makes no background requests of its own
FLAGS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

#: Of a wait for what a page shows. It costs only what fails; a busy machine needs more than the driver's 5 s.
PATIENT_MS = 20_000

Visit = Callable[..., Window]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start one Chromium for all tests of this worker."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert path, "Chromium is missing: run tests/browser_setup.sh"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with pytest.MonkeyPatch.context() as patch:
        # Chromium refuses a library that shifts the clock, and its driver must agree with it about the time.
        patch.delenv("LD_PRELOAD", raising=False)
        playwright = sync_playwright().start()
    expect.set_options(timeout=PATIENT_MS)
    launched = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *sandbox])
    yield launched
    launched.close()
    playwright.stop()


class _Quiet(WSGIRequestHandler):
    """Keeps the server's request log out of the report of a failed test."""

    def log_request(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="package")
def base(worker_app: Flask) -> Iterator[str]:
    """Start a server of this worker's application and return its address."""
    server = make_server("127.0.0.1", 0, worker_app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def visit(browser: Browser, base: str, world: World, login: Callable[..., Person]) -> Iterator[Visit]:
    """Return a function that opens a window for a user of a role, or without log-in for an empty one.

    A fault in a window fails the test. The first user is called "me" and owns the rows that the world gives
    to that name.
    """
    windows: list[Window] = []

    def make(role: str, *, width: int = DESK, language: str = "zh") -> Window:
        context = browser.new_context(viewport=screen(width), locale=LOCALES[language], base_url=base)
        context.set_default_timeout(PATIENT_MS)
        if "CLOCK_AHEAD" in os.environ:
            context.clock.install(time=clock.now())
        if role:
            name = role.lower() if windows else "me"
            client = login(role, branch=world.home, language=language, username=name)
            cookie = client.get_cookie("lead_monitor")
            assert cookie is not None
            context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": base}])
        windows.append(Window(context, base))
        return windows[-1]

    yield make
    for window in windows:
        window.context.close()
    faults = [fault for window in windows for fault in window.faults]
    assert not faults, "\n".join(faults)

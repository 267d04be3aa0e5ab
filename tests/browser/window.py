"""A page in the browser that notices everything that goes wrong on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response

DESK, PHONE = 1280, 390
#: what people do is tried on a desk in every run, on a phone in the long one
WIDTHS = pytest.mark.parametrize("width", [DESK, pytest.param(PHONE, marks=pytest.mark.long)])
#: A request that the page itself gave up by moving on, or that became a download.
GIVEN_UP = "net::ERR_ABORTED"


@dataclass
class Window:
    """One person's browser window. ``faults`` is what went wrong and must be empty when the test ends."""

    context: BrowserContext
    base: str
    faults: list[str] = field(default_factory=list)
    #: addresses that may answer with an error
    refusals: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page: Page = self.context.new_page()
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self._fault(f"script error: {error.error}"))
        self.context.on("request", self._request)
        self.context.on("requestfailed", self._failed)
        self.context.on("response", self._response)

    def open(self, path: str, status: int = 200) -> None:
        """Open a path and check the status; any but 200 is expected to be an error page."""
        if status != 200:
            self.refusals.add(self.base + path)
        answer = self.page.goto(self.base + path)
        found = answer.status if answer else None
        if found != status:
            self._fault(f"status {found}, not {status}")

    def resize(self, width: int) -> None:
        """Make the window as wide as a desk's or a phone's screen."""
        self.page.set_viewport_size(screen(width))

    def row(self, text: str) -> Locator:
        """The rows of the list that contain a text."""
        return self.page.locator("tbody tr", has_text=text)

    @property
    def rows(self) -> Locator:
        """The rows of the list."""
        return self.page.locator("tbody tr")

    @property
    def dialog(self) -> Locator:
        """The question that is asked before something is changed."""
        return self.page.get_by_role("dialog")

    def search(self, label: str, value: str) -> None:
        """Type into a filter and search; on a phone the filters are unfolded first."""
        filters = self.page.get_by_role("search")
        control = filters.get_by_label(label, exact=True)
        self.unfold(control)
        control.fill(value)
        filters.get_by_role("button", name="查询").click()

    def choose(self, label: str, word: str) -> None:
        """Choose an entry of a filter, which searches at once."""
        control = self.page.get_by_role("search").get_by_label(label, exact=True)
        self.unfold(control)
        with self.page.expect_navigation():
            control.select_option(label=word)

    def unfold(self, control: Locator) -> None:
        """Open 更多筛选 wherever it hides the control."""
        for opener in self.page.locator(".unfold, .more-filters summary").all():
            if opener.is_visible() and not control.is_visible():
                opener.click()

    # -- what is noticed ---------------------------------------------------------------------
    def _fault(self, text: str) -> None:
        self.faults.append(f"{self.page.url.removeprefix(self.base)}: {text}")

    def _console(self, message: ConsoleMessage) -> None:
        announced = message.location.get("url") in self.refusals
        if message.type in ("error", "warning") and not announced:
            self._fault(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.base + "/", "data:", "blob:")):
            self._fault(f"asked another host: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != GIVEN_UP:
            self._fault(f"no answer: {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.url not in self.refusals:
            self._fault(f"{response.status} {response.url}")


def screen(width: int) -> Any:
    """The size of the screen that is this wide."""
    return {"width": width, "height": 844 if width < 768 else 768}

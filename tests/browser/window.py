"""A browser window that records everything that goes wrong in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response

DESK, PHONE = 1280, 390
#: every run tests on a desktop screen, the long run on a phone as well
WIDTHS = pytest.mark.parametrize("width", [DESK, pytest.param(PHONE, marks=pytest.mark.long)])
#: The failure of a request that the page abandoned by navigating, or that became a download.
ABORTED = "net::ERR_ABORTED"


@dataclass
class Window:
    """The browser window of a user. ``faults`` collects what went wrong and must be empty in the end."""

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
        """Open a path and check its status; for any other than 200 an error page is expected."""
        if status != 200:
            self.refusals.add(self.base + path)
        answer = self.page.goto(self.base + path)
        actual = answer.status if answer else None
        if actual != status:
            self._fault(f"status {actual}, not {status}")

    def resize(self, width: int) -> None:
        """Resize the window to a desktop or phone screen."""
        self.page.set_viewport_size(screen(width))

    def row(self, text: str) -> Locator:
        """Return the rows of the list that contain a text."""
        return self.page.locator("tbody tr", has_text=text)

    @property
    def rows(self) -> Locator:
        """Return the rows of the list."""
        return self.page.locator("tbody tr")

    @property
    def dialog(self) -> Locator:
        """Return the open dialog."""
        return self.page.get_by_role("dialog")

    def search(self, label: str, value: str) -> None:
        """Fill in a filter and search; on a phone the filters are unfolded first."""
        filters = self.page.get_by_role("search")
        control = filters.get_by_label(label, exact=True)
        self.unfold(control)
        control.fill(value)
        filters.get_by_role("button", name="查询").click()

    def choose(self, label: str, word: str) -> None:
        """Select a choice of a filter, which searches at once."""
        control = self.page.get_by_role("search").get_by_label(label, exact=True)
        self.unfold(control)
        with self.page.expect_navigation():
            control.select_option(label=word)

    def unfold(self, control: Locator) -> None:
        """Open 更多筛选 where it hides the control."""
        for opener in self.page.locator(".unfold").all():
            if opener.is_visible() and not control.is_visible():
                opener.click()

    # -- recording of faults -----------------------------------------------------------------
    def _fault(self, text: str) -> None:
        self.faults.append(f"{self.page.url.removeprefix(self.base)}: {text}")

    def _console(self, message: ConsoleMessage) -> None:
        expected = message.location.get("url") in self.refusals
        if message.type in ("error", "warning") and not expected:
            self._fault(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.base + "/", "data:", "blob:")):
            self._fault(f"asked another host: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != ABORTED:
            self._fault(f"no answer: {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.url not in self.refusals:
            self._fault(f"{response.status} {response.url}")


def screen(width: int) -> Any:
    """Return the size of the screen with a width."""
    return {"width": width, "height": 844 if width < 768 else 768}


class Hand:
    """A person's hand, which counts what it does."""

    def __init__(self, window: Window) -> None:
        self.page, self.actions = window.page, 0

    def click(self, control: Locator) -> None:
        """Click a control."""
        self.actions += 1
        control.click()

    def press(self, role: str, name: str) -> None:
        """Click the control with a role and a name."""
        self.click(self.page.get_by_role(role, name=name, exact=True))  # type: ignore[arg-type]

    def fill(self, label: str, text: str) -> None:
        """Write a text into a field."""
        self.actions += 1
        self.page.get_by_label(label).fill(text)

    def choose(self, control: Locator, word: str) -> None:
        """Choose from a drop-down."""
        self.actions += 1
        control.select_option(label=word)

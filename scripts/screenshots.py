"""Take the pictures of README and user guide from a running server with the demo: `make screenshots`.

    python scripts/screenshots.py [BASE_URL [NAME …]]

Writes docs/screenshots/<name>-<language>.png, all of them or those that are named. The server must already
be running.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from app.demo.logins import logins

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
#: wide enough for every column, low enough for a small file
WIDTH, HEIGHT = 1280, 600
LANGUAGES = {"zh": "zh-CN", "en": "en-GB"}
#: colours of a picture; more make its file larger, and nobody sees them
COLOURS = 128
FIRST_ROW = "tbody tr a"


class Picture(NamedTuple):
    """A picture: who sees what, the link that is followed from there, and its height."""

    name: str
    user: str
    path: str
    follow: str = ""
    height: int = HEIGHT


PICTURES = (
    Picture("my-work", "marketer", "/myworkview/list/?show=unclaimed", height=860),
    Picture("customer", "marketer", "/myworkview/list/?show=mine", FIRST_ROW, 860),
    Picture("workspace", "manager", "/", height=720),
    Picture("hits", "manager", "/hitview/list/"),
    Picture("customers", "manager", "/customerview/list/"),
    Picture("leads", "manager", "/leadview/list/"),
    Picture("import", "manager", "/importbatchview/upload"),
    Picture("segment", "manager", "/segmentview/list/", FIRST_ROW),
    Picture("matrix", "manager", "/matrixview/list/"),
    Picture("rules", "manager", "/ruleview/list/"),
    Picture("editor", "manager", "/ruleview/add"),
    Picture("schedule", "manager", "/scheduleview/add", height=860),
    Picture("deliveries", "manager", "/deliveryview/list/"),
    Picture("batch", "manager", "/outreachbatchview/list/", FIRST_ROW, 860),
    Picture("facts", "manager", "/factview/list/"),
    Picture("effect", "manager", "/effectview/list/", height=860),
    Picture("report", "manager", "/weeklyreportview/list/", FIRST_ROW, 720),
    Picture("approvals", "manager", "/approvalview/list/"),
    Picture("runs", "operator", "/jobrunview/list/"),
    Picture("log-files", "operator", "/ingestfileview/list/"),
    Picture("completeness", "operator", "/completenessview/list/"),
    Picture("log", "auditor", "/changelogview/list/"),
    Picture("staff", "admin", "/users/list/"),
)
LOG_IN = Picture("log-in", "", "/login/")


def main(base: str, *names: str) -> None:
    """Take the pictures in both languages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = [each for each in PICTURES if not names or each.name in names]
    with sync_playwright() as playwright:
        for language, locale in LANGUAGES.items():
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--no-sandbox", f"--lang={locale}"],
                # Date fields use the language of the browser, not of the page.
                env={"LANGUAGE": locale.replace("-", "_")},
            )
            for user, pictures in groupby(sorted(wanted, key=lambda each: each.user), lambda each: each.user):
                _of_user(browser, base, language, user, pictures)
            browser.close()


def _of_user(browser: Browser, base: str, language: str, user: str, pictures: Iterator[Picture]) -> None:
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, locale=LANGUAGES[language], reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{base}/login/")
    page.goto(f"{base}/lang/{language}")
    page.goto(f"{base}/login/")
    if user == "admin":
        _take(page, LOG_IN, language)
    page.fill("#username", user)
    page.fill("#password", next(password for _role, name, password in logins() if name == user))
    page.click("button[type=submit]")
    page.goto(f"{base}/lang/{language}")
    for picture in pictures:
        page.set_viewport_size({"width": WIDTH, "height": picture.height})
        page.goto(base + picture.path)
        if picture.follow:
            page.locator(picture.follow).first.click()
        _take(page, picture, language)
    context.close()


def _take(page: Page, picture: Picture, language: str) -> None:
    page.wait_for_load_state("networkidle")
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = FOLDER / f"{picture.name}-{language}.png"
    shot.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name} {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:8080"]))

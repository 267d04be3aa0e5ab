"""Take the pictures of the README from a running server with the demo: `make screenshots`.

    python scripts/screenshots.py [BASE_URL]

Writes docs/screenshots/<page>-<language>.png. The server must already be running.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from app.demo.logins import logins

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
#: wide enough for every column, low enough for a small file
SIZE = {"width": 1280, "height": 600}
PAGES = {
    "leads": "/leadview/list/",
    "hits": "/hitview/list/",
    "effect": "/effectview/list/",
    "rules": "/ruleview/list/",
    "editor": "/ruleview/add",
    "runs": "/jobrunview/list/",
    "deliveries": "/ingestfileview/list/",
}


def main(base: str) -> None:
    """Take every picture in both languages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    username, password = next((name, word) for _role, name, word in logins() if name == "admin")
    with sync_playwright() as playwright:
        for language, locale in (("zh", "zh-CN"), ("en", "en-GB")):
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--no-sandbox", f"--lang={locale}"],
                # Date fields use the language of the browser, not of the page.
                env={"LANGUAGE": locale.replace("-", "_")},
            )
            page = browser.new_context(viewport=SIZE, locale=locale).new_page()
            page.goto(f"{base}/lang/{language}")
            page.goto(f"{base}/login/")
            _picture(page, f"log-in-{language}")
            page.fill("#username", username)
            page.fill("#password", password)
            page.click("button[type=submit]")
            page.goto(f"{base}/lang/{language}")
            for name, path in PAGES.items():
                page.goto(base + path)
                _picture(page, f"{name}-{language}")
            browser.close()


def _picture(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / f"{name}.png")
    print(f"{name}.png {(FOLDER / f'{name}.png').stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")

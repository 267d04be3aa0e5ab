"""The numbers of a page, each with the list that it opens."""

from __future__ import annotations

import json
import re
from html import unescape

from tests.conftest import Person


def numbers(page: str) -> list[tuple[str, int]]:
    """Return every number of the page with the address of its list."""
    found = [(unescape(url), int(n)) for url, n in re.findall(r'href="([^"]+)" data-count="(\d+)"', page)]
    for data in re.findall(r'data-chart="([^"]*)"', page):
        chart = json.loads(unescape(data))
        assert len(chart["links"]) == len(chart["x"]) == len(chart["y"])
        found += list(zip(chart["links"], chart["y"], strict=True))
    return found


def rows(page: str) -> int:
    """Return the number of rows that the list states."""
    [said] = re.findall(r'<p class="count">\s*([\d,]+) (?:rows?|customers?|institutions?)', page)
    return int(said.replace(",", ""))


def check_lists(person: Person, page: str) -> dict[str, int]:
    """Check that each number of the page is that of the list it opens. Return them."""
    found = dict(numbers(page))
    for url, n in found.items():
        assert rows(person.get(url).text) == n, url
    return found

"""Pointers stored as data: to a row of a table, to filtered rows of a table, or to a page.

They become addresses where they are shown or mailed (app/console/addresses.py).
"""

from __future__ import annotations

from typing import Any

#: column, operator, value
Filter = tuple[str, str, str]


def filters(**criteria: Any) -> list[Filter]:
    """Return filters from ``column=value`` (equal) and ``column__operator=value``, skipping None."""
    result = []
    for name, value in criteria.items():
        column, _separator, operator = name.partition("__")
        if value is not None:
            result.append((column, operator or "is", str(value)))
    return result


def to_row(table: str, key: int) -> dict[str, Any]:
    """Return a pointer to one row of a table."""
    return {"table": table, "id": key}


def to_rows(table: str, **criteria: Any) -> dict[str, Any]:
    """Return a pointer to the rows of a table that match ``filters(**criteria)``."""
    return {"table": table, "filters": [list(each) for each in filters(**criteria)]}


def to_page(name: str, **arguments: str) -> dict[str, Any]:
    """Return a pointer to a page that is not about one table."""
    return {"page": name, "arguments": arguments}

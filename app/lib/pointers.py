"""What a stored row points to, as data: a row of a table, some rows of one, or a page.

The address is made where it is shown or mailed (app/console/addresses.py).
"""

from __future__ import annotations

from typing import Any

#: column, operator, value
Filter = tuple[str, str, str]


def filters(**given: Any) -> list[Filter]:
    """Return filters from ``column=value`` (equal) and ``column__operator=value``; None is left out."""
    found = []
    for name, value in given.items():
        column, _separator, operator = name.partition("__")
        if value is not None:
            found.append((column, operator or "is", str(value)))
    return found


def to_row(table: str, key: int) -> dict[str, Any]:
    """Point to one row of a table."""
    return {"table": table, "id": key}


def to_rows(table: str, **given: Any) -> dict[str, Any]:
    """Point to the rows of a table that ``filters(**given)`` leave."""
    return {"table": table, "filters": [list(each) for each in filters(**given)]}


def to_page(name: str, **arguments: str) -> dict[str, Any]:
    """Point to a page that is not about one table."""
    return {"page": name, "arguments": arguments}

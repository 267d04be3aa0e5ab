"""Parsing of row keys from addresses, forms and stored texts."""

from __future__ import annotations

import pytest

from app.lib.row_id import LARGEST_BIG, row_id


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1", 1),
        ("007", 7),
        (42, 42),
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("0", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1_0", None),
        ("1.0", None),
        ("²", None),
        ("٣", None),
        ("9" * 5000, None),
        ("", None),
        ("x", None),
        (None, None),
        (True, None),
    ],
)
def test_what_is_the_key_of_a_row(text: object, key: int | None) -> None:
    assert row_id(text) == key


def test_a_big_key_is_one_where_the_column_holds_it() -> None:
    assert row_id("2147483648", LARGEST_BIG) == 2147483648
    assert row_id(str(2**63), LARGEST_BIG) is None

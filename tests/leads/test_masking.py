"""ID numbers are recognised and masked in any text."""

from __future__ import annotations

import pytest

from app.leads.masking import holds_id, mask_id, mask_ids
from tests.leads.support import id_number

ID = id_number(1)
FULL_WIDTH = "".join(chr(ord(c) + 0xFEE0) for c in ID)
SPACED = " ".join((ID[:6], ID[6:14], ID[14:]))


@pytest.mark.parametrize("text", [ID, f"客户{ID}的资料", FULL_WIDTH, SPACED, "-".join(ID), ID[:6] + ID[8:17]])
def test_ids_are_masked_anywhere(text: str) -> None:
    masked = mask_ids(text)
    assert "*" * 8 in masked
    assert ID[6:14] not in masked


@pytest.mark.parametrize(
    "text", ["13812345678", "0086 13812345678", "王小明", "a1" * 32, "9" * 64, "2026-10-01"]
)
def test_other_text_is_left_alone(text: str) -> None:
    assert mask_ids(text) == text


@pytest.mark.parametrize(
    ("text", "masked"), [("510104199508024620", "510" + "*" * 13 + "20"), ("12345678", "*" * 8), ("", "")]
)
def test_mask_id(text: str, masked: str) -> None:
    assert mask_id(text) == masked


def test_holds_id() -> None:
    assert holds_id(f"x{SPACED}y")
    assert holds_id("9" + ID)
    assert not holds_id("2026100100000001")
    assert not holds_id("王")

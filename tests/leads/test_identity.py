"""Canonical ID numbers and their keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.leads.errors import InvalidIdNumber
from app.leads.identity import IdHasher, canonical_hash, canonical_id
from tests.leads.support import SAMPLE, id_number


def check_digit(body: str) -> str:
    """Compute the check digit by the table of GB 11643, independently of the product."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11]


def good(body: str) -> str:
    return body + check_digit(body)


@pytest.mark.parametrize(
    "text",
    [
        good("33010619610429398"),
        " 3301061961042939 8" + check_digit("33010619610429398") + "\u3000",
        "'" + good("33010619610429398"),
        "\u2019" + good("33010619610429398"),
        " '" + good("33010619610429398"),
        good("33010619610429398").lower(),
        "\ufeff" + good("33010619610429398"),
        "".join(chr(ord(c) + 0xFEE0) for c in good("33010619610429398")),
    ],
)
def test_spellings_of_one_number(text: str) -> None:
    assert canonical_id(text) == good("33010619610429398")


def test_lower_case_and_full_width_x() -> None:
    body = next(b for b in (f"3301061961042{n:04d}" for n in range(3900, 3999)) if check_digit(b) == "X")
    assert canonical_id(body + "x") == canonical_id(body + "\uff38") == body + "X"


def test_fifteen_digits_become_eighteen() -> None:
    assert canonical_id("310101650802252") == good("31010119650802252")


def test_any_region_is_taken() -> None:
    assert canonical_id(good("99999919900101123")) == good("99999919900101123")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (good("33010619610429398")[:-1] + "?", "id_characters"),
        ("无", "id_characters"),
        ("33010619610429398_", "id_characters"),
        ("X3010619610429398X", "id_characters"),
        ("330106-19610429-398", "id_characters"),
        ("３３０１０６１９６１０４２９３９８０", "id_check_digit"),
        ("3301061961042939", "id_length"),
        (good("33010619610429398") + "1", "id_length"),
        (good("33010619610230398"), "id_birth_date"),
        (good("33010619611329398"), "id_birth_date"),
        (good("33010629990101398"), "id_birth_date"),
        ("330106610230398", "id_birth_date"),
        ("5.10104199508025E+17", "id_lost_digits"),
        ("5.1E+17", "id_lost_digits"),
        ("330***********39", "id_masked"),
    ],
)
def test_what_is_wrong_is_told(text: str, code: str) -> None:
    with pytest.raises(InvalidIdNumber) as caught:
        canonical_id(text)
    assert caught.value.code == code
    assert text not in str(caught.value)


@given(st.integers(0, 999_999), st.integers(0, 17), st.integers(1, 9))
def test_every_single_wrong_digit_is_found(serial: int, position: int, step: int) -> None:
    number = id_number(serial)
    if number[position] != "X":
        wrong = str((int(number[position]) + step) % 10)
        with pytest.raises(InvalidIdNumber):
            canonical_id(number[:position] + wrong + number[position + 1 :])
    assert canonical_id(number) == good(number[:17])


def test_canonical_hash() -> None:
    assert canonical_hash(" " + "AB" * 32) == "ab" * 32
    for wrong in ("ab" * 31, "zz" * 32, ""):
        with pytest.raises(InvalidIdNumber):
            canonical_hash(wrong)


def test_hash_is_hmac_over_the_canonical_number() -> None:
    number = id_number(7)
    expected = hmac.new("密钥".encode(), number.encode(), hashlib.sha256).hexdigest()
    assert IdHasher("sha256", "密钥").hash(number) == expected


def test_sm3_is_the_hash_of_the_log_provider() -> None:
    expected = json.loads((SAMPLE / "expected.json").read_text(encoding="utf-8"))
    digest = IdHasher(expected["id_hash_algorithm"], expected["id_hash_key"]).hash("510104199508024620")
    logs = b"".join(path.read_bytes() for path in sorted((SAMPLE / "logs").rglob("*.jsonl")))
    assert digest.encode() in logs


@pytest.mark.parametrize(("algorithm", "key"), [("md5", "k"), ("sm3", "")])
def test_bad_settings_are_refused(algorithm: str, key: str) -> None:
    with pytest.raises(ValueError, match="hash"):
        IdHasher(algorithm, key)

"""Normalisation, masking, encryption and index of phone numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.leads.errors import InvalidPhone, LeadsError
from app.leads.masking import mask_phone
from app.leads.phone import PhoneVault, normalise_phone


@pytest.mark.parametrize(
    "text",
    [
        *("13812345678", " 138 1234 5678 ", "138-1234-5678", "+86 138-1234-5678", "008613812345678"),
        *("8613812345678", "013812345678", "(+86)13812345678", "１３８１２３４５６７８", "'13812345678"),
        *("13812345678.0", "'+8613812345678", "138\u00a01234\u00a05678", "138\u20131234\u20135678"),
    ],
)
def test_spellings_of_one_mobile(text: str) -> None:
    assert normalise_phone(text) == "13812345678"


@pytest.mark.parametrize("text", ["020-87654321", "(020) 8765 4321", "+86 20 87654321", "2087654321"])
def test_spellings_of_one_landline(text: str) -> None:
    assert normalise_phone(text) == "02087654321"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("", "phone_missing"), ("  ", "phone_missing"), ("12345", "phone_invalid")),
        *(("12812345678", "phone_invalid"), ("1381234567", "phone_invalid"), ("10086", "phone_invalid")),
        *(("+1 650 253 0000", "phone_invalid"), ("13812345678/13912345678", "phone_invalid")),
        *(("13812345678转801", "phone_invalid"), ("无", "phone_invalid"), ("1.38E+10", "phone_lost_digits")),
        *(("330106196104293980", "phone_invalid"), ("138****5678", "phone_invalid")),
    ],
)
def test_what_is_no_phone(text: str, code: str) -> None:
    with pytest.raises(InvalidPhone) as caught:
        normalise_phone(text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13812348899", "138****8899"),
        ("02087654321", "020******21"),
        ("057187654321", "0571******21"),
        ("05718765432", "0571******2"),
        ("4008001234", "400*****34"),
    ],
)
def test_mask(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


def test_vault_gives_back_what_it_took() -> None:
    vault = PhoneVault("key")
    sealed = vault.encrypt("13812345678")
    assert vault.decrypt(sealed) == PhoneVault("key").decrypt(sealed) == "13812345678"
    assert b"13812345678" not in sealed
    assert sealed != vault.encrypt("13812345678")


@given(st.integers(0, 39), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, change: int) -> None:
    vault = PhoneVault("key")
    sealed = bytearray(vault.encrypt("13812345678"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(LeadsError) as caught:
        vault.decrypt(bytes(sealed))
    assert caught.value.code == "phone_undecipherable"


def test_another_key_reads_and_finds_nothing() -> None:
    sealed = PhoneVault("key").encrypt("13812345678")
    with pytest.raises(LeadsError):
        PhoneVault("other").decrypt(sealed)
    assert PhoneVault("key").index("13812345678") != PhoneVault("other").index("13812345678")


def test_index_is_blind_and_stable() -> None:
    vault = PhoneVault("key")
    assert vault.index("13812345678") == PhoneVault("key").index("13812345678")
    assert len(vault.index("13812345678")) == 64
    assert vault.index("13812345678") != vault.index("13812345679")


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="PII"):
        PhoneVault("")


@pytest.mark.parametrize("cipher", ["aes-256-gcm", "sm4-gcm"])
def test_each_cipher_gives_back_what_it_took(cipher: str) -> None:
    vault = PhoneVault("key", cipher=cipher)
    sealed = vault.encrypt("13812345678")
    assert PhoneVault("key").decrypt(sealed) == "13812345678"
    assert sealed[:1] == vault.header
    with pytest.raises(LeadsError):
        vault.decrypt(sealed[:-1] + bytes((sealed[-1] ^ 1,)))
    with pytest.raises(LeadsError):
        PhoneVault("key").decrypt(bytes((sealed[0] ^ 0x80,)) + sealed[1:])


def test_a_newer_key_reads_what_older_ones_wrote() -> None:
    first, second = PhoneVault("one"), PhoneVault("two", version=2, old_keys=[(1, "one")], cipher="sm4-gcm")
    third = PhoneVault("three", version=3, old_keys=[(1, "one"), (2, "two")])
    for old in (first, second, third):
        assert third.decrypt(old.encrypt("13812345678")) == "13812345678"
    assert len({vault.header for vault in (first, second, third)}) == 3
    with pytest.raises(LeadsError):
        second.decrypt(third.encrypt("13812345678"))


def test_the_index_outlives_the_encryption_key() -> None:
    first = PhoneVault("one")
    second = PhoneVault("two", version=2, old_keys=[(1, "one")])
    alone = PhoneVault("two", version=2, index_key=first.index_key)
    found = {vault.index("13812345678") for vault in (first, second, alone)}
    assert len(found) == 1
    assert PhoneVault("two", version=2).index("13812345678") not in found

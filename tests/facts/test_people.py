"""The index of the lead list by a digest."""

from __future__ import annotations

from app.facts.people import LeadIndex, number_key


def test_each_lead_is_found_and_nobody_else() -> None:
    keyed = [(number_key(f"L{number}"), number) for number in range(500)]
    index = LeadIndex(reversed(keyed))
    assert [index.find(key) for key, _lead in keyed] == list(range(500))
    assert index.find(number_key("L500")) is None
    assert LeadIndex([]).find(number_key("L1")) is None


def test_keys_that_begin_alike_are_told_apart() -> None:
    keys = [b"\xff" * 8 + bytes([last] * 8) for last in range(3)]
    index = LeadIndex((key, place) for place, key in enumerate(keys[:2]))
    assert [index.find(key) for key in keys] == [0, 1, None]

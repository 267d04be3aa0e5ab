"""The event types of call logs: display name, number in the cube, and weight in the score of a new rule.

Everything else derives from these entries, as from those of ``metrics``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from app.errors import N_

EventType = Literal["face_verify", "id_ocr", "data_call"]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)


@dataclass(frozen=True)
class EventTypeEntry:
    """An event type. The cube stores ``number``: use the next free one up to 255, and never change it."""

    number: int
    label: str
    weight: float


REGISTRY: dict[EventType, EventTypeEntry] = {
    "face_verify": EventTypeEntry(1, N_("Face verification"), weight=1.0),
    "id_ocr": EventTypeEntry(2, N_("ID-card OCR"), weight=0.8),
    "data_call": EventTypeEntry(3, N_("Data call"), weight=0.6),
}


def name_of(number: int) -> EventType:
    """Return the event type that the cube stores as a number."""
    return next(name for name, each in REGISTRY.items() if each.number == number)

"""Differences of two versions of a journey."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from app.approvals import Change
from app.journeys.definition import JourneyDef


def changes(old: JourneyDef | None, new: JourneyDef) -> list[Change]:
    """Return the parts in which two journeys differ, or all parts when there is no old one."""
    before, after = _parts(old) if old else {}, _parts(new)
    pairs = [(name, before.get(name, ""), after.get(name, "")) for name in {**after, **before}]
    return [Change(*each) for each in pairs if each[1] != each[2]]


def _parts(journey: JourneyDef) -> dict[str, str]:
    stated = journey.as_json()
    parts = {
        _("Name"): journey.name,
        _("Trigger"): _text(stated["trigger"]),
        _("Re-entry"): _text(stated.get("reentry", "never")),
        _("Goal"): _text(stated.get("goal", "")),
        _("Order of the steps"): " → ".join(step.id for step in journey.steps),
    }
    steps = ({name: each for name, each in step.items() if name != "id"} for step in stated["steps"])
    return parts | {
        _("Step %(id)s", id=step.id): _text(said) for step, said in zip(journey.steps, steps, strict=True)
    }


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_grouped(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_grouped, value))
    return str(value)


def _grouped(value: Any) -> str:
    return f"({_text(value)})" if isinstance(value, dict) else _text(value)

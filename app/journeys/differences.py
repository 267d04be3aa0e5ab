"""Differences of two versions of a journey, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _

from app.approvals import Change
from app.journeys.definition import JourneyDef
from app.journeys.sentence import (
    Names,
    bought_sentence,
    doing,
    pacing_sentence,
    read_names,
    step_sentence,
    steps_sentences,
    trigger_sentence,
)


def changes(old: JourneyDef | None, new: JourneyDef, names: Names | None = None) -> list[Change]:
    """Return the parts in which two journeys differ, or all parts when there is no old one."""
    known = names or read_names()
    before = _head(old, known) if old else {}
    head = [
        Change(part, before.get(part, ""), text)
        for part, text in _head(new, known).items()
        if before.get(part, "") != text
    ]
    if old is None:
        steps = zip(new.steps, steps_sentences(new.steps, known), strict=True)
        return [
            *head,
            *(Change(_("Step %(n)s", n=n), "", text) for n, (_step, text) in enumerate(steps, 1)),
        ]
    return [*head, *_of_steps(old, new, known)]


def _head(journey: JourneyDef, names: Names) -> dict[str, str]:
    again = journey.reentry
    return {
        _("Name"): journey.name,
        _("Who enters"): trigger_sentence(journey.trigger, names),
        _("Entering again"): _("never again")
        if isinstance(again, str)
        else _("after %(n)s days at the earliest", n=again.after_days),
        _("Goal"): bought_sentence(journey.goal, names) if journey.goal else _("none"),
        _("Pacing"): pacing_sentence(journey.pacing) if journey.pacing else _("none"),
    }


def _of_steps(old: JourneyDef, new: JourneyDef, names: Names) -> list[Change]:
    """Return the steps that were changed, added or removed, and how the order of the others changed."""
    before, after = {each.id: each for each in old.steps}, {each.id: each for each in new.steps}
    called_before, called_after = _called(old.steps, names), _called(new.steps, names)
    found = []
    if old.steps[0].id != new.steps[0].id:
        found.append(Change(_("First step"), doing(old.steps[0], names), doing(new.steps[0], names)))
    for number, step in enumerate(new.steps, 1):
        now = step_sentence(step, names, called_after)
        if step.id not in before:
            found.append(Change(_("Step %(n)s, new", n=number), "", now))
        elif step != before[step.id]:
            was = step_sentence(before[step.id], names, called_before)
            found.append(Change(_("Step %(n)s", n=number), was, now))
    for number, step in enumerate(old.steps, 1):
        if step.id not in after:
            was = step_sentence(step, names, called_before)
            found.append(Change(_("Step %(n)s before, removed", n=number), was, ""))
    return [*found, *_of_order(list(before), list(after))]


def _of_order(old: list[str], new: list[str]) -> list[Change]:
    """Return how the order of the steps of both changed, by their former numbers."""
    kept = [each for each in new if each in old]
    former = [each for each in old if each in new]
    if kept == former:
        return []
    was, now = (" → ".join(str(old.index(each) + 1) for each in some) for some in (former, kept))
    return [Change(_("Order of the steps"), was, now)]


def _called(steps: Sequence[Any], names: Names) -> dict[str, str]:
    """Return what each step is called: its number changes when others are added, so what it does is said."""
    return {
        step.id: _("step %(n)s (%(does)s)", n=number, does=doing(step, names))
        for number, step in enumerate(steps, 1)
    }

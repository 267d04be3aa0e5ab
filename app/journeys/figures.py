"""The figures of a simulation as they are kept: of bounded size, however many customers there are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.extensions import db
from app.journeys.callers import Desks
from app.journeys.definition import Contact
from app.journeys.plan import CHANNELS, Plan
from app.journeys.report import Replay
from app.journeys.simulation import Tally
from app.journeys.step import DONE, HELD, SKIPPED, WAITING
from app.models import OutreachTemplate
from app.outreach import cost, templates
from app.outreach.settings import OutreachSettings, of_journeys


def figures(replay: Replay, tally: Tally, desks: Desks) -> dict[str, Any]:
    """Return what is kept of a simulation.

    ``numbers`` are those of the command, ``spec`` is the journey. By step ``waiting`` says how many stand
    there at the end, ``ways``, ``held`` and ``skipped`` why how many went which way, ``costs`` what contacts
    cost by the prices and texts of today.
    """
    plan = replay.plan
    names = [step.id for step in plan.steps]
    return {
        "numbers": replay.numbers(tally),
        "spec": plan.journey.as_json(),
        "waiting": {
            name: int(n) for name, n in zip(names, tally.whys[:, WAITING].sum(axis=1), strict=True) if n
        },
        "ways": _whys(plan, tally, DONE),
        "held": _whys(plan, tally, HELD),
        "skipped": _whys(plan, tally, SKIPPED),
        "costs": _costs(plan, tally, of_journeys()),
        "load": desks.load(tally),
        "shares": replay.shares,
    }


def _whys(plan: Plan, tally: Tally, status: int) -> dict[str, dict[str, int]]:
    found = {}
    for step, counts in zip(plan.steps, tally.whys[:, status], strict=True):
        whys = {word: int(n) for word, n in zip(plan.words, counts, strict=True) if n and word}
        if whys:
            found[step.id] = whys
    return found


def _costs(plan: Plan, tally: Tally, settings: OutreachSettings) -> dict[str, dict[str, Any]]:
    texts = _texts()
    found = {}
    for step, counts in zip(plan.steps, tally.steps, strict=True):
        if not isinstance(step.definition, Contact):
            continue
        channel, made = CHANNELS[step.channel], int(counts[DONE])
        body = texts.get(step.definition.template, "")
        text = templates.typical(body, channel, settings.opt_out_sentence)
        segments, price = cost.segments(channel, text), cost.price(settings, channel)
        found[step.id] = {
            "contacts": made,
            "segments": segments,
            "price": str(price),
            "yuan": str(price * segments * made),
        }
    return found


def _texts() -> dict[str, str]:
    """Return the newest text of each template by its code."""
    known = db.session.scalars(select(OutreachTemplate))
    return {each.code: each.versions[0].body for each in known if each.versions}


def yuan(figures_: dict[str, Any], channel: str | None = None) -> Decimal:
    """Return what the contacts of kept figures cost, those by one channel or all."""
    channels = {step["id"]: step.get("channel") for step in figures_["spec"]["steps"]}
    return sum(
        (
            Decimal(each["yuan"])
            for name, each in figures_["costs"].items()
            if channel in (None, channels[name])
        ),
        Decimal(),
    )

"""Usual journeys to begin with. What a bank has to choose itself, and has not made yet, is left empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from flask_babel import lazy_gettext

from app.journeys.check import Known

Stated = dict[str, Any]


class Preset(NamedTuple):
    """A journey to begin with: its name, what it is for, and the journey for what there is."""

    name: Any
    about: Any
    make: Callable[[Known], Stated]


def stated(key: str, known: Known) -> Stated:
    """Return a preset as a journey in a file, without a code and with empty texts where one has to choose."""
    preset = PRESETS[key]
    return {"code": "", "name": str(preset.name), "reentry": "never"} | preset.make(known)


def _first(wanted: Iterable[str], there: Iterable[str]) -> str:
    """Return the first wanted code that there is, else the first there is, empty without any."""
    all_codes = list(there)
    return next((code for code in wanted if code in all_codes), min(all_codes, default=""))


def _template(known: Known, channel: str, *wanted: str) -> str:
    usable = [code for code, each in known.templates.items() if each.channel == channel and each.usable]
    return _first(wanted, usable)


def _date_fact(known: Known, *wanted: str) -> str:
    """Return a wanted date fact that there is: no other will do."""
    dates = [code for code, fact in known.filters.facts.items() if fact.kind == "date"]
    return next((code for code in wanted if code in dates), "")


def _sms(known: Known, key: str, then: str, *wanted: str) -> Stated:
    template = _template(known, "sms", *wanted)
    return {"id": key, "do": "contact", "channel": "sms", "template": template, "then": then}


def _call(known: Known, key: str, then: str, *wanted: str) -> Stated:
    template = _template(known, "call", *wanted)
    return {"id": key, "do": "contact", "channel": "call", "template": template, "then": then}


def _answer(key: str, timeout: str, **span: int) -> Stated:
    """Return a wait for an answer, which ends the journey."""
    return {"id": key, "do": "wait", **span, "until": "answered", "then": "end", "timeout": timeout}


_END = {"id": "end", "do": "end"}


def _welcome(known: Known) -> Stated:
    return {
        "trigger": {"on": "outcome", "outcome": "any"},
        "steps": [
            _sms(known, "sms1", "wait1", "T-CARD"),
            {"id": "wait1", "do": "wait", "days": 3, "then": "sms2"},
            _sms(known, "sms2", "wait2", "T-WEALTH"),
            {"id": "wait2", "do": "wait", "days": 4, "then": "call1"},
            _call(known, "call1", "end", "T-LIMIT-CALL"),
            _END,
        ],
    }


def _maturity(known: Known) -> Stated:
    products = [code for code in ("DEPOSIT-T",) if code in known.filters.products]
    return {
        "trigger": {"on": "date", "fact": _date_fact(known, "deposit_due", "maturity"), "days": -14},
        "reentry": {"after_days": 30},
        "goal": {"products": products} if products else {"outcome": "any"},
        "steps": [
            _sms(known, "sms1", "wait1", "T-DEPOSIT"),
            {"id": "wait1", "do": "wait", "days": 7, "until": "outcome", "then": "end", "timeout": "call1"},
            _call(known, "call1", "end", "T-DEPOSIT-CALL"),
            _END,
        ],
    }


def _dormant(known: Known) -> Stated:
    return {
        "trigger": {"on": "segment", "segment": "SG-OUTFLOW" if "SG-OUTFLOW" in known.segments else ""},
        "reentry": {"after_days": 90},
        "goal": {"outcome": "any"},
        "steps": [
            _sms(known, "sms1", "wait1", "T-WEALTH"),
            _answer("wait1", "ask1", days=3),
            {
                "id": "ask1",
                "do": "branch",
                "cases": [
                    {"when": {"metric": "calls", "op": ">=", "value": 1, "window_days": 7}, "then": "call1"}
                ],
                "else": "wait2",
            },
            _call(known, "call1", "end", "T-WEALTH-CALL", "T-DEPOSIT-CALL"),
            {"id": "wait2", "do": "wait", "days": 14, "then": "sms2"},
            _sms(known, "sms2", "end", "T-LOAN-RATE"),
            _END,
        ],
    }


def _missed(known: Known) -> Stated:
    return {
        "trigger": {"on": "hit", "grades": ["A", "B"]},
        "reentry": {"after_days": 30},
        "goal": {"outcome": "any"},
        "steps": [
            _call(known, "call1", "wait1", "T-LOAN-CALL"),
            _answer("wait1", "call2", hours=4),
            _call(known, "call2", "wait2", "T-LOAN-CALL"),
            _answer("wait2", "sms1", days=1),
            _sms(known, "sms1", "end", "T-LOAN"),
            _END,
        ],
    }


def _unread(known: Known) -> Stated:
    return {
        "trigger": {"on": "hit", "grades": ["B", "C"]},
        "reentry": {"after_days": 30},
        "goal": {"outcome": "any"},
        "steps": [
            _sms(known, "sms1", "wait1", "T-LOAN"),
            _answer("wait1", "call1", hours=48),
            _call(known, "call1", "end", "T-LOAN-CALL"),
            _END,
        ],
    }


def _birthday(known: Known) -> Stated:
    return {
        "trigger": {"on": "date", "fact": _date_fact(known, "birthday", "birth_date"), "days": 0},
        "reentry": {"after_days": 360},
        "steps": [_sms(known, "sms1", "end", "T-WEALTH"), _END],
    }


#: in the order of the page
PRESETS: dict[str, Preset] = {
    "welcome": Preset(
        lazy_gettext("Welcome"),
        lazy_gettext("After a purchase: an SMS at once, one after 3 days, a call after 7."),
        _welcome,
    ),
    "maturity": Preset(
        lazy_gettext("Renewal at maturity"),
        lazy_gettext("14 days before a deposit matures: an SMS; who has not renewed a week later is called."),
        _maturity,
    ),
    "dormant": Preset(
        lazy_gettext("Waking sleeping customers"),
        lazy_gettext(
            "Coming into a segment of silent customers: an SMS, and a call to those active elsewhere."
        ),
        _dormant,
    ),
    "missed": Preset(
        lazy_gettext("Calling again after no answer"),
        lazy_gettext("A call; without answer a second one 4 hours later, and an SMS the day after."),
        _missed,
    ),
    "unread": Preset(
        lazy_gettext("From an unread SMS to a call"),
        lazy_gettext("An SMS; who neither replies nor opens its link within 48 hours is called."),
        _unread,
    ),
    "birthday": Preset(
        lazy_gettext("Birthday"), lazy_gettext("An SMS on the customer's birthday."), _birthday
    ),
}

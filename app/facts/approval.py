"""Approval of changes to facts that rules in force test."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext

from app import approvals, labels
from app.approvals.definitions import DefinitionKind
from app.facts import catalogue
from app.facts.definition import FactDef, fact_def
from app.models import FactDefinition


def _text(value: Any) -> str:
    return str(value)


FACTS = DefinitionKind(
    "fact",
    FactDefinition,
    of=fact_def,
    parsed=lambda values: FactDef(**values),
    shown={
        "unit": (lazy_gettext("Unit"), _text),
        "choices": (lazy_gettext("Choices"), labels.joined),
        "purpose": (lazy_gettext("Purpose"), lambda code: labels.word(labels.PURPOSE, code)),
        "sensitive": (lazy_gettext("Sensitive"), labels.yes_no),
        "keep_days": (lazy_gettext("Days kept"), _text),
        "round_to": (lazy_gettext("Rounded in texts to"), _text),
    },
    rules=catalogue.rules_in_force,
)
approvals.register(FACTS)

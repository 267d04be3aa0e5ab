"""The data held about a customer, as tables of a page."""

from __future__ import annotations

import datetime as dt
from typing import Any

from app import labels
from app.console import formats, people
from app.facts import catalogue
from app.facts import subject as fact_subject
from app.lib.amounts import yuan
from app.models import Lead
from app.outcomes import subject as outcome_subject
from app.rules import subject as hit_subject
from app.screens.facts.words import value_text
from app.screens.leads.suppression_page import REASON
from app.segments import sentence


def held_page(lead: Lead, answer: dict[str, Any]) -> dict[str, Any]:
    """Return what the template needs of ``app.leads.subject.collect_data``: each table as rows of cells."""
    facts = {fact.code: fact for fact in catalogue.definitions().values()}
    return {
        "lead": lead,
        "held": answer,
        "when": formats.when,
        "before": [
            (old["name"], old["phone_masked"], old["source"] or None) for old in answer["before_imports"]
        ],
        hit_subject.NAME: [
            (h["hit_date"], h["rule"], h["grade"], labels.word(labels.ANY_HIT_STATUS, h["status"]))
            for h in answer[hit_subject.NAME]
        ],
        "calls": [(day["date"], day["calls"], day["institutions"]) for day in answer["activity"]],
        fact_subject.NAME: [
            (
                f["as_of"],
                sentence.name_of(facts[f["code"]]),
                value_text(facts[f["code"]], f["value"]),
                labels.word(labels.PURPOSE, f["purpose"]),
            )
            for f in answer[fact_subject.NAME]
        ],
        outcome_subject.NAME: [
            (o["date"], o["product"], yuan(o["amount"]), yuan(o["margin"]), _when(o["corrected_at"]))
            for o in answer[outcome_subject.NAME]
        ],
        "contacts": [
            (
                _when(c["at"]),
                labels.word(labels.OUTREACH_CHANNEL, c["channel"]),
                c["template"],
                labels.word(labels.contact_words(c["channel"]), c["status"]),
            )
            for c in answer["contacts"]
        ],
        "reveals": [
            (_when(r["revealed_at"]), people.shown(r["revealed_by"]), r["reason"]) for r in answer["reveals"]
        ],
        "entries": [
            (
                _when(s["created_at"]),
                labels.word(REASON, s["reason"]),
                s["expires_on"],
                _when(s["removed_at"]),
            )
            for s in answer["suppression"]
        ],
    }


def _when(text: str | None) -> Any:
    return formats.when(dt.datetime.fromisoformat(text)) if text else None

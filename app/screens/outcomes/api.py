"""The API that takes outcomes from the bank's systems."""

from __future__ import annotations

from typing import Any

from flask import g
from sqlalchemy import select

from app.access.scope import branches_visible_to, sees_whole_bank
from app.extensions import db
from app.lib.clock import today
from app.lib.settings import current_settings
from app.models import Branch
from app.outcomes import delivery
from app.screens.api.taking import NULLABLE_TEXT, PERSON, REASON, TakesList, a_list, an_object, one_of


class OutcomeApi(TakesList):
    """``POST /api/v1/outcomes``: what customers bought."""

    resource_name = "outcomes"
    list_name, most = "outcomes", delivery.MAX_ITEMS
    summary = "Store outcomes"
    description = (
        "Up to 1000 outcomes, each answered individually and in order. The person is lead_no, id_hash or "
        "id_number. Repeating an outcome changes nothing (existing), other values correct it (corrected); a "
        "person who is not on the list is unmatched, and nothing is stored."
    )
    item = an_object(
        {
            "outcome_id": {"type": "string", "minLength": 1, "maxLength": 128},
            **PERSON,
            "product": {"type": "string", "description": "code or name"},
            "date": {"type": "string", "format": "date"},
            "amount": {"type": "number", "minimum": 0},
            "margin": {"type": "number", "nullable": True},
        },
        *("outcome_id", "product", "date", "amount"),
        additionalProperties=False,
    )
    answer_is = "An answer for each outcome, in order"
    answer = an_object(
        {
            "outcomes": a_list(
                an_object(
                    {
                        "outcome_id": NULLABLE_TEXT,
                        "status": one_of("created", "corrected", "existing", "unmatched", "rejected"),
                        **REASON,
                    },
                    *("outcome_id", "status"),
                )
            )
        },
        "outcomes",
    )

    def take(self, items: list[Any]) -> dict[str, Any]:
        """Store the outcomes and return the answer."""
        query = select(Branch.id).where(branches_visible_to(g.user))
        branches = None if sees_whole_bank(g.user) else list(db.session.scalars(query))
        return {"outcomes": delivery.deliver(db.engine, items, current_settings(), today(), branches)}

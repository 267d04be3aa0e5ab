"""The API that takes results of contacts from the bank's systems."""

from __future__ import annotations

from typing import Any

from flask import g

from app.outreach import results
from app.screens.api.taking import NULLABLE_TEXT, TEXT, TakesList, a_list, an_object, one_of


class OutreachApi(TakesList):
    """``POST /api/v1/outreach/results``: results of contacts."""

    resource_name = "outreach"
    route_base = "/api/v1/outreach/results"
    list_name, most = "results", results.MAX_ITEMS
    summary = "Store the results of contacts"
    description = (
        "Up to 1000 results, each answered individually and in order. Repeating a result changes nothing "
        "(status duplicate). opt_out puts the customer on the do-not-disturb list, converted updates the hit."
    )
    item = an_object(
        {
            "outreach_id": {"type": "string", "minLength": 1, "maxLength": 64},
            "outcome": one_of(
                *("delivered", "failed", "answered", "no_answer"),
                *("refused", "interested", "converted", "opt_out"),
            ),
            "at": {"type": "string", "format": "date-time"},
            "note": {"type": "string", "maxLength": 500},
        },
        *("outreach_id", "outcome", "at"),
        additionalProperties=False,
    )
    answer_is = "An answer for each result, in order"
    answer = an_object(
        {
            "results": a_list(
                an_object(
                    {
                        "outreach_id": NULLABLE_TEXT,
                        "status": one_of("accepted", "duplicate", "unknown", "invalid"),
                        "error": TEXT,
                    },
                    *("outreach_id", "status"),
                )
            )
        },
        "results",
    )

    def take(self, items: list[Any]) -> dict[str, Any]:
        """Store the results and return the answer."""
        return {"results": results.take(items, g.user)}

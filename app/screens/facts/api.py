"""The API that takes facts from the bank's systems."""

from __future__ import annotations

from typing import Any

from flask import g

from app.facts import api_rows
from app.screens.api.taking import PERSON, REASON, TakesList, a_list, an_object, one_of


class FactApi(TakesList):
    """``POST /api/v1/facts``: values of facts about leads."""

    resource_name = "facts"
    list_name, most = "facts", api_rows.MAX_ROWS
    summary = "Store values of facts about leads"
    description = (
        "Up to 1000 rows, each answered individually and in order, stored as one import batch. A row names "
        "the person by lead_no, id_hash or id_number, perhaps the date as_of on which it was true (by "
        "default yesterday), and has a value for each fact it states, by the code of the fact. Rows are "
        "checked as those of a file. Repeating a row changes nothing."
    )
    item = an_object(
        {**PERSON, "as_of": {"type": "string", "format": "date"}},
        additionalProperties={"description": "the value of the fact with this code", "nullable": True},
    )
    answer_is = "The batch, the numbers of values, and an answer for each row, in order"
    answer = an_object(
        {
            "batch": {"type": "integer", "nullable": True},
            "stored": {"type": "integer"},
            "unchanged": {"type": "integer"},
            "rows": a_list(an_object({"status": one_of("accepted", "rejected"), **REASON}, "status")),
        },
        *("batch", "stored", "unchanged", "rows"),
    )

    def take(self, items: list[Any]) -> dict[str, Any]:
        """Store the rows and return the answer."""
        return api_rows.take(items, g.user)

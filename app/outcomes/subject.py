"""What requests of data subjects have to do with outcomes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import delete, select

from app.extensions import db
from app.leads import subject
from app.models import Lead, Outcome, OutcomeFormer

#: where outcomes are in the data collected about a lead
NAME = "outcomes"


class _Outcomes:
    name = NAME

    def collect(self, lead: Lead) -> list[dict[str, Any]]:
        """Return the lead's outcomes and what was told of them before, oldest first."""
        current = db.session.scalars(select(Outcome).where(Outcome.lead_id == lead.id)).all()
        former = db.session.execute(
            select(OutcomeFormer, Outcome.outcome_id)
            .join(Outcome, Outcome.id == OutcomeFormer.current_id)
            .where(OutcomeFormer.lead_id == lead.id)
        ).tuples()
        told = [_told(row, row.outcome_id, None) for row in current]
        told += [_told(row, outcome_id, row.corrected_at.isoformat()) for row, outcome_id in former]
        return sorted(told, key=lambda each: (each["date"], each["outcome_id"], each["told_at"]))

    def erase(self, lead_id: int) -> None:
        """Delete the lead's outcomes, if they did not go with the lead."""
        for table in (OutcomeFormer, Outcome):
            db.session.execute(delete(table).where(table.lead_id == lead_id))
        db.session.commit()


def _told(row: Outcome | OutcomeFormer, outcome_id: str, corrected_at: str | None) -> dict[str, Any]:
    return {
        "outcome_id": outcome_id,
        "product": row.product.name,
        "date": row.on_date.isoformat(),
        "amount": _number(row.amount),
        "margin": _number(row.margin),
        "told_at": row.told_at.isoformat(),
        "corrected_at": corrected_at,
    }


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


subject.register(_Outcomes())

"""What requests of data subjects have to do with hits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from app.extensions import db
from app.leads import subject
from app.models import Hit, Lead
from app.rules import evidence

#: where hits are in the data collected about a lead
NAME = "hits"


class _Hits:
    name = NAME

    def collect(self, lead: Lead) -> list[dict[str, Any]]:
        """Return the lead's hits with their evidence, oldest first."""
        hits = db.session.scalars(select(Hit).where(Hit.lead_id == lead.id).order_by(Hit.hit_date, Hit.id))
        return [_told(hit) for hit in hits]

    def erase(self, lead_id: int) -> None:
        """Do nothing: hits go with their lead."""


def _told(hit: Hit) -> dict[str, Any]:
    return {
        "rule": hit.rule.name,
        "version": hit.version.number,
        "hit_date": hit.hit_date.isoformat(),
        "grade": hit.grade,
        "score": hit.score,
        "status": hit.status,
        "last_met_on": hit.last_met_on.isoformat(),
        "created_at": hit.created_at.isoformat(),
        "evidence": evidence.of(hit),
    }


subject.register(_Hits())

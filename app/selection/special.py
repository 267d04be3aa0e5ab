"""Filters that belong to no single column, by table and name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, select

from app.approvals import filters as approvals
from app.audit import filters as audit
from app.effect import filters as effect
from app.hits import filters as hits
from app.leads import filters as leads
from app.models import Approval, ChangeLog, Customer, Hit, IngestFile, Lead, Suppression
from app.segments import filters as segments
from app.t1 import filters as t1

#: returns the criterion that a value means for a user; raises DomainError for an invalid value
Criterion = Callable[[Any, str], ColumnElement[bool]]


def _lifted(column: Any, criterion: Criterion) -> Criterion:
    """Return a criterion on leads as one on a table with the key of a lead in ``column``."""
    return lambda user, text: column.in_(select(Lead.id).where(criterion(user, text)))


def _of_lead(column: Any) -> dict[str, Criterion]:
    """Return the filters by which leads are found, for a table with the key of a lead in ``column``."""

    return {
        "name": _lifted(column, leads.named),
        "tag": lambda user, text: column.in_(leads.tagged(text)),
        "segment": _lifted(column, segments.in_segment),
    }


#: domains above this package add the filters of their tables
FILTERS: dict[type[Any], dict[str, Criterion]] = {
    Lead: {
        "tag": leads.with_tag,
        "grade": hits.best_grade,
        "segment": segments.in_segment,
        "matrix": segments.in_quadrant,
        "bought": segments.by_purchases,
    },
    Hit: {
        **_of_lead(Hit.lead_id),
        "state": hits.hit_in_state,
        "work": hits.state_of_work,
        "source": hits.of_source,
        "branch": hits.in_branch,
        "push": hits.of_push,
        "given": hits.assigned_on,
        "reach": effect.reached,
        "success": effect.by_success,
        "rule_version": effect.of_version,
        "first_channel": effect.first_channel,
        "first_template": effect.first_template,
        "first_hour": effect.first_hour,
    },
    Customer: {
        **_of_lead(Customer.id),
        "state": hits.in_state,
        "work": hits.customers_by_work,
        "rule": hits.by_rule,
        "source": hits.customers_of_source,
        "branch": hits.customers_in_branch,
        "given": hits.customers_assigned_on,
        "matrix": _lifted(Customer.id, segments.in_quadrant),
        "bought": _lifted(Customer.id, segments.by_purchases),
    },
    Approval: {"turn": approvals.by_turn},
    ChangeLog: {
        "person": audit.by_actor,
        "about": audit.about_object,
        "row": audit.of_row,
        "transaction": audit.of_transaction,
    },
    Suppression: {"in_state": leads.in_state},
    IngestFile: {"day": t1.with_calls_on},
}

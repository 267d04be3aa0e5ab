"""Steps on all open hits of a customer at once, each recorded: the customer converts or is given up."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from sqlalchemy import select

from app.extensions import db
from app.hits import owner, steps
from app.hits.owner import OPEN
from app.lib import clock
from app.models import CloseReason, ContactResult, Hit, Product, Staff

#: days until the next contact when neither a person nor a result says so
LATER = 3


def open_hits(lead_id: int) -> list[Hit]:
    """Return the customer's open hits as they are now."""
    query = select(Hit).where(Hit.lead_id == lead_id, Hit.status.in_(OPEN)).order_by(Hit.id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def products(hit: Hit) -> list[Product]:
    """Return the products that the rule of a hit or of another open hit of its customer counts."""
    found = {each.id: each for one in (hit, *open_hits(hit.lead_id)) for each in steps.products_of(one)}
    return [found[key] for key in sorted(found)]


def close(
    lead_id: int,
    user: Staff | None,
    reason: CloseReason | None,
    note: str = "",
    *,
    suppress: bool = False,
    result: ContactResult | None = None,
) -> None:
    """Close every open hit of a customer, as ``steps.close`` does."""
    for each in open_hits(lead_id):
        steps.close(each, user, reason, note, suppress=suppress, result=result)


def convert(
    hit: Hit, user: Staff, on: dt.date, amount: Decimal | None, note: str, product: Product | None
) -> None:
    """Convert the customer's open hits that the purchase fits; the amount counts on one of them only.

    That is ``hit`` if the purchase fits it. What stays open is planned for some days later. Raises
    DomainError as ``steps.convert`` does.
    """
    hits = [hit, *open_hits(hit.lead_id)]
    first = next((each for each in hits if _fits(each, on, product)), hit)
    steps.begin(first, user)
    steps.convert(first, user, on, amount, note, product)
    for each in open_hits(hit.lead_id):
        if _fits(each, on, first.product):
            steps.begin(each, user)
            if steps.is_allowed(each, "convert", user):
                steps.convert(each, user, on, None, note, first.product)
    _postpone(hit.lead_id)


def _fits(hit: Hit, on: dt.date, product: Product | None) -> bool:
    """Whether a purchase is of a product that the hit's rule counts, and not from before the hit."""
    codes = hit.version.products
    return hit.hit_date <= on and (product is None or not codes or product.code in codes)


def _postpone(lead_id: int) -> None:
    """Plan the next contact of a customer with open hits left for later than today."""
    customer, today = owner.locked(lead_id), clock.today()
    if customer.owner_id is not None and (customer.next_on is None or customer.next_on <= today):
        owner.plan(customer, today + dt.timedelta(days=LATER))

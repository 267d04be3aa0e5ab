"""The page of a customer: who has them, their hits, and the pane of the hit that is worked."""

from __future__ import annotations

from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _
from sqlalchemy import case, or_, select
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.attributes import set_committed_value

from app.console.access import may
from app.console.widgets import (
    ChecksWidget,
    CustomerActivityWidget,
    CustomerContactsWidget,
    CustomerHitsWidget,
    HitPaneWidget,
    QueueWidget,
    ReasonWidget,
)
from app.extensions import db
from app.hits import owner
from app.hits.contacts import last_contacts
from app.hits.owner import OPEN
from app.hits.queue import Place, passed_over
from app.lib.row_id import row_id
from app.models import Customer, Hit, HitStatus, Lead, LogCorrection, Staff
from app.rules import describe
from app.screens.hits import labels as hit_labels
from app.screens.hits import pane, queue, story
from app.screens.timeline import views as timeline

#: hits that the page lists, the ones that can be worked first
MAX_HITS = 50


def load(customers: list[Customer]) -> None:
    """Load what the rows of a list show, with one query a table, and remember it for the request."""
    keys = [customer.id for customer in customers]
    _load_related(customers, "lead", Lead, [(each, each.id) for each in customers])
    _load_related(customers, "hit", Hit, [(each, each.hit_id) for each in customers])
    _load_related(customers, "owner", Staff, [(each, each.owner_id) for each in customers])
    g.last_contacts = last_contacts(keys)
    bought = select(Hit.lead_id).where(
        Hit.lead_id.in_(keys), Hit.status.in_(OPEN), Hit.converted.is_(True), Hit.live
    )
    g.bought = set(db.session.scalars(bought))


def load_of_hits(hits: list[Hit]) -> None:
    """Load owners and last contacts of the customers of a list's hits, and remember them for the request."""
    _load_related(hits, "owner", Staff, [(each, each.owner_id) for each in hits])
    g.last_contacts = last_contacts([hit.lead_id for hit in hits])


def _load_related(customers: list[Any], name: str, model: Any, keys: list[tuple[Any, Any]]) -> None:
    wanted = {key for _customer, key in keys if key is not None}
    found = {row.id: row for row in db.session.scalars(select(model).where(model.id.in_(wanted)))}
    for customer, key in keys:
        set_committed_value(customer, name, found.get(key))


def hits_of(customer: Customer) -> list[Hit]:
    """Return the customer's hits: those that can be worked, open ones, the rest, and withdrawn ones."""
    withdrawn = Hit.status == HitStatus.WITHDRAWN
    opened = Hit.status.in_(OPEN)
    rank = case((opened & ~Hit.barred(), 0), (opened, 1), (withdrawn, 3), else_=2)
    query = (
        select(Hit)
        .where(Hit.lead_id == customer.id, or_(Hit.live, withdrawn))
        .options(joinedload(Hit.rule), joinedload(Hit.lead), joinedload(Hit.owner))
        .options(joinedload(Hit.correction).joinedload(LogCorrection.file))
        .order_by(rank, Hit.hit_date.desc(), Hit.score.desc(), Hit.id.desc())
        .limit(MAX_HITS)
    )
    return list(db.session.scalars(query))


def chosen(hits: list[Hit], key: str) -> Hit | None:
    """Return the hit with a key, else the first one."""
    wanted = row_id(key) if key else None
    return next((hit for hit in hits if hit.id == wanted), hits[0] if hits else None)


def widgets(customer: Customer) -> dict[str, Any]:
    """Return the parts of the page: the list of hits, and the pane of the chosen one."""
    hits = hits_of(customer)
    hit = chosen(hits, str(g.get("hit_worked", "")) or request.args.get("hit", ""))
    rows = [_row(each, hit) for each in hits]
    n, opened = customer.hits, customer.open_hits
    counted = _("%(open)s open of %(n)s", open=f"{opened:,}", n=f"{n:,}")
    parts: dict[str, Any] = {"hits": CustomerHitsWidget(rows=rows, counted=counted)}
    if here := queue.place(customer):
        parts["queue"] = QueueWidget(**_neighbours(here))
    if hit is not None:
        worked = pane.pane(hit, g.get("hit_form"), customer=customer)
        parts["pane"] = HitPaneWidget(**worked)
        parts |= told(hit)
        lines = timeline.links(hit.lead)
        contacts = CustomerContactsWidget(entries=worked["history"], line_url=lines[0].url if lines else "")
        parts["told"].insert(1, contacts)
    return parts


def told(hit: Hit) -> dict[str, Any]:
    """Return what the pages of customers and hits tell of a hit: reason first, then activity and checks."""
    return {
        "story": [ReasonWidget(**story.story(hit))],
        "told": [
            CustomerActivityWidget(url=story.activity_url(hit)),
            ChecksWidget(**story.checks(hit)),
        ],
    }


def other_hits(hit: Hit) -> dict[str, Any]:
    """Return the list of the customer's hits for the page of one of them, nothing when it is the only one."""
    customer = owner.of_hit(hit)
    if customer.hits < 2 or not may("can_show", "CustomerView"):
        return {}
    rows = [_row(each, hit) for each in hits_of(customer)]
    counted = _("%(open)s open of %(n)s", open=customer.open_hits, n=customer.hits)
    return {"hits": CustomerHitsWidget(rows=rows, counted=counted)}


def _neighbours(here: Place) -> dict[str, Any]:
    """Return what the bar of the queue shows; at its end also how many customers were passed over."""
    return {
        "text": f"{here.number:,} / {here.queue.total:,}",
        "previous": queue.page_url(here.previous) if here.previous else "",
        "following": queue.page_url(here.following) if here.following else "",
        "back": here.queue.address,
        "left": 0 if here.following else len(passed_over(g.user, here.queue)),
        "again": url_for("CustomerView.again", queue_id=here.queue.id),
    }


def _row(hit: Hit, current: Hit | None) -> dict[str, Any]:
    return {
        "url": queue.page_url(hit.lead_id, hit=hit.id) + "#contact",
        "page": url_for("HitView.show", pk=hit.id) if hit.status != HitStatus.WITHDRAWN else "",
        "withdrawn": hit_labels.withdrawn(hit),
        "current": hit is current,
        "grade": hit.grade,
        "rule": hit.rule.name,
        "date": hit.hit_date,
        "reason": describe.reason(hit),
        "status": hit_labels.status(hit),
    }

"""Pending requests of the demo: two rules and a batch to approve, and a batch to confirm."""

from __future__ import annotations

from sqlalchemy import select

from app.demo.contacts import checked_batch
from app.extensions import db
from app.models import Hit, HitStatus, Rule, Staff
from app.outreach import batches
from app.rules import approval, drafts, versions

#: hits in the pending batches
LARGE, SMALL = 400, 40


def create(manager: Staff, admin: Staff) -> None:
    """Create the pending requests through the product's own functions and commit."""
    _rule("R-NIGHT-7D", manager, "夜间活跃客户投诉偏多，建议提高门槛")
    _rule("R-CAR-14D", admin, "车贷额度收紧，减少推送量")
    large = checked_batch("老客户利率优惠", _hits(LARGE, (HitStatus.WAITING, HitStatus.IN_PROGRESS)), manager)
    if batches.needs_approval(large):
        batches.confirm(large, manager, "月末老客户回馈")
        db.session.commit()
    checked_batch("额度激活邀请", _hits(SMALL, (HitStatus.WAITING,)), manager)


def _rule(code: str, user: Staff, reason: str) -> None:
    """Submit a draft that raises the rule's first threshold by one."""
    rule = db.session.scalars(select(Rule).where(Rule.code == code)).one()
    draft = versions.draft_of(rule, user.username)
    old = versions.rule_def(draft)
    first = old.conditions[0]
    stricter = old.model_copy(
        update={"conditions": [first.model_copy(update={"value": first.value + 1}), *old.conditions[1:]]}
    )
    drafts.save(draft.id, stricter, user.username, revision=draft.revision)
    approval.submit(draft, user, reason)
    db.session.commit()


def _hits(most: int, statuses: tuple[str, ...]) -> list[int]:
    newest = select(Hit.id).where(Hit.status.in_(statuses)).order_by(Hit.hit_date.desc(), Hit.id)
    return list(db.session.scalars(newest.limit(most)))

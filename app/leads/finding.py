"""Leads by the beginning of their name, or by number, for a search that answers while somebody types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, text, true
from sqlalchemy.orm import Session, joinedload

from app.access.scope import branches_visible_to, leads_visible_to, live, sees_whole_bank
from app.models import Branch, Lead

#: sorts after every character that a name can have
_LAST = "\U0010ffff"
#: the order of the indexes on names; the default order would sort all matches before the first one is known
_BY_NAME = text("lead.name USING ~<~")


def named(text: str) -> ColumnElement[bool]:
    """Return the criterion for leads whose names begin with a text, or which have it as their number."""
    return and_(live(Lead), or_(_begins(text), _numbered(text)))


def by_number(session: Session, user: Any, number: str) -> Sequence[Lead]:
    """Return the lead with a number in the user's scope, if any. The letter L may be left out."""
    query = select(Lead).where(leads_visible_to(user), _numbered(number))
    return session.scalars(query.options(joinedload(Lead.branch))).all()


def by_name(session: Session, user: Any, beginning: str, limit: int) -> Sequence[Lead]:
    """Return the first leads, by name, in the user's scope whose names begin with a text."""
    query = _whole_bank(beginning) if sees_whole_bank(user) else _of_branches(user, beginning, limit)
    return session.scalars(query.limit(limit).options(joinedload(Lead.branch))).all()


def _whole_bank(beginning: str) -> Select[Lead]:
    return select(Lead).where(live(Lead), _begins(beginning)).order_by(_BY_NAME)


def _of_branches(user: Any, beginning: str, limit: int) -> Select[Lead]:
    """Read the first names of each branch, so that neither large nor small scopes read all matches."""
    branch = select(Branch.id).where(branches_visible_to(user)).subquery()
    own = (
        select(Lead.id, Lead.name)
        .where(Lead.branch_id == branch.c.id, live(Lead), _begins(beginning))
        .order_by(_BY_NAME)
        .limit(limit)
        .lateral("own")
    )
    joined = select(own.c.id).select_from(branch.join(own, true()))
    first = joined.order_by(text("own.name USING ~<~")).limit(limit).subquery()
    return select(Lead).join(first, first.c.id == Lead.id).order_by(_BY_NAME)


def _numbered(number: str) -> ColumnElement[bool]:
    typed = number.upper()
    return Lead.lead_no.in_((typed, f"L{typed}"))


def _begins(beginning: str) -> ColumnElement[bool]:
    """Return the criterion in operators of the indexes on names, whatever the collation of the database."""
    return and_(Lead.name.op("~>=~")(beginning), Lead.name.op("~<~")(beginning + _LAST))

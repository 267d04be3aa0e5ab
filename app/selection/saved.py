"""How people look at a list: the layout they chose last, and views saved under a name.

A saved view is text: filters, an order, columns and density. Its rows are always those that its reader may
reach (Selection), whoever saved it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.access.scope import visible_to
from app.errors import DomainError
from app.extensions import db
from app.models import ListLayout, SavedView
from app.permissions import STAFF_ROLES
from app.selection import Selection, kind_of

DENSITIES = ("compact", "standard", "wrapped")
STANDARD = "standard"
#: own and shared views that a list offers; the others are on the screen of saved views
MOST = 30


@dataclass(frozen=True)
class Layout:
    """Columns and density of a list; no columns means the list's own."""

    columns: tuple[str, ...] = ()
    density: str = STANDARD


def layout_of(person: Any, view: str) -> Layout:
    """Return the layout that a person chose for a list."""
    kept = db.session.get(ListLayout, (person.id, view))
    return Layout(tuple(kept.columns), kept.density) if kept else Layout()


def keep_layout(person: Any, view: str, layout: Layout) -> None:
    """Store the layout that a person chose for a list."""
    values = {"columns": list(layout.columns), "density": layout.density}
    statement = insert(ListLayout).values(person_id=person.id, view=view, **values)
    keys = [ListLayout.person_id, ListLayout.view]
    db.session.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


def views_of(person: Any, view: str) -> list[SavedView]:
    """Return the views of a list that a person may open: own ones first."""
    query = (
        select(SavedView)
        .where(visible_to(person, SavedView), SavedView.view == view)
        .order_by((SavedView.owner == person.username).desc(), SavedView.name, SavedView.id)
        .limit(MOST)
    )
    return list(db.session.scalars(query))


def view_with(person: Any, view: str, key: int | None) -> SavedView | None:
    """Return the view of a list with a key, None when the person may not open such a view."""
    query = select(SavedView).where(
        visible_to(person, SavedView), SavedView.view == view, SavedView.id == key
    )
    return db.session.scalar(query) if key is not None else None


def may_change(person: Any, saved: SavedView) -> bool:
    """Return whether a person may change and delete a view: its owner and administrators."""
    return saved.owner == person.username or any(role.name == "Admin" for role in person.roles)


def roles_to_share_with() -> list[Role]:
    """Return the roles of people."""
    query = select(Role).where(Role.name.in_(STAFF_ROLES)).order_by(Role.id)
    return list(db.session.scalars(query))


def role_with(key: int | None) -> Role | None:
    """Return the role to share with, None for a private view. Raises DomainError for any other role."""
    if key is None:
        return None
    role = next((each for each in roles_to_share_with() if each.id == key), None)
    if role is None:
        raise DomainError("There is no such role to share with.")
    return role


def save(
    saved: SavedView, chosen: Selection, sort: Sequence[str] | None, layout: Layout, person: Any
) -> None:
    """Store filters, order and layout in a new view or one of the person's.

    Raises DomainError for filters that can't be kept, and when the person may not change the view or has
    another one of its name.
    """
    if saved.id is not None and not may_change(person, saved):
        raise DomainError("Only its owner and administrators may change “%(view)s”.", view=saved.name)
    if not saved.name:
        raise DomainError("Give the view a name.")
    _check(chosen)
    refuse_a_taken_name(saved)
    saved.filters = chosen.as_json()
    saved.sort = list(sort) if sort else None
    saved.columns, saved.density = list(layout.columns), layout.density
    db.session.add(saved)


def _check(chosen: Selection) -> None:
    """Refuse filters that mean nothing, or nothing to anybody else: numbers of customers."""
    chosen.criteria()
    is_number = any(kind_of(chosen.model, column) == "phone" for column, _op, _value in chosen.filters)
    if is_number or chosen.as_json() != [list(each) for each in chosen.filters]:
        raise DomainError("A view can't keep a phone or ID number. Clear that filter first.")


def refuse_a_taken_name(saved: SavedView) -> None:
    """Raise DomainError when the owner has another view of this name for this list."""
    other = select(SavedView.id).where(
        SavedView.owner == saved.owner, SavedView.view == saved.view, SavedView.name == saved.name
    )
    with db.session.no_autoflush:
        key = db.session.scalar(other)
    if key is not None and key != saved.id:
        raise DomainError(
            "You have a view “%(view)s” of this list already. Open it to change it, or choose another name.",
            view=saved.name,
        )


def unusable(saved: SavedView, model: type[Any], person: Any) -> str | None:
    """Return the column of a filter by which the person can't filter, None when all can be used."""
    for filter_ in saved.filters:
        try:
            Selection.of_json(model, [filter_], person).criteria()
        except DomainError:
            return filter_[0]
    return None


def known(columns: Iterable[str], offered: Sequence[str]) -> tuple[str, ...]:
    """Return the columns among those that a list offers its reader, in the order of the list."""
    wanted = set(columns)
    return tuple(name for name in offered if name in wanted)

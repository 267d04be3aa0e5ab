"""Filters of the list of hits that belong to no column: state of the work, source, branch, push."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from flask import g
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, select

from app.access.scope import visible_to
from app.console import filter_row
from app.effect import labels, reach
from app.effect.reach import Stage
from app.errors import DomainError
from app.extensions import db
from app.hits import due
from app.hits.by_branch import NONE, OWN
from app.lib import clock
from app.models import Branch, Hit, HitStatus, PushHit
from app.screens.leads import segments
from app.screens.leads.filters import ChoiceFilter


class WorkState(ChoiceFilter):
    """Hits by who has to do what when."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Mine, everybody's, nobody's."""
        return [
            ("mine", _("Mine, open")),
            ("mine_due", _("Mine, due today or overdue")),
            ("unclaimed", _("Nobody's yet")),
            ("overdue", _("Overdue, everybody's")),
            ("escalated", _("Escalated")),
            ("contacted", _("Contacted")),
        ]

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits in that state."""
        day = clock.today()
        states: dict[str, Callable[[], ColumnElement[bool]]] = {
            "mine": lambda: due.mine(g.user),
            "mine_due": lambda: and_(due.mine(g.user), Hit.next_on <= day),
            "unclaimed": due.unclaimed,
            "overdue": lambda: due.overdue(day),
            "escalated": due.escalated,
            "contacted": lambda: Hit.status != HitStatus.WAITING,
        }
        if text not in states:
            raise DomainError("There is no such state of work: %(name)s", name=text[:20])
        return query.filter(states[text]())


class LeadSource(ChoiceFilter):
    """Hits of leads from a source."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The sources that leads have, and none."""
        known = [*segments.sources(), (NONE, _("No source"))]
        return known if not value or value in dict(known) else [*known, (value, value)]

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits whose lead came from there; a source that nobody came from has none."""
        source = "" if text == NONE else text
        return query.filter(Hit.source == source)


class InBranch(ChoiceFilter):
    """Hits of the leads of a branch and of those below it."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The branches that the person sees, as a tree, and none."""
        known = [*filter_row.related_choices(Branch), (NONE, _("No branch"))]
        if value.startswith(OWN):
            name = dict(known).get(value.removeprefix(OWN), "").strip()
            known.append((value, _("%(branch)s itself", branch=name)))
        return known

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits whose lead belongs there."""
        if text == NONE:
            return query.filter(Hit.branch_id == 0)
        if text.startswith(OWN):
            return query.filter(Hit.branch_id == branch_of(text.removeprefix(OWN)).id)
        within = select(Branch.id).where(Branch.path.startswith(branch_of(text).path, autoescape=True))
        return query.filter(Hit.branch_id.in_(within))


def branch_of(text: str) -> Branch:
    """The branch that a choice means. Raises DomainError when the person sees no such branch."""
    key = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    branch = db.session.scalar(select(Branch).where(Branch.id == key, visible_to(g.user, Branch)))
    if branch is None:
        raise DomainError("There is no such branch, or you don't see it.")
    return branch


class GivenOn(ChoiceFilter):
    """Hits that somebody gave to the person on a date."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The date itself."""
        return [(value, value)] if value else []

    def narrowed(self, query: Any, text: str) -> Any:
        """The person's hits of that date."""
        try:
            day = dt.date.fromisoformat(text)
        except ValueError:
            raise DomainError("“%(text)s” is no date; write it as 2026-11-22.", text=text[:20]) from None
        return query.filter(due.given_on(g.user, day))


class OfPush(ChoiceFilter):
    """Hits that went with a push."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The push by its number."""
        return [(value, f"#{value}")] if value else []

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits of the push."""
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise DomainError("There is no such push: %(push)s", push=text[:20])
        return query.filter(Hit.id.in_(select(PushHit.hit_id).where(PushHit.push_id == int(text))))


class Reached(ChoiceFilter):
    """Hits of the funnel that reached a stage or a later one (app/effect/reach.py)."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The stages."""
        return [(stage.value, str(labels.STAGE[stage])) for stage in Stage]

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits that got so far."""
        if text not in set(Stage):
            raise DomainError("There is no such stage: %(name)s", name=text[:20])
        return query.filter(reach.reached(Stage(text)))


class OfVersion(ChoiceFilter):
    """Hits that a rule version made."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The version by its number."""
        return [(value, labels.version(value))] if value else []

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits of the version."""
        return query.filter(Hit.version_id == reach.checked_id(text))


class FirstChannel(ChoiceFilter):
    """Hits by how their customer was contacted first."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The channels."""
        return [(key, str(word)) for key, word in labels.CHANNEL.items()]

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits first contacted so."""
        return query.filter(reach.first_contact(channel=text))


class FirstTemplate(FirstChannel):
    """Hits by the template version of the first contact."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The version that is chosen."""
        return [(value, labels.template(value))] if value else []

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits first contacted with it."""
        return query.filter(reach.first_contact(template=text))


class FirstHour(FirstChannel):
    """Hits by the time of day of the first contact."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The bands of hours."""
        return labels.bands()

    def narrowed(self, query: Any, text: str) -> Any:
        """Hits first contacted then."""
        return query.filter(reach.first_contact(hour=text))


#: name in ``_flt_0_<name>`` → filter
HIT_FILTERS: dict[str, type[ChoiceFilter]] = {
    "work": WorkState,
    "source": LeadSource,
    "branch": InBranch,
    "push": OfPush,
    "reach": Reached,
    "rule_version": OfVersion,
    "first_channel": FirstChannel,
    "first_template": FirstTemplate,
    "first_hour": FirstHour,
    "given": GivenOn,
}

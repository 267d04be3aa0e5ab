"""Filters of the hit list that belong to no column, such as work status, lead source, branch and push."""

from __future__ import annotations

from flask import g
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select

from app import labels as codes
from app.access.scope import visible_to
from app.console import filter_row
from app.console.filters import ChoiceFilter, TextFilter
from app.effect import labels
from app.effect.reach import Stage
from app.errors import DomainError
from app.extensions import db
from app.hits.by_branch import NONE, OWN
from app.hits.filters import ANY_STATE, CONTACTABLE
from app.models import Branch, CustomerState, OutreachBatch, Rule
from app.outreach.filters import parse
from app.rules import conversions
from app.screens.leads import segments
from app.screens.leads.special_filters import HasTag, InQuadrant, InRfmGroup, InSegment


class WorkState(ChoiceFilter):
    """Hits by the owner and due date of their customers."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the work states."""
        return [*_work(), ("contacted", _("No longer waiting"))]


class CustomerWork(ChoiceFilter):
    """Customers by owner and due date."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the work states."""
        return [
            *_work(),
            ("asked", _("Somebody asks me for them")),
            ("mine_blocked", _("Mine, nobody may contact")),
            ("talked_today", _("I recorded a result today")),
            ("converted_today", _("I marked as converted today")),
            ("closed_today", _("I closed today")),
        ]


def _work() -> list[tuple[str, str]]:
    return [
        ("mine", _("My customers")),
        ("mine_calls", _("Mine, to be called back now")),
        ("mine_due", _("Mine, due today or overdue")),
        ("mine_untouched", _("Mine, not begun")),
        ("unclaimed", _("Unclaimed")),
        ("overdue", _("All overdue")),
        ("escalated", _("Escalated")),
    ]


class State(ChoiceFilter):
    """Customers who can be worked, whom nobody may contact, or who are done."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the states, and all of them."""
        known = [(code, str(word)) for code, word in codes.CUSTOMER_STATE.items()]
        return [*known, (ANY_STATE, _("All customers"))]


class HitState(ChoiceFilter):
    """Hits with or without those whose customers nobody may contact."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the states."""
        return [
            (CONTACTABLE, _("May be contacted, or done")),
            (CustomerState.BLOCKED, str(codes.CUSTOMER_STATE[CustomerState.BLOCKED])),
            (ANY_STATE, _("All hits")),
        ]


class ByName(TextFilter):
    """Hits or customers by the beginning of the customer's name, or the lead number."""

    hint = lazy_gettext("name or lead no.")


class OfRule(ChoiceFilter):
    """Customers with an open hit of a rule."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the rules that the user may see."""
        return filter_row.related_choices(Rule)


class LeadSource(ChoiceFilter):
    """Hits whose lead comes from a source channel."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the source channels that leads have, and “No source”."""
        known = [*segments.sources(), (NONE, _("No source"))]
        return known if not value or value in dict(known) else [*known, (value, value)]


class InBranch(ChoiceFilter):
    """Hits of the leads of a branch and its sub-branches."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the branches that the user may see, as a tree, and “No branch”."""
        known = [*filter_row.related_choices(Branch), (NONE, _("No branch"))]
        if value.startswith(OWN):
            name = dict(known).get(value.removeprefix(OWN), "").strip()
            known.append((value, _("%(branch)s itself", branch=name)))
        return known


class GivenOn(ChoiceFilter):
    """Hits that were assigned to the user on a date."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the given date as the only choice."""
        return [(value, value)] if value else []


class OfPush(ChoiceFilter):
    """Hits that were sent in a push."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the given push as the only choice."""
        return [(value, f"#{value}")] if value else []


class Reached(ChoiceFilter):
    """Hits that reached a stage of the effect funnel or a later one (app/effect/reach.py)."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the stages of the funnel."""
        return [(stage.value, str(labels.STAGE[stage])) for stage in Stage]


class Success(ChoiceFilter):
    """Hits by conversion, and by what was marked as one (app/rules/conversions.py)."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return what there is of conversions and claims."""
        return [
            (
                "converted",
                _("Conversions")
                if conversions.judged_by_outcomes()
                else _("Conversion (as marked, not confirmed)"),
            ),
            ("claimed", _("Marked as converted")),
            ("confirmed", _("Marked and confirmed")),
            ("unconfirmed", _("Marked, not confirmed")),
        ]


class OfVersion(ChoiceFilter):
    """Hits of a rule version."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the given rule version as the only choice."""
        return [(value, labels.version_name(value))] if value else []


class FirstChannel(ChoiceFilter):
    """Hits by the channel of the first contact."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the channels."""
        return [(key, str(word)) for key, word in labels.CHANNEL.items()]


class FirstTemplate(FirstChannel):
    """Hits by the template version of the first contact."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the given template version as the only choice."""
        return [(value, labels.template_name(value))] if value else []


class FirstHour(FirstChannel):
    """Hits by the time of day of the first contact."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the bands of hours."""
        return labels.hour_band_choices()


class OfOutreachBatch(ChoiceFilter):
    """Customers in an outreach batch, perhaps those with a status."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the given batch and status as the only choice."""
        if not value:
            return []
        try:
            key, status = parse(value)
        except DomainError:
            return []
        batch = db.session.scalar(
            select(OutreachBatch).where(OutreachBatch.id == key, visible_to(g.user, OutreachBatch))
        )
        name = str(batch or f"#{key}")
        words = codes.contact_words(batch.channel if batch else "sms")
        return [(value, f"{name} · {codes.word(words, status)}" if status else name)]


_BY_LEAD: dict[str, type[ChoiceFilter]] = {"name": ByName, "tag": HasTag, "segment": InSegment}
HIT_FILTERS: dict[str, type[ChoiceFilter]] = {
    **_BY_LEAD,
    "state": HitState,
    "work": WorkState,
    "source": LeadSource,
    "branch": InBranch,
    "push": OfPush,
    "reach": Reached,
    "success": Success,
    "rule_version": OfVersion,
    "first_channel": FirstChannel,
    "first_template": FirstTemplate,
    "first_hour": FirstHour,
    "given": GivenOn,
}
CUSTOMER_FILTERS: dict[str, type[ChoiceFilter]] = {
    **_BY_LEAD,
    "matrix": InQuadrant,
    "bought": InRfmGroup,
    "batch": OfOutreachBatch,
    "state": State,
    "work": CustomerWork,
    "rule": OfRule,
    "source": LeadSource,
    "branch": InBranch,
    "given": GivenOn,
}

"""Filters of the list of hits that belong to no column: state of the work, source, branch, push."""

from __future__ import annotations

from flask_babel import gettext as _

from app.console import filter_row
from app.console.filters import ChoiceFilter
from app.effect import labels
from app.effect.reach import Stage
from app.hits.by_branch import NONE, OWN
from app.models import Branch
from app.screens.leads import segments


class WorkState(ChoiceFilter):
    """Hits by who has to do what when."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Mine, everybody's, nobody's."""
        return [
            ("mine", _("My open hits")),
            ("mine_due", _("My hits due today or overdue")),
            ("unclaimed", _("Unclaimed")),
            ("overdue", _("All overdue hits")),
            ("escalated", _("Escalated")),
            ("contacted", _("Contacted")),
        ]


class LeadSource(ChoiceFilter):
    """Hits of leads from a source."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The sources that leads have, and none."""
        known = [*segments.sources(), (NONE, _("No source"))]
        return known if not value or value in dict(known) else [*known, (value, value)]


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


class GivenOn(ChoiceFilter):
    """Hits that somebody gave to the person on a date."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The date itself."""
        return [(value, value)] if value else []


class OfPush(ChoiceFilter):
    """Hits that went with a push."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The push by its number."""
        return [(value, f"#{value}")] if value else []


class Reached(ChoiceFilter):
    """Hits of the funnel that reached a stage or a later one (app/effect/reach.py)."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The stages."""
        return [(stage.value, str(labels.STAGE[stage])) for stage in Stage]


class OfVersion(ChoiceFilter):
    """Hits that a rule version made."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The version by its number."""
        return [(value, labels.version(value))] if value else []


class FirstChannel(ChoiceFilter):
    """Hits by how their customer was contacted first."""

    hidden = True

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The channels."""
        return [(key, str(word)) for key, word in labels.CHANNEL.items()]


class FirstTemplate(FirstChannel):
    """Hits by the template version of the first contact."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The version that is chosen."""
        return [(value, labels.template(value))] if value else []


class FirstHour(FirstChannel):
    """Hits by the time of day of the first contact."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """The bands of hours."""
        return labels.bands()


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

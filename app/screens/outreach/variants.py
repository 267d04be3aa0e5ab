"""The one or two texts of a batch on its pages: letters, plan, cost, and their comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup

from app.console.filters import ChoiceFilter
from app.effect import labels
from app.lib.amounts import yuan
from app.models import OutreachBatch
from app.outreach import cost, variants
from app.outreach.comparison import Figures
from app.rules import conversions
from app.rules.proportion import Interval, Share, difference, wilson

_MEASURES: tuple[tuple[Any, Callable[[Figures], Share]], ...] = (
    (lazy_gettext("Responded"), lambda each: each.answered),
    (lazy_gettext("Conversions"), lambda each: each.converted),
    (lazy_gettext("Opted out"), lambda each: each.opted_out),
)


class TextOf(ChoiceFilter):
    """Contacts by the letter of their template, in batches with two."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return A and B."""
        return [(letter, letter_text(letter)) for letter in (variants.A, variants.B)]


@dataclass(frozen=True)
class Measure:
    """A result of two texts: the rate of each with its interval, their difference, and a verdict.

    ``claims`` says of each how many somebody marked.
    """

    name: str
    of_a: tuple[str, str]
    of_b: tuple[str, str]
    difference: str
    verdict: str
    claims: tuple[str, str] = ("", "")


def letter_text(letter: str, share: int | None = None) -> str:
    """Return how the text with a letter is called, with its share if given; empty when there is only one."""
    if not letter:
        return ""
    if share is None:
        return _("Template %(letter)s", letter=letter)
    return _("Template %(letter)s (%(share)s%%)", letter=letter, share=share)


def with_letter(letter: str, name: Any, share: int | None = None) -> Markup:
    """Return the name of a text, after its letter when there are two."""
    called = letter_text(letter, share)
    return Markup("{} · {}").format(called, name) if called else Markup("{}").format(name)


def cost_text(batch: OutreachBatch) -> Markup | str:
    """Return the cost of a finished batch, else its planned cost."""
    if batch.spent is None and "texts" not in batch.planned:
        return ""
    shown = yuan(batch.spent)
    if batch.spent is None:
        shown = _("about %(yuan)s", yuan=yuan(cost.planned(batch)))
    return Markup('<span class="one-line num">{}</span>').format(shown)


def plan(batch: OutreachBatch, version_id: int, figures: Figures | None) -> list[tuple[str, str]]:
    """Return the planned and actual figures of a text."""
    facts = []
    planned = batch.planned.get("texts", {}).get(str(version_id))
    if planned:
        facts = [
            (_("To be contacted"), f"{planned['go']:,}"),
            (_("Planned cost"), _amount(batch, planned["segments"], Decimal(planned["cost"]))),
        ]
    if figures is not None:
        facts += [
            (_("Sent out"), f"{figures.contacted:,}"),
            (_("Actual cost"), _amount(batch, figures.segments, figures.cost)),
        ]
    return facts


def _amount(batch: OutreachBatch, segments: int, amount: Decimal) -> str:
    if batch.channel != "sms":
        return yuan(amount)
    return _("%(yuan)s for %(n)s SMS segments", yuan=yuan(amount), n=f"{segments:,}")


def measures(batch: OutreachBatch, figures: dict[int, Figures]) -> list[Measure]:
    """Return the comparison of two texts; empty until both were sent to somebody."""
    one, two = figures.get(batch.version_id), figures.get(batch.version_b_id or 0)
    if one is None or two is None or not (one.contacted and two.contacted):
        return []
    answered, converted, opted_out = (
        _measure(str(name), share(one), share(two)) for name, share in _MEASURES
    )
    if conversions.judged_by_outcomes():
        claims = (labels.claims(one.claimed, one.confirmed), labels.claims(two.claimed, two.confirmed))
        converted = replace(converted, claims=claims)
    return [answered, converted, opted_out]


def no_receipts(figures: dict[int, Figures]) -> bool:
    """Whether no receipt has come back yet."""
    return not any(each.returned for each in figures.values())


def _measure(name: str, a: Share, b: Share) -> Measure:
    gap = difference(b, a) or Interval(0, 0)
    points = ((b.value or 0) - (a.value or 0)) * 100
    values = {
        "measure": name,
        "points": f"{abs(points):.1f}",
        "low": f"{gap.low * 100:+.1f}",
        "high": f"{gap.high * 100:+.1f}",
    }
    if gap.low > 0 or gap.high < 0:
        verdict = _(
            "%(measure)s: more frequent with template %(letter)s by %(points)s percentage points, "
            "more than chance explains.",
            letter=variants.B if gap.low > 0 else variants.A,
            **values,
        )
    else:
        verdict = _("%(measure)s: no clear difference yet; it may be chance.", **values)
    shown = _("%(points)s points (%(low)s to %(high)s)", **(values | {"points": f"{points:+.1f}"}))
    return Measure(name, _rate(a), _rate(b), shown, verdict)


def _rate(share: Share) -> tuple[str, str]:
    low, high = wilson(share)
    exact = f"{share.part:,} / {share.whole:,} = {(share.value or 0):.1%}"
    return exact, f"{low:.1%} – {high:.1%}"


def relation() -> str:
    """Return how the conversions of two texts are counted, and what differs from the other numbers."""
    if not conversions.judged_by_outcomes():
        return _("Conversions count from the day of contact on, whoever recorded them.")
    return _(
        "Conversions: hits whose customer bought from the hit date to %(n)s days later, as everywhere."
        " Customers who bought are counted from the day of contact instead; what was marked, or reported as"
        " converted by the gateway, counts for neither.",
        n=conversions.days(),
    )

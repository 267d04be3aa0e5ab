"""The money of a part of the hits as cells of a table, and what the cells mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext

from app.effect.means import Estimate
from app.effect.money import Part
from app.lib.amounts import percent, yuan

#: what is brought together → title of its table
TITLES: dict[str, Any] = {
    "rule": lazy_gettext("Money by rule"),
    "branch": lazy_gettext("Money by branch"),
    "template": lazy_gettext("Money by template"),
    "batch": lazy_gettext("Money by batch"),
}
#: head of the column of names
NAMES: dict[str, Any] = {
    "rule": lazy_gettext("Rule"),
    "branch": lazy_gettext("Branch"),
    "template": lazy_gettext("Template"),
    "batch": lazy_gettext("Batch"),
}
#: those that only have customers who were contacted
CONTACTED = ("template", "batch")


def heads(name: str) -> list[str]:
    """Return the heads of the columns."""
    common = [_("Amount"), _("Margin"), _("Contact cost")]
    if name in CONTACTED:
        return [str(NAMES[name]), _("Bought / contacted"), *common, _("Margin per yuan of cost")]
    people, brought = _("Marketing group, converted"), [_("Margin caused"), _("Return")]
    return [str(NAMES[name]), people, *common, *brought]


def cells(name: str, part: Part) -> list[tuple[str, str]]:
    """Return the cells after the name, as ``heads``: a text and its interval, or why there is no number."""
    plain = [f"{part.converted:,} / {part.people:,}", *map(yuan, (part.amount, part.margin, part.cost))]
    shown = [(text, "") for text in plain]
    if name in CONTACTED:
        return [*shown, (yuan(part.margin / part.cost) if part.cost else "—", "")]
    if part.brought is None:
        needed = _("needs a holdout group")
        return [*shown, ("—", needed), ("—", needed)]
    return [*shown, money(part.brought.caused), _return(part)]


def _return(part: Part) -> tuple[str, str]:
    """Return the return with its interval, unless no rule has enough people in both groups."""
    if part.brought is None or part.brought.roi is None:
        return "—", ""
    return share(part.brought.roi) if part.large else ("—", _("too few customers so far"))


def points(estimate: Estimate) -> tuple[str, str]:
    """Return a difference of shares in percentage points and its interval."""
    return f"{estimate.value * 100:+.1f}", " – ".join(f"{end * 100:+.1f}" for end in estimate.interval)


def money(estimate: Estimate) -> tuple[str, str]:
    """Return an amount in yuan and its interval."""
    return yuan(estimate.value), " – ".join(yuan(end) for end in estimate.interval)


def share(estimate: Estimate) -> tuple[str, str]:
    """Return a share in percent and its interval."""
    return percent(estimate.value), " – ".join(percent(end) for end in estimate.interval)


def missing(name: str, parts: Sequence[Part]) -> str:
    """Return what is missing of a table, in a sentence; nothing when nothing is."""
    if name in CONTACTED:
        return _(
            "Everybody here was contacted, so there is nobody to compare with: what the contacts caused can't"
            " be told. By rule and by branch it can, where rules have a holdout group; of two templates, a"
            " batch with both tells which does better."
        )
    without = sum(each.without_holdout for each in parts)
    if not without:
        return ""
    if all(each.brought is None for each in parts):
        return _(
            "No rule has held anybody out, so what marketing caused can't be told. Set a holdout share in the"
            " rule editor."
        )
    if name == "branch":
        return _(
            "In some branches, rules hold nobody out: their customers are in amount, margin and cost, but not"
            " in margin caused and return."
        )
    return ngettext(
        "%(num)s rule holds nobody out: its customers are in amount, margin and cost, but not in margin"
        " caused and return.",
        "%(num)s rules hold nobody out: their customers are in amount, margin and cost, but not in margin"
        " caused and return.",
        without,
    )


def definitions(name: str, days: int) -> list[str]:
    """Return the meaning of the columns."""
    if name in CONTACTED:
        return [
            _(
                "Contacted: customers to whom it was sent, each once. Amount and margin: what they bought of"
                " the rule's products from the day of contact to %(n)s days later; margin as"
                " delivered, else amount times the product's margin rate.",
                n=days,
            ),
            _("Margin per yuan of cost: whoever would have bought anyway is included."),
        ]
    return [
        _(
            "Marketing group: customers by their first hit ever of a rule, not held out, whether or not they"
            " were contacted; a customer of two rules counts for both. Amount and margin: what they bought of"
            " the rule's products from the hit date to %(n)s days later; margin as delivered, else amount"
            " times the product's margin rate.",
            n=days,
        ),
        _(
            "Margin caused: the difference of the margin a person to those held out, times the customers of"
            " the marketing group, added up over rules. Return: margin caused less contact cost, over contact"
            " cost. Both with 95-percent intervals."
        ),
    ]

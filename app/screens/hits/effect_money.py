"""The money of the effect page: what both arms of each rule bought, what marketing caused, and its return."""

from __future__ import annotations

from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext as _

from app.console import table as lists
from app.console.access import may
from app.effect import money, money_words
from app.effect import platform as effect_platform
from app.effect.labels import PartNames
from app.effect.means import Estimate
from app.effect.money import Part
from app.effect.report import ArmsEffect
from app.lib.amounts import percent, yuan
from app.models import OutreachBatch
from app.rules import control_group, conversions
from app.screens.hits.effect_page import Filters

#: rows of a table before the rest is summed up in one row
MAX_ROWS = 50
Cell = tuple[str, str]


@dataclass(frozen=True)
class MoneyRow:
    """A row: its name, where that leads, and its cells, each a text with a smaller one below."""

    name: str
    url: str
    cells: list[Cell]


@dataclass(frozen=True)
class MoneyTable:
    """A table of money with the sentence of what is missing, and the meaning of its columns."""

    title: str
    #: each with the code of its term in the glossary, empty for none
    heads: list[tuple[str, str]]
    rows: list[MoneyRow]
    missing: str
    definitions: list[str]


def table(filters: Filters, by: str) -> MoneyTable:
    """Return the table by one of ``money_words.TITLES``; the last row is the total where there is one."""
    parts, rows = _of_rules(filters) if by == "rule" else _of_parts(filters, by)
    return MoneyTable(
        str(money_words.TITLES[by]),
        heads(by),
        rows,
        money_words.missing(by, parts) if parts else "",
        money_words.definitions(by, conversions.days()),
    )


def platform(filters: Filters) -> MoneyTable:
    """Return the table of the universal control group, a row for each year that has one."""
    years = effect_platform.measure(filters.common.chosen)
    return MoneyTable(
        _("The whole platform"),
        [
            # What decides comes first, because phones show the first columns.
            *((_("Dates"), ""), (_("More conversions per 100"), "")),
            *((_("Everybody else, converted"), ""), (_("Control group, converted"), "control_group")),
            *((_("More amount a person"), "amount"), (_("More margin a person"), "margin")),
            (_("Margin caused"), "margin_caused"),
            *((_("Contact cost"), "cost"), (_("Return"), "return")),
        ],
        [MoneyRow(f"{each.first} – {each.last}", "", _platform_cells(each.effect)) for each in years],
        _no_group(bool(years)),
        [
            _(
                "Everybody else: all customers outside the universal control group, contacted or not."
                " Converted, amount and margin: what they bought of any product on these dates, from the day"
                " on which the group began. Only dates, source and branch filter this table."
            ),
            _(
                "Differences are those of everybody else to the control group, with 95-percent intervals."
                " Margin caused: the difference of the margin a person, times everybody else. Return: margin"
                " caused less the cost of all contacts on these dates, over that cost."
            ),
        ],
    )


def _no_group(known: bool) -> str:
    """Return why there is no group, on these dates or now; nothing while there is one."""
    if control_group.share():
        return "" if known else _("On these dates there is no universal control group yet.")
    return _(
        "The share of the universal control group is 0: nobody is left alone by all marketing, so that what"
        " the whole platform causes can't be told. To measure it, set a share above 0 in the outreach rules."
    )


def _platform_cells(effect: ArmsEffect) -> list[Cell]:
    others, group = effect.treated, effect.holdout
    shares = [
        (f"{each.converted:,} / {each.people:,}", percent(each.share.value)) for each in (others, group)
    ]
    if not (effect.amount and effect.margin and effect.brought and effect.interval):
        return [("—", ""), *shares, *[("—", "")] * 5]
    roi = effect.brought.roi
    return [
        money_words.points(Estimate(effect.difference or 0.0, effect.interval)),
        *shares,
        money_words.money(effect.amount),
        money_words.money(effect.margin),
        money_words.money(effect.brought.caused),
        (yuan(effect.cost), ""),
        ("—", "") if roi is None else money_words.share(roi),
    ]


def _of_parts(filters: Filters, by: str) -> tuple[list[Part], list[MoneyRow]]:
    contacted = by in money_words.CONTACTED
    parts = money.by_contact(filters.figures, by) if contacted else money.by_branch(filters.figures)
    names = PartNames(filters.figures)
    keys = sorted(parts, key=lambda key: (-parts[key].margin, key))
    rows = [
        MoneyRow(names.name(by, key), _url(filters, by, key), money_words.cells(by, parts[key]))
        for key in keys[:MAX_ROWS]
    ]
    if rest := keys[MAX_ROWS:]:
        others = sum((parts[key] for key in rest), money.NOBODY)
        rows.append(MoneyRow(_("%(n)s more", n=len(rest)), "", money_words.cells(by, others)))
    if rows and not contacted:
        total = sum(parts.values(), money.NOBODY)
        rows.append(MoneyRow(_("Total"), "", money_words.cells(by, total)))
    return list(parts.values()), rows


def _url(filters: Filters, by: str, key: str) -> str:
    if by != "batch":
        return filters.part_url(by, key)
    opens = may("can_show", "OutreachBatchView") and lists.in_scope(OutreachBatch, int(key))
    return url_for("OutreachBatchView.show", pk=key) if opens else ""


def _of_rules(filters: Filters) -> tuple[list[Part], list[MoneyRow]]:
    found, names = money.by_rule(filters.figures), PartNames(filters.figures)
    parts = {str(rule): money.of_effects([effect]) for rule, effect in found.items()}
    rows = [
        MoneyRow(names.name("rule", key), filters.part_url("rule", key), _rule_cells(found[int(key)], part))
        for key, part in sorted(parts.items(), key=lambda each: names.name("rule", each[0]))
    ]
    if len(rows) > 1:
        people, *others = money_words.cells("rule", sum(parts.values(), money.NOBODY))
        rows.append(MoneyRow(_("Total"), "", [people, ("", ""), *others]))
    return list(parts.values()), rows


def heads(by: str) -> list[tuple[str, str]]:
    """Return the heads of the table by one of ``money_words.TITLES``, each with the code of its term."""
    money_terms = ("amount", "margin", "cost")
    if by in money_words.CONTACTED:
        terms: tuple[str, ...] = ("", "", *money_terms, "")
    else:
        terms = ("", "marketing_group", *money_terms, "margin_caused", "return")
    pairs = list(zip(money_words.heads(by), terms, strict=True))
    if by == "rule":
        pairs.insert(2, (_("Held out, converted"), "holdout"))
    return pairs


def _rule_cells(effect: ArmsEffect, part: Part) -> list[Cell]:
    people, amount, margin, *others = money_words.cells("rule", part)
    held = effect.holdout
    return [
        people,
        (f"{held.converted:,} / {held.people:,}", ""),
        (amount[0], _a_person(effect.amount)),
        (margin[0], _a_person(effect.margin)),
        *others,
    ]


def _a_person(difference: Estimate | None) -> str:
    if difference is None:
        return ""
    more, interval = money_words.money(difference)
    return _("%(more)s more a person (%(interval)s)", more=more, interval=interval)

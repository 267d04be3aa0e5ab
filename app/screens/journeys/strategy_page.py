"""Presentation of strategy tables: what their rows say, and what they answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup, escape

from app import labels
from app.console import formats
from app.console.table import linked
from app.journeys import check, strategy_coverage, strategy_tables, versions
from app.journeys.sentence import HAND_TO
from app.journeys.strategy_coverage import GRADES, NO_HIT, Cell, Coverage, Gap, Overlap
from app.models import JourneyVersion, StrategyRow, StrategyTable
from app.screens.journeys import page
from app.screens.journeys.labels import KIND

#: with more lines, which row answers whom is folded
MANY_LINES = 60
#: so many overlaps stand on the page before the rest is folded
MANY = 10


def known() -> check.Known:
    """Return what there is, read once a request."""
    if "strategy_known" not in g:
        g.strategy_known = check.read_known()
    found: check.Known = g.strategy_known
    return found


# -- a row ---------------------------------------------------------------------------------------------


def segments(row: StrategyRow) -> str:
    """Return the segments of a row by name."""
    return _named("segments", row.segments) or _("any")


def grades(row: StrategyRow) -> str:
    """Return the grades of a row."""
    return labels.enumerated(row.grades) or _("any")


def products(row: StrategyRow) -> str:
    """Return the products of a row by name."""
    return _named("products", row.products) or _("any")


def contact(row: StrategyRow) -> Markup:
    """Return how a row contacts customers."""
    if not row.template:
        return Markup('<span class="none">{}</span>').format(_("no contact"))
    kind = Markup('<span class="tag tag-step-{}">{}</span>').format(row.channel, KIND[row.channel])
    return Markup("{} {}").format(kind, _named("templates", [row.template]))


def hand_to(row: StrategyRow) -> Markup | str:
    """Return to whom a row hands customers over."""
    said = labels.word(HAND_TO, row.hand_to)
    return Markup('<span class="none">{}</span>').format(said) if row.hand_to == "nobody" else said


def _named(kind: str, codes: Iterable[str]) -> str:
    names = getattr(page.names(), kind)
    return labels.enumerated(names.get(code, code) for code in codes)


def remarks(row: StrategyRow) -> Markup:
    """Return what is wrong with a row, and whether others answer before it."""
    found = shown(row.table)
    said = [_remark("error", each) for each in found.faults.get(row.position, [])]
    if row.position in found.unreached:
        said.append(_remark("warn", _("never reached: earlier rows answer everybody")))
    return Markup(" ").join(said)


def _remark(kind: str, text: str) -> Markup:
    return Markup('<span class="tag tag-strategy-{}">{}</span>').format(kind, text)


# -- a table -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """What is found out about a table; faults are by row, 0 for those of the table itself."""

    coverage: Coverage
    gaps: list[Gap]
    overlaps: list[Overlap]
    unreached: list[int]
    faults: dict[int, list[str]] = field(default_factory=dict)


def shown(table: StrategyTable) -> Shown:
    """Return what is found out about a table, once a request."""
    done: dict[int, Shown] = g.setdefault("strategies_shown", {})
    if table.id not in done:
        done[table.id] = _found(table)
    return done[table.id]


def _found(table: StrategyTable) -> Shown:
    definition, book = strategy_tables.table_def(table), known().strategies
    coverage = Coverage(definition, [code for code, whole in book.segments.items() if whole is None])
    faults: dict[int, list[str]] = {}
    for each in check.of_table(definition, known()):
        faults.setdefault(each.row or 0, []).append(each.error.text())
    return Shown(coverage, coverage.gaps(), coverage.overlaps(), coverage.unreached(), faults)


def rows(table: StrategyTable) -> int:
    """Return the number of rows."""
    return len(table.rows)


def state(table: StrategyTable) -> Markup:
    """Return in a few words whether a table can be used, and what it leaves open."""
    found = shown(table)
    faults = sum(map(len, found.faults.values()))
    said = [ngettext("%(num)s problem", "%(num)s problems", faults)] if faults else []
    if found.gaps:
        said.append(ngettext("%(num)s gap", "%(num)s gaps", len(found.gaps)))
    if found.unreached:
        number = len(found.unreached)
        said.append(ngettext("%(num)s row never reached", "%(num)s rows never reached", number))
    kind = "error" if faults else "warn"
    said_of_rows = Markup(" ").join(_remark(kind, each) for each in said)
    return said_of_rows or escape(_("everybody is answered"))


def users(table: StrategyTable) -> Markup | str:
    """Return the versions of journeys that name a table, with a note where it has changed since."""
    return formats.lines([_user(each) for each in strategy_tables.users_of(table.code)]) or _("no journey")


def _user(version: JourneyVersion) -> Markup:
    status = formats.tag(labels.VERSION_STATUS, "version")(version.status)
    former = versions.has_other_tables(version, known().strategies)
    note = _remark("warn", _("has the table as it was before")) if former else ""
    return Markup("{} {} {}").format(linked(version, str(version)), status, note)


def tables(version: JourneyVersion) -> Markup:
    """Return the strategy tables that a version names."""
    return formats.lines(_table_links(version))


def note(version: JourneyVersion) -> Markup | None:
    """Return the note on the page of a version in force whose strategy tables have changed since."""
    if not versions.has_other_tables(version):
        return None
    said = _(
        "A strategy table of this version, or what it names, was changed since. The next version will have "
        "the change:"
    )
    return Markup("{} {}").format(said, Markup(", ").join(_table_links(version)))


def _table_links(version: JourneyVersion) -> list[Markup]:
    codes = dict.fromkeys(versions.written_def(version).tables().values())
    tables = {each.code: each for each in strategy_tables.stored(codes)}
    return [linked(tables[code], tables[code].name) if code in tables else escape(code) for code in codes]


# -- what it answers -----------------------------------------------------------------------------------


def coverage(table: StrategyTable) -> dict[str, Any]:
    """Return what the part of the page says about gaps, overlaps and who answers whom."""
    found = shown(table)
    told = set(found.unreached)
    lines = [_overlap(each) for each in found.overlaps if each.second not in told]
    return {
        "faults": found.faults.get(0, []) if table.rows else [],
        "verdict": _verdict(found),
        "unreached": found.unreached,
        "gaps": gap_lines(table, None),
        "gaps_url": url_for("StrategyTableView.gaps", pk=table.id) if found.gaps else "",
        "overlaps": lines[:MANY],
        "more_overlaps": lines[MANY:],
        "blocks": _blocks(table, found.coverage),
        "most_lines": MANY_LINES,
        "grades": GRADES,
    }


def _verdict(found: Shown) -> str:
    if not found.coverage.rows:
        return _("The table has no rows yet, so nobody is answered.")
    said = []
    if found.gaps:
        said.append(_("Some customers are answered by no row; they go on by “otherwise”."))
    else:
        said.append(_("Every customer is answered by a row."))
    if found.unreached:
        numbers = labels.enumerated(map(str, found.unreached))
        said.append(_("Never reached, because earlier rows answer everybody: row %(rows)s.", rows=numbers))
    return " ".join(said)


def gap_lines(table: StrategyTable, counts: Sequence[int] | None) -> list[dict[str, Any]]:
    """Return the gaps in words, with the numbers of customers if they are known."""
    found = shown(table).gaps
    numbers: Sequence[int | None] = counts or [None] * len(found)
    return [
        {
            "hits": _hits(gap, table.days),
            "products": "" if not gap.grades else _products(gap.products, shown(table).coverage),
            "segments": _("in none of %(segments)s", segments=_named("segments", gap.outside))
            if gap.outside
            else _("whatever the segment"),
            "count": number,
        }
        for gap, number in zip(found, numbers, strict=True)
    ]


def count(table: StrategyTable) -> list[int] | None:
    """Return how many customers whom the reader may see fall in each gap, None when that takes too long."""
    definition = strategy_tables.table_def(table)
    return strategy_coverage.count(g.user, definition, known().strategies, shown(table).gaps)


def _hits(gap: Gap, days: int) -> str:
    if not gap.grades:
        return _("no hit in the last %(n)s days", n=days)
    return _("any") if len(gap.grades) == len(GRADES) else labels.enumerated(gap.grades)


def _products(codes: Sequence[str | None], coverage: Coverage) -> str:
    if len(codes) == len(coverage.products):
        return _("any")
    names = [_named("products", [code]) for code in codes if code is not None]
    return labels.enumerated([*names, *([_("any other")] if None in codes else [])])


def _overlap(each: Overlap) -> dict[str, str]:
    if each.segments:
        who = _("in %(segments)s", segments=_named("segments", each.segments))
    elif each.ones:
        ones, others = _named("segments", each.ones), _named("segments", each.others)
        who = _("in %(ones)s and in %(others)s at once", ones=ones, others=others)
    else:
        who = _("whatever the segment")
    return {
        "rows": _("%(one)s and %(other)s", one=each.first, other=each.second),
        "grades": labels.enumerated(each.grades) or _("any"),
        "products": _named("products", each.products) or _("any"),
        "segments": who,
        "counts": _("row %(n)s", n=each.first),
    }


def _blocks(table: StrategyTable, coverage: Coverage) -> list[dict[str, Any]]:
    """Return, for products that the rows treat alike, which rows answer each segment and grade."""
    inside = [*coverage.segments, None]
    alike: dict[Any, list[str | None]] = {}
    for product in coverage.products:
        lines = tuple(
            tuple(tuple(coverage.answering(Cell(grade, product), each)) for grade in GRADES)
            for each in inside
        )
        alike.setdefault(lines, []).append(product)
    blocks = [
        {
            "name": _block(products, coverage),
            "lines": [_line(each, cells) for each, cells in zip(inside, lines, strict=True)],
        }
        for lines, products in alike.items()
    ]
    without = [_line(each, [coverage.answering(NO_HIT, each)]) for each in inside]
    return [*blocks, {"name": _("No hit in the last %(n)s days", n=table.days), "lines": without}]


def _block(products: Sequence[str | None], coverage: Coverage) -> str:
    if len(products) == len(coverage.products):
        return _("Any product")
    return _products(products, coverage) if any(products) else _("Any other product")


def _line(segment: str | None, cells: Iterable[Sequence[int]]) -> tuple[str, list[Sequence[int]]]:
    if segment is None:
        return _("in none of the segments"), [*cells]
    return _named("segments", [segment]), [*cells]


def days(number: int) -> str:
    """Return a number of days in words."""
    return ngettext("%(num)s day", "%(num)s days", number)

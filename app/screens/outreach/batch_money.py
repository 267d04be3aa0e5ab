"""What the customers of a batch bought, by text, and which of two texts brought more."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _
from markupsafe import Markup

from app.effect import money, money_words
from app.effect.means import Estimate, difference
from app.effect.report import margins_apart
from app.models import Outreach, OutreachBatch
from app.outreach import variants
from app.rules import conversions
from app.screens.outreach.variants import with_letter


@dataclass(frozen=True)
class BatchMoney:
    """A table with a row for each text, how far two of them are apart, and what the columns mean."""

    heads: list[str]
    rows: list[tuple[Markup, list[tuple[str, str]]]]
    apart: list[str]
    notes: list[str]


def of_batch(batch: OutreachBatch) -> BatchMoney | None:
    """Return the money of a batch; None until somebody was contacted, and while claims stand in."""
    if not conversions.judged_by_outcomes():
        return None
    found = money.contacted(Outreach.version_id, Outreach.batch_id == batch.id)
    if not found:
        return None
    rows = [
        (with_letter(letter, version), money_words.cells("template", money.part(*found[version.id])))
        for letter, version, _share in variants.texts(batch)
        if version.id in found
    ]
    apart = []
    if len(rows) == 2:
        (a, _cost), (b, _more) = found[batch.version_id], found[batch.version_b_id]
        apart = [
            _("Amount a person, B less A: %(shown)s.", shown=_shown(difference(b.amounts, a.amounts))),
            _("Margin a person, B less A: %(shown)s.", shown=_shown(margins_apart(b, a))),
        ]
    missing = money_words.missing("batch", [])
    notes = [*([] if apart else [missing]), *money_words.definitions("batch", conversions.days())]
    return BatchMoney(money_words.heads("template"), rows, apart, notes)


def _shown(apart: Estimate) -> str:
    value, interval = money_words.money(apart)
    return _("%(value)s (95-percent interval %(interval)s)", value=value, interval=interval)

"""The list of outcomes, the upload of a file of them, and the API that takes them."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import select

from app import labels
from app.console import formats, table
from app.console.access import may
from app.console.table import Link
from app.console.view import ConsoleView
from app.extensions import db
from app.lib.amounts import yuan
from app.models import ImportBatch, Outcome, OutcomeFormer
from app.outcomes.importer import OUTCOMES
from app.outcomes.rows import HEADERS
from app.screens.leads.uploading import FileGuide, TakesFiles

_TEMPLATE = ("outcome_id", "lead_no", "id_number", "product", "date", "amount", "margin")


def _margin(item: Outcome) -> Any:
    """Return the margin, after a remark when it follows from the product's rate."""
    if item.margin is not None:
        return yuan(item.margin)
    margin = yuan(item.amount * item.product.margin_rate)
    return Markup('<span><small class="muted">{}</small> {}</span>').format(_("by the margin rate"), margin)


def _former(item: Outcome) -> Any:
    """Return the former values as lines, the newest first."""
    query = select(OutcomeFormer).where(OutcomeFormer.current_id == item.id).order_by(OutcomeFormer.id.desc())
    return formats.lines(
        Markup.escape(
            _(
                "until %(when)s: %(lead)s, %(product)s, %(date)s, %(amount)s, margin %(margin)s",
                when=f"{labels.local(row.corrected_at):%Y-%m-%d %H:%M}",
                lead=row.lead.lead_no,
                product=row.product.name,
                date=row.on_date,
                amount=yuan(row.amount),
                margin=yuan(row.margin),
            )
        )
        for row in db.session.scalars(query)
    )


def _batch(item: Outcome) -> Any:
    batch = db.session.get(ImportBatch, item.batch_id) if item.batch_id else None
    return table.related(batch) if batch else ""


class OutcomeView(TakesFiles, ConsoleView):
    """业务结果: what customers bought, as the bank's own system told it."""

    model = Outcome
    file_kind = OUTCOMES
    file_guide = FileGuide(
        lazy_gettext("How a file of outcomes is read"),
        (
            lazy_gettext(
                "Deliver what all customers bought, whether or not somebody contacted them: only so can the "
                "effect of marketing be measured."
            ),
            lazy_gettext(
                "Each row needs an outcome number, a person (lead number, ID number or its hash), a "
                "product, a date and an amount. The margin is optional."
            ),
            lazy_gettext(
                "The same outcome delivered again changes nothing; with other values it is a correction, and "
                "the former values stay visible."
            ),
            lazy_gettext(
                "People who are not on the lead list are counted, and nothing is stored about them."
            ),
        ),
    )
    template_name = "outcome-template"
    base_permissions = ["can_list", "can_show", "can_upload", "can_template"]
    computed = {
        "amount_shown": lambda item: yuan(item.amount),
        "margin_shown": _margin,
        "former": _former,
        "batch": _batch,
    }
    number_columns = frozenset({"amount_shown", "margin_shown"})
    paging_limit = 10_000
    list_title = lazy_gettext("Outcomes")
    show_title = lazy_gettext("Outcome")
    about = lazy_gettext("What customers bought, when and for how much, as the bank's own system tells it.")
    empty_next = ("ProductView",)
    empty_hint = lazy_gettext(
        "No outcomes yet. Import what customers bought, of all customers, contacted or not; "
        "until then conversions are what marketers marked."
    )
    base_order = ("on_date", "desc")
    list_columns = [
        *(
            "outcome_id",
            "lead",
            "product",
            "on_date",
            "amount_shown",
            "margin_shown",
            "corrections",
            "told_at",
        )
    ]
    column_terms = {"margin_shown": "margin"}
    order_columns = ["on_date"]
    search_columns = ["product", "on_date", "outcome_id", "batch_id"]
    show_columns = [
        *("outcome_id", "lead", "product", "on_date", "amount_shown", "margin_shown", "batch", "told_at"),
        *("corrections", "former"),
    ]
    label_columns = {
        "outcome_id": lazy_gettext("Outcome no."),
        "lead": lazy_gettext("Lead"),
        "product": lazy_gettext("Product"),
        "on_date": lazy_gettext("Date"),
        "amount_shown": lazy_gettext("Amount"),
        "margin_shown": lazy_gettext("Margin"),
        "batch_id": lazy_gettext("Import batch no."),
        "batch": lazy_gettext("Import batch"),
        "told_at": lazy_gettext("Last delivered"),
        "corrections": lazy_gettext("Corrections"),
        "former": lazy_gettext("Former values"),
    }
    formatters_columns = {
        "outcome_id": formats.code,
        "corrections": formats.number,
        "told_at": formats.when,
    }

    def list_links(self) -> list[Link]:
        """Return the link to import a file."""
        if not may("can_upload", "OutcomeView"):
            return []
        return [Link(_("Import outcomes"), url_for("OutcomeView.upload"), primary=True)]

    def template_header(self) -> list[str]:
        """Return the headers of a file of outcomes."""
        return [HEADERS[name][0] for name in _TEMPLATE]

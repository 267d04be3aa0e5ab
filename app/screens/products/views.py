"""The screen of products."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select
from wtforms import DateField, DecimalField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.console import formats
from app.console.access import me
from app.console.forms import CODE, multi_select
from app.console.second_person import REASON, AsksForReason
from app.console.view import ConsoleView
from app.errors import FieldError
from app.extensions import db
from app.lib.amounts import percent
from app.models import Product, Segment
from app.products import catalogue
from app.products.approval import PRODUCTS
from app.products.definition import DEFAULT_MARGIN_RATE, product_def
from app.rules.definition import LeadFilterDef
from app.rules.sentence import lead_filter_sentence


def _eligible(item: Product) -> str:
    return lead_filter_sentence(LeadFilterDef(**item.eligible)) or _("all leads")  # type: ignore[arg-type]


def _segments() -> list[tuple[str, str]]:
    names = db.session.scalars(select(Segment.name).where(Segment.shared).distinct().order_by(Segment.name))
    return [(name, name) for name in names]


class ProductView(AsksForReason, ConsoleView):
    """产品: what the bank sells."""

    model = Product
    computed = {"eligible_leads": _eligible, "margin": lambda item: percent(float(item.margin_rate))}
    number_columns = frozenset({"margin"})
    list_title = lazy_gettext("Products")
    show_title = lazy_gettext("Product")
    add_title = lazy_gettext("New product")
    edit_title = lazy_gettext("Edit product")
    about = lazy_gettext("What the bank sells, with line, margin rate and dates.")
    empty_next = ("OutcomeView",)
    empty_hint = lazy_gettext(
        "No products yet. Add what the bank sells; outcomes name products, and so can rules."
    )
    base_order = ("code", "asc")
    list_columns = ["code", "name", "line", "margin", "valid_from", "valid_until", "eligible_leads"]
    order_columns = ["code", "name", "line", "valid_from", "valid_until", "updated_at"]
    search_columns = ["code", "name", "line", "valid_from", "valid_until"]
    show_columns = [
        *("code", "name", "line", "margin", "valid_from", "valid_until", "eligible_leads"),
        *("updated_by", "updated_at"),
    ]
    add_columns = ["code", "name", "line", "margin_rate", "valid_from", "valid_until", "segments"]
    edit_columns = [*add_columns[1:], "reason"]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "line": lazy_gettext("Product line"),
        "margin": lazy_gettext("Margin rate"),
        "margin_rate": lazy_gettext("Margin rate"),
        "valid_from": lazy_gettext("Sold from"),
        "valid_until": lazy_gettext("Sold until"),
        "eligible_leads": lazy_gettext("Eligible leads"),
        "updated_by": lazy_gettext("Changed by"),
        "updated_at": lazy_gettext("Changed"),
    }
    description_columns = {
        "code": lazy_gettext("Files of outcomes name the product by its code or name."),
        "name": lazy_gettext("Files of outcomes name the product by its code or name."),
        "line": lazy_gettext("For example: loan, deposit, wealth."),
    }
    formatters_columns = {"code": formats.code, "updated_at": formats.when}
    validators_columns = {
        "code": [DataRequired(), Length(max=64), CODE],
        "name": [DataRequired(), Length(max=128)],
        "line": [DataRequired(), Length(max=64)],
    }
    add_form_extra_fields = {
        "margin_rate": DecimalField(
            lazy_gettext("Margin rate"),
            places=None,
            default=DEFAULT_MARGIN_RATE,
            description=lazy_gettext("The bank's share of an amount, such as 0.03 for 3 percent."),
            validators=[InputRequired(), NumberRange(0, 1)],
        ),
        "valid_from": DateField(lazy_gettext("Sold from"), validators=[Optional()]),
        "valid_until": DateField(lazy_gettext("Sold until"), validators=[Optional()]),
        "segments": multi_select(
            lazy_gettext("Eligible segments"),
            _segments,
            lazy_gettext("Leads of any of these shared segments. Leave empty for all leads."),
        ),
    }

    edit_form_extra_fields = add_form_extra_fields | {"reason": REASON}

    def heading(self, item: Any) -> str:
        """Return the name of the product."""
        return str(item.name)

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Select the segments of the stored filter."""
        form.segments.data = self._row(pk).eligible.get("segments", [])

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the product; a change that affects rules in force waits for approval.

        Raises FieldError when another one has its name, for wrong dates, and when a reason is missing.
        """
        if item.valid_from and item.valid_until and item.valid_until < item.valid_from:
            raise FieldError("valid_until", "The last day comes before the first one.")
        others = {name: values for name, values in (item.eligible or {}).items() if name != "segments"}
        item.eligible = others | ({"segments": form.segments.data} if form.segments.data else {})
        new = product_def(item)
        catalogue.check_new(new)
        item.updated_by = me()
        if created:
            db.session.add(item)
        else:
            self.ask_or_keep(PRODUCTS, item, new, form.reason.data)

    def remove(self, item: Any) -> None:
        """Delete the product. Raises DomainError while it is used."""
        catalogue.delete(item)

"""The screens of strategy tables and their rows."""

from __future__ import annotations

from typing import Any

from flask import g, redirect, render_template, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import Select2Widget
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select
from wtforms import IntegerField, SelectField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.console import formats
from app.console.access import me
from app.console.forms import CodeField, multi_select
from app.console.forms import select as drop_down
from app.console.view import ConsoleView
from app.console.widgets import StrategyCoverageWidget
from app.extensions import db
from app.journeys import strategy_tables
from app.journeys.sentence import HAND_TO
from app.journeys.strategy import DEFAULT_DAYS, MAX_ROWS
from app.models import OutreachTemplate, Product, Segment, StrategyRow, StrategyTable
from app.screens.journeys import strategy_page as page
from app.screens.journeys.labels import KIND


def _choices(model: Any, criterion: Any, column: Any) -> list[tuple[str, str]]:
    """Return code and name of what a row may name, and the codes that rows name and that are gone."""
    query = select(model.code, model.name).where(criterion).order_by(model.name)
    found = [(code, name) for code, name in db.session.execute(query)]
    there = {code for code, _name in found}
    named = {code for codes in db.session.scalars(select(column)) for code in codes} - there
    return [*found, *((code, _("%(code)s (gone)", code=code)) for code in sorted(named))]


def _templates() -> list[tuple[str, str]]:
    """Return the templates by name with their channel, those in use first."""
    query = select(OutreachTemplate).order_by(OutreachTemplate.active.desc(), OutreachTemplate.name)
    rows = list(db.session.scalars(query))
    found = [
        (each.code, f"{KIND[each.channel]} · {each.name}")
        if each.active
        else (each.code, _("%(code)s (not in use)", code=each.name))
        for each in rows
    ]
    named = set(db.session.scalars(select(StrategyRow.template))) - {"", *(each.code for each in rows)}
    gone = [(code, _("%(code)s (gone)", code=code)) for code in sorted(named)]
    return [("", _("no contact")), *found, *gone]


class StrategyRowView(ConsoleView):
    """决策表的行: the rows of strategy tables."""

    model = StrategyRow
    base_permissions = ["can_list", "can_add", "can_edit", "can_delete", "up", "down"]
    computed = {
        "whose": page.segments,
        "grade": page.grades,
        "product": page.products,
        "contact": page.contact,
        "handed": page.hand_to,
        "remarks": page.remarks,
    }
    list_title = lazy_gettext("Rows of the strategy table")
    add_title = lazy_gettext("New row")
    edit_title = lazy_gettext("Edit row")
    about = lazy_gettext("Whom a row answers, and what becomes of them.")
    empty_next = ("StrategyTableView",)
    empty_hint = lazy_gettext("No rows yet. The first row that matches a customer counts.")
    base_order = ("position", "asc")
    page_size = 100
    list_columns = ["table", "position", "whose", "grade", "product", "contact", "handed", "remarks"]
    order_columns = ["position"]
    search_columns = ["table", "channel", "hand_to"]
    filter_choices = {"channel": KIND, "hand_to": HAND_TO}
    add_columns = ["table", "segments", "grades", "products", "template", "hand_to", "place"]
    edit_columns = add_columns[1:]
    label_columns = {
        "table": lazy_gettext("Strategy table"),
        "position": lazy_gettext("No."),
        "whose": lazy_gettext("Segment"),
        "grade": lazy_gettext("Grade"),
        "product": lazy_gettext("Product"),
        "contact": lazy_gettext("Contacted by"),
        "handed": lazy_gettext("Handed to"),
        "remarks": lazy_gettext("Remark"),
        "channel": lazy_gettext("Channel"),
        "hand_to": lazy_gettext("Handed to"),
        "template": lazy_gettext("Template"),
    }
    validators_columns = {"table": [DataRequired()]}
    edit_form_extra_fields = {
        "segments": multi_select(
            lazy_gettext("Segments"),
            lambda: _choices(Segment, Segment.shared & (Segment.code != ""), StrategyRow.segments),
            lazy_gettext("Shared segments. Customers in one of them; leave empty for all customers."),
        ),
        "grades": multi_select(
            lazy_gettext("Grades"),
            [(grade, grade) for grade in "ABCD"],
            lazy_gettext("Customers with a hit of one of them; leave empty for any."),
        ),
        "products": multi_select(
            lazy_gettext("Products"),
            lambda: _choices(Product, True, StrategyRow.products),
            lazy_gettext("Customers with a hit of a rule about one of them; leave empty for any."),
        ),
        "template": SelectField(lazy_gettext("Contacted by"), choices=_templates, widget=Select2Widget()),
        "hand_to": drop_down(lazy_gettext("Hand over to"), HAND_TO, default="nobody"),
        "place": IntegerField(
            lazy_gettext("Place in the table"),
            description=lazy_gettext("The first row that matches counts. Leave empty for the end."),
            validators=[Optional(), NumberRange(1, MAX_ROWS)],
        ),
    }
    add_form_extra_fields = edit_form_extra_fields

    def heading(self, item: Any) -> str:
        """Return the number of the row."""
        return _("Row %(n)s of “%(table)s”", n=item.position, table=item.table.name)

    def row_url(self, item: Any) -> str:
        """Return the address of the form: a row has no page of its own."""
        return url_for(f"{self.endpoint}.edit", pk=item.id)

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Show the present place."""
        form.place.data = self._row(pk).position

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the row at its place. Raises FieldError when the table is full."""
        item.segments, item.products = form.segments.data or [], form.products.data or []
        item.grades = form.grades.data or []
        query = select(OutreachTemplate.channel).where(OutreachTemplate.code == item.template)
        with db.session.no_autoflush:
            item.channel = (db.session.scalar(query) or item.channel) if item.template else "none"
        strategy_tables.put(item, form.place.data, me())

    def remove(self, item: Any) -> None:
        """Delete the row; those after it move up."""
        strategy_tables.take_out(item, me())

    @action("up", lazy_gettext("Move up"), multiple=False)
    def up(self, item: StrategyRow) -> Any:
        """Move a row up."""
        return self._shift(item, -1)

    @action("down", lazy_gettext("Move down"), multiple=False)
    def down(self, item: StrategyRow) -> Any:
        """Move a row down."""
        return self._shift(item, 1)

    def offers(self, action: str, item: Any) -> bool:
        """Return whether a row can be moved to that side."""
        there = {"up": item.position > 1, "down": item.position < len(item.table.rows)}
        return there.get(action, True)

    def _shift(self, item: StrategyRow, by: int) -> Any:
        strategy_tables.shift(item, by, me())
        db.session.commit()
        return self.back()


class StrategyTableView(ConsoleView):
    """决策表: which customers get which contact, and who takes them over."""

    model = StrategyTable
    related_views = [StrategyRowView]
    base_permissions = ["can_list", "can_show", "can_add", "can_edit", "can_delete"]
    computed = {"number": page.rows, "state": page.state, "users": page.users}
    number_columns = frozenset({"number"})
    list_title = lazy_gettext("Strategy tables")
    show_title = lazy_gettext("Strategy table")
    add_title = lazy_gettext("New strategy table")
    edit_title = lazy_gettext("Edit strategy table")
    about = lazy_gettext(
        "Which contact customers get by segment, grade and product, and who takes them over."
    )
    empty_next = ("JourneyView",)
    empty_hint = lazy_gettext(
        "No strategy table yet. Add one, give it rows, and name it in a step of a journey."
    )
    base_order = ("name", "asc")
    list_columns = ["name", "code", "number", "state", "users", "updated_by", "updated_at"]
    order_columns = ["name", "code", "updated_at"]
    search_columns = ["name", "code"]
    show_columns = ["name", "code", "description", "days", "users", "updated_by", "updated_at"]
    add_columns = ["name", "code", "days", "description"]
    edit_columns = ["name", "days", "description"]
    label_columns = {
        "name": lazy_gettext("Name"),
        "code": lazy_gettext("Code"),
        "description": lazy_gettext("Description"),
        "days": lazy_gettext("Hits of the last"),
        "number": lazy_gettext("Rows"),
        "state": lazy_gettext("State"),
        "users": lazy_gettext("Journeys with it"),
        "updated_by": lazy_gettext("Changed by"),
        "updated_at": lazy_gettext("Changed"),
    }
    units = {"days": lazy_gettext("days")}
    formatters_columns = {"code": formats.code, "updated_at": formats.when, "days": page.days}
    validators_columns = {"name": [DataRequired(), Length(max=64)], "description": [Length(max=2000)]}
    edit_form_extra_fields = {
        "days": IntegerField(
            lazy_gettext("Hits of the last"),
            default=DEFAULT_DAYS,
            description=lazy_gettext(
                "Rows with grades or products ask for hits of so many days up to yesterday."
            ),
            validators=[InputRequired(), NumberRange(1, 3650)],
        ),
    }
    add_form_extra_fields = edit_form_extra_fields | {"code": CodeField("ST")}

    def heading(self, item: Any) -> str:
        """Return the name of the table."""
        return str(item.name)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the table with who changed it."""
        item.name, item.updated_by = item.name.strip(), me()
        if created:
            db.session.add(item)
            db.session.flush()
            g.made = item.id

    def remove(self, item: Any) -> None:
        """Delete the table. Raises DomainError while a journey names it."""
        strategy_tables.delete(item)

    def post_add_redirect(self) -> Any:
        """Show the new table, which gets its rows there."""
        return redirect(url_for(".show", pk=g.made))

    @expose("/gaps/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("show")
    def gaps(self, pk: int) -> Any:
        """Return the gaps with the numbers of their customers, loaded by the page."""
        item = self._row(pk)
        return render_template(
            "journeys/strategy_gaps.html", gaps=page.gap_lines(item, page.count(item)), counted=True
        )

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        return shown | {"below": [StrategyCoverageWidget(**page.coverage(item))]}

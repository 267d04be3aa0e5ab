"""Screens that classify leads: tags, segments, value–potential matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import abort, flash, g, request, url_for
from flask_appbuilder import BaseView, expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import Select2Widget
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import BooleanField, DateField, IntegerField, SelectField
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from app import labels
from app.access.people import name_of
from app.console import formats, urls
from app.console.access import may, me
from app.console.forms import CodeField, multi_select, select
from app.console.parts import sentence
from app.console.table import Link
from app.console.urls import list_url
from app.console.view import ConsoleView
from app.console.widgets import DaysWidget, FactsWidget, MixWidget, WhyWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.leads import removal, suppression, tags
from app.lib.clock import today
from app.models import Lead, Segment, Tag
from app.rules import lead_filter
from app.screens.leads import acts, filter_rows, segment_labels, segments, suppression_page
from app.screens.leads import page as lead_page
from app.screens.outreach import page as outreach_page
from app.segments.definition import SegmentDef, segment_def


class ClassifiesLeads:
    """Mixin of the lead view: bulk tagging, the do-not-disturb box, and the activity on a lead's page."""

    def choices_of(self, action: str) -> list[tuple[str, str]] | None:
        """Return the tags to choose from, for the two bulk actions that need one."""
        if action not in ("tag", "untag"):
            return None
        return [(str(tag.id), tag.name) for tag in tags.all_tags(db.session)]

    @action("tag", lazy_gettext("Add tag"), single=False)
    def tag(self, items: list[Lead]) -> Any:
        """Add the chosen tag to the ticked leads."""
        tag = tags.tag_of(db.session, request.form.get("choice_tag", ""))
        count = tags.add_tag(db.session, items, tag)
        db.session.commit()
        flash(_("Added “%(tag)s” to %(n)s leads.", tag=tag.name, n=count), "success")
        return self.back()  # type: ignore[attr-defined]

    @action("untag", lazy_gettext("Remove tag"), single=False)
    def untag(self, items: list[Lead]) -> Any:
        """Remove the chosen tag from the ticked leads."""
        tag = tags.tag_of(db.session, request.form.get("choice_untag", ""))
        count = tags.remove_tag(db.session, items, tag)
        db.session.commit()
        flash(_("Removed “%(tag)s” from %(n)s leads.", tag=tag.name, n=count), "success")
        return self.back()  # type: ignore[attr-defined]

    def update_do_not_disturb(self, lead: Lead, form: Any) -> None:
        """Put the lead on the do-not-disturb list, or request its removal, when the form's box was changed.

        Raises FieldError when a removal has no reason.
        """
        do_not_disturb, reason = bool(form.do_not_disturb.data), form.do_not_disturb_reason.data or ""
        if do_not_disturb == lead.opted_out:
            return
        if do_not_disturb:
            suppression.add_lead(db.session, lead, reason=reason, user=me(), today=today())
            return
        if not reason.strip():
            raise FieldError("do_not_disturb_reason", "Give a reason; it is kept with the list entry.")
        for entry in suppression.person_entries(db.session(), lead, today()):
            suppression_page.flash_removal(entry, removal.ask(entry, g.user, reason))

    def _page(self, *args: Any) -> tuple[int, list[Any], int]:
        count, rows, page = super()._page(*args)  # type: ignore[misc]
        tags.preload_tags(db.session, rows)
        return count, rows, page

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        days = DaysWidget(calendar=lead_page.calendar(item), looks=lead_page.looks(item), when=formats.when)
        widgets: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)  # type: ignore[misc]
        more = [FactsWidget(**lead_page.facts(item)), days]
        if may("can_list", "OutreachView"):
            more.append(WhyWidget(**outreach_page.of_lead(item)))
        return widgets | {"more": more}


class TagView(ConsoleView):
    """标签: the managed list of coloured tags."""

    model = Tag
    computed = {"chip": segment_labels.tag_chip, "leads": segment_labels.tag_leads}
    number_columns = frozenset({"leads"})
    list_title = lazy_gettext("Tags")
    show_title = lazy_gettext("Tag")
    add_title = lazy_gettext("New tag")
    edit_title = lazy_gettext("Edit tag")
    about = lazy_gettext("Marks that people put on leads.")
    empty_next = ("LeadView",)
    empty_hint = lazy_gettext("No tags yet. Add one, then select leads in the list and tag them.")
    base_order = ("name", "asc")
    list_columns = ["chip", "code", "leads", "created_by", "created_at"]
    order_columns = ["code", "created_at"]
    search_columns = ["name", "code", "created_by"]
    show_columns = ["name", "code", "chip", "leads", "created_by", "created_at"]
    add_columns = edit_columns = ["name", "code", "colour"]
    label_columns = {
        "name": lazy_gettext("Name"),
        "code": lazy_gettext("Code"),
        "chip": lazy_gettext("Tag"),
        "colour": lazy_gettext("Colour"),
        "leads": lazy_gettext("Number of leads"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {"created_at": formats.when, "code": formats.code}
    add_form_extra_fields = {
        "code": CodeField("TAG"),
        "colour": select(lazy_gettext("Colour"), segment_labels.COLOUR),
    }
    edit_form_extra_fields = add_form_extra_fields
    validators_columns = {"name": [DataRequired(), Length(max=32)]}

    def heading(self, item: Any) -> str:
        """Return the name of the tag."""
        return str(item.name)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the tag with its creator. Raises DomainError when the change would break a rule."""
        item.name = item.name.strip()
        lead_filter.check_change(item)
        if created:
            item.created_by = me()
            db.session.add(item)

    def remove(self, item: Any) -> None:
        """Delete the tag. Raises DomainError when a rule uses it."""
        lead_filter.check_removal(item)
        db.session.delete(item)


class SegmentView(ConsoleView):
    """客群: saved filters of leads."""

    model = Segment
    computed = {"sentence": segment_labels.segment_sentence, "open": segment_labels.segment_link}
    base_permissions = ["can_list", "can_show", "can_add", "can_edit", "can_delete", "can_count"]
    list_title = lazy_gettext("Segments")
    show_title = lazy_gettext("Segment")
    add_title = lazy_gettext("Add segment")
    edit_title = lazy_gettext("Edit segment")
    about = lazy_gettext("Filters saved under a name, for lists, rules and contacts.")
    empty_hint = lazy_gettext("No segments yet. A segment is a saved filter for lists and bulk actions.")
    base_order = ("name", "asc")
    list_columns = ["name", "code", "sentence", "open", "shared", "owner", "updated_at"]
    order_columns = ["name", "code", "updated_at"]
    search_columns = ["name", "code", "owner", "shared"]
    show_columns = ["code", "sentence", "shared", "owner", "created_at", "updated_at"]
    _groups = [
        (lazy_gettext("Segment"), {"fields": ["name", "shared"]}),
        (
            lazy_gettext("Attributes"),
            {
                "fields": [
                    "sources",
                    "statuses",
                    "branches",
                    "tags",
                    "opted_out",
                    "created_from",
                    "created_to",
                ]
            },
        ),
        (
            lazy_gettext("Hits"),
            {"fields": ["has_hit", "hit_days", "hit_grades", "hit_statuses", "hit_rules"]},
        ),
        (
            lazy_gettext("Activity"),
            {"fields": ["activity_metric", "activity_at_least", "activity_days"]},
        ),
        (lazy_gettext("Facts, activity, contacts, outcomes"), {"fields": ["tests"]}),
    ]
    add_fieldsets = edit_fieldsets = _groups
    label_columns = {
        "name": lazy_gettext("Name"),
        "code": lazy_gettext("Code"),
        "sentence": lazy_gettext("Meaning"),
        "open": lazy_gettext("Lead list"),
        "shared": lazy_gettext("Shared"),
        "owner": lazy_gettext("Owner"),
        "created_at": lazy_gettext("Created"),
        "updated_at": lazy_gettext("Changed"),
    }
    description_columns = {
        "shared": lazy_gettext("Everybody may use it; only you and administrators can change it.")
    }
    formatters_columns = {
        "code": formats.code,
        "shared": labels.yes_no,
        "created_at": formats.when,
        "updated_at": formats.when,
    }
    units = {
        "hit_days": lazy_gettext("days"),
        "activity_days": lazy_gettext("days"),
        "activity_at_least": lazy_gettext("or more"),
    }
    _fields = {
        "tests": filter_rows.RowsField(
            lazy_gettext("Tests"), description=lazy_gettext("All of them must hold.")
        ),
        "shared": BooleanField(
            lazy_gettext("Shared"),
            description=lazy_gettext("Everybody may use it; only you and administrators can change it."),
        ),
        "sources": multi_select(lazy_gettext("Source channel"), segments.sources),
        "statuses": multi_select(lazy_gettext("Status"), lambda: labels.choices(labels.LEAD_STATUS)),
        "branches": multi_select(
            lazy_gettext("Branch"), segments.branches, lazy_gettext("Includes the branches below.")
        ),
        "tags": multi_select(
            lazy_gettext("Tags"),
            lambda: [(str(tag.id), tag.name) for tag in tags.all_tags(db.session)],
            lazy_gettext("Leads with any of these tags."),
        ),
        "opted_out": SelectField(
            lazy_gettext("Do not disturb"),
            choices=lambda: [("", _("Any")), ("yes", _("Yes")), ("no", _("No"))],
            widget=Select2Widget(),
        ),
        "created_from": DateField(lazy_gettext("Created from"), validators=[Optional()]),
        "created_to": DateField(lazy_gettext("Created to"), validators=[Optional()]),
        "has_hit": BooleanField(lazy_gettext("Has a hit")),
        "hit_days": IntegerField(
            lazy_gettext("Hit within"),
            description=lazy_gettext("Counted back from today. Leave empty for any time."),
            validators=[Optional(), NumberRange(1, 3650)],
        ),
        "hit_grades": multi_select(lazy_gettext("Grade"), [(grade, grade) for grade in "ABCD"]),
        "hit_statuses": multi_select(lazy_gettext("Hit status"), lambda: labels.choices(labels.HIT_STATUS)),
        "hit_rules": multi_select(lazy_gettext("Rules"), segments.rules),
        "activity_metric": select(lazy_gettext("Metric"), labels.METRIC),
        "activity_at_least": IntegerField(
            lazy_gettext("Threshold"), validators=[Optional(), NumberRange(1, 1_000_000)]
        ),
        "activity_days": IntegerField(
            lazy_gettext("Window"),
            description=lazy_gettext("The last complete days, up to and including yesterday."),
            validators=[Optional(), NumberRange(1, 366)],
        ),
    }
    add_form_extra_fields = edit_form_extra_fields = _fields
    validators_columns = {"name": [DataRequired(), Length(max=64)]}

    def lock_reason(self, item: Any) -> str | None:
        """Return why the user may not change the segment: only its owner and administrators may."""
        if item.owner == me() or "Admin" in {role.name for role in g.user.roles}:
            return None
        return _(
            "This segment belongs to %(owner)s. To change it, create your own.",
            owner=name_of(item.owner),
        )

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Fill the form with the stored definition."""
        segments.fill_form(form, segment_def(self._row(pk).definition))

    def check(self, form: Any, item: Any | None) -> None:
        """Read the definition from the form. Raises DomainError when it is invalid."""
        form.definition_ = segments.usable_branches(segments.read_form(form))

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the definition; a new segment belongs to the user."""
        item.name = item.name.strip()
        item.definition = form.definition_.as_json()
        lead_filter.check_change(item)
        if created:
            item.owner = me()
            db.session.add(item)

    def remove(self, item: Any) -> None:
        """Delete the segment. Raises DomainError when a rule uses it."""
        lead_filter.check_removal(item)
        db.session.delete(item)

    def show_links(self, item: Any) -> list[Link]:
        """Return the link to the leads of the segment."""
        return [Link(_("View the leads"), list_url("LeadView", segment=item.id), primary=True)]

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        count, charts = segments.charts(item, request.args.get("exact") == "1")
        exact_url = urls.here(changed={"exact": "1"})
        mix = MixWidget(
            count=count,
            charts=charts,
            url=list_url("LeadView", segment=item.id),
            exact_url=exact_url,
            acts=(found := acts.of("segment", item.id)),
            customers=found.selected.query().count(),
        )
        return super()._get_show_widget(pk, item, *args, **kwargs) | {"more": [mix], "charted": True}

    def _form_widget(self, kind: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        widgets = super()._form_widget(kind, *args, **kwargs)
        widgets[kind].template_args["count_url"] = url_for("SegmentView.count")
        return widgets

    @expose("/count", methods=["POST"])
    @has_access
    def count(self) -> Any:
        """Return the number of leads that the unsaved form selects, shown while it is filled in."""
        form = self.add_form.refresh(request.form)
        try:
            definition = segments.read_form(form)
            return sentence(" · ".join(_counted(definition)))
        except (DomainError, ValueError) as error:
            return sentence(error.text() if isinstance(error, DomainError) else _("Not a valid choice"))


def _counted(definition: SegmentDef) -> Iterator[str]:
    """Yield how many leads a definition means now, and of how many one of its facts is not known."""
    count = segments.count(definition)
    yield _("%(n)s leads now", n=f"{count:,}") if count.exact else _("about %(n)s leads now", n=f"{count:,}")
    if unknown := segments.count_unknown(definition):
        yield _("a fact of the tests is not known of %(n)s others", n=f"{unknown:,}")


class MatrixView(BaseView):  # type: ignore[misc]
    """价值潜力矩阵: leads in four quadrants by two measures."""

    list_title = lazy_gettext("Value–potential matrix")
    default_view = "list"

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the quadrants for two measures."""
        typed = {name: request.args.get(name, "") for name in ("x", "y", "x_at", "y_at")}
        try:
            exactly = request.args.get("exact") == "1"
            x = segments.axis(typed["x"] or segments.value_measure(), typed["x_at"], exactly)
            y = segments.axis(typed["y"] or "institutions", typed["y_at"], exactly)
            cells, counted = segments.quadrant_cells(x, y, exactly)
        except DomainError as error:
            abort(400, description=error.text())
        return self.render_template(
            "leads/matrix.html",
            title=str(self.list_title),
            x=x,
            y=y,
            typed=typed,
            cells=cells,
            exact=counted.exact,
            unknown=counted.unknown,
            exact_url=urls.here(changed={"exact": "1"}),
            measures=segments.measures(),
        )

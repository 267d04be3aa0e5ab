"""The screens of rules: rules, their versions, the conditions of a version."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2ManyWidget, Select2Widget
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import FloatField, SelectField, SelectMultipleField
from wtforms.validators import DataRequired, InputRequired, NumberRange

from app import approvals, labels
from app.console import ConsoleView
from app.errors import DomainError, FieldError
from app.extensions import db
from app.models import (
    Rule,
    RuleCondition,
    RuleStatus,
    RuleVersion,
    VersionStatus,
)
from app.pages import forms
from app.pages.access import may, me
from app.pages.approvals import changes_markup
from app.pages.forms import CODE, select
from app.pages.lists import Link
from app.pages.widgets import ConsoleFormWidget
from app.rules import approval, catalogue, describe, versions
from app.rules.definition import (
    DEFAULT_GRADE_BANDS,
    DEFAULT_HALF_LIFE_DAYS,
    DEFAULT_WEIGHTS,
    EVENT_TYPES,
)

#: Form fields of a version's score: event type and grade they stand for.
WEIGHTS = {f"weight_{kind}": kind for kind in EVENT_TYPES}
BANDS = {f"band_{grade.lower()}": grade for grade in "ABC"}


class RuleConditionView(ConsoleView):
    """Conditions of a rule version; only a draft's can be changed."""

    model = RuleCondition
    computed = {"sentence": describe.condition_row_sentence}
    empty_hint = lazy_gettext("No condition yet. A version needs at least one before it can be put in force.")
    list_title = lazy_gettext("Conditions")
    show_title = lazy_gettext("Condition")
    add_title = lazy_gettext("Add condition")
    edit_title = lazy_gettext("Edit condition")
    base_order = ("position", "asc")
    list_columns = ["sentence"]
    order_columns: list[str] = []
    search_columns = ["version", "metric"]
    filter_choices = {"metric": labels.METRIC}
    show_columns = ["version", "sentence"]
    _when_and_where = [
        (lazy_gettext("When"), {"fields": ["window_days", "hour_from", "hour_to"]}),
        (
            lazy_gettext("Which events"),
            {"fields": ["institutions", "categories", "regions", "event_types", "result"]},
        ),
    ]
    _what = ["metric", "op", "value"]
    add_fieldsets = [(lazy_gettext("What must be true"), {"fields": ["version", *_what]}), *_when_and_where]
    edit_fieldsets = [(lazy_gettext("What must be true"), {"fields": _what}), *_when_and_where]
    label_columns = {
        "sentence": lazy_gettext("Condition"),
        "version": lazy_gettext("Rule version"),
        "metric": lazy_gettext("Metric"),
        "op": lazy_gettext("Operator"),
        "value": lazy_gettext("Threshold"),
        "window_days": lazy_gettext("Window"),
        "hour_from": lazy_gettext("From hour"),
        "hour_to": lazy_gettext("To hour"),
        "institutions": lazy_gettext("Institutions"),
        "categories": lazy_gettext("Categories"),
        "regions": lazy_gettext("Regions"),
        "event_types": lazy_gettext("Event types"),
        "result": lazy_gettext("Result"),
    }
    description_columns = {
        "window_days": lazy_gettext("The evaluation date is the last day of the window."),
        "hour_from": lazy_gettext("0 to 24 is the whole day; 20 to 2 wraps midnight."),
    }
    units = {
        "window_days": lazy_gettext("days"),
        "hour_from": lazy_gettext("o'clock"),
        "hour_to": lazy_gettext("o'clock"),
    }
    _fields = {
        "metric": select(lazy_gettext("Metric"), labels.METRIC),
        "op": SelectField(
            lazy_gettext("Operator"),
            choices=[(o, o) for o in (">=", ">", "==", "<=", "<")],
            widget=Select2Widget(),
        ),
        "result": select(lazy_gettext("Result"), labels.RESULT),
        "event_types": SelectMultipleField(
            lazy_gettext("Event types"),
            description=lazy_gettext("None chosen: all."),
            choices=lambda: labels.choices(labels.EVENT_TYPE),
            widget=Select2ManyWidget(),
        ),
        "institutions": SelectMultipleField(
            lazy_gettext("Institutions"),
            description=lazy_gettext("None chosen: all."),
            choices=catalogue.institution_choices,
            widget=Select2ManyWidget(),
        ),
        "categories": SelectMultipleField(
            lazy_gettext("Categories"),
            description=lazy_gettext("None chosen: all."),
            choices=catalogue.category_choices,
            widget=Select2ManyWidget(),
        ),
        "regions": SelectMultipleField(
            lazy_gettext("Regions"),
            description=lazy_gettext("None chosen: all."),
            choices=catalogue.region_choices,
            widget=Select2ManyWidget(),
        ),
    }
    add_form_extra_fields = _fields
    edit_form_extra_fields = _fields
    validators_columns = {
        "value": [NumberRange(0, 1_000_000)],
        "window_days": [NumberRange(1, 366)],
        "hour_from": [NumberRange(0, 23)],
        "hour_to": [NumberRange(0, 24)],
    }

    def heading(self, item: Any) -> str:
        """The condition as a sentence."""
        return describe.condition_row_sentence(item)

    def prefill_add(self, form: Any) -> None:
        """Sensible defaults."""
        form.hour_from.data, form.hour_to.data, form.window_days.data, form.value.data = 0, 24, 7, 3

    def may_change(self, item: Any) -> str | None:
        """Only drafts change."""
        if item.version.status != VersionStatus.DRAFT:
            return _("Only a draft can be changed. Make a new draft of the rule first.")
        return None

    def check(self, form: Any, item: Any | None) -> None:
        """Refuse conditions that can't mean anything."""
        if form.hour_from.data == form.hour_to.data:
            raise FieldError("hour_to", "From and to must be different hours.")
        version = item.version if item else form.version.data
        if version is None:
            raise FieldError("version", "Choose the rule version this condition belongs to.")
        if version.status != VersionStatus.DRAFT:
            raise FieldError("version", "Only a draft can be changed. Make a new draft of the rule first.")

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Put a new condition last."""
        if created:
            item.position = (
                max([row.position for row in item.version.conditions if row is not item] or [0]) + 1
            )
            db.session.add(item)


class RuleVersionView(ConsoleView):
    """Versions of rules. A draft can be edited and put in force; the others are history."""

    model = RuleVersion
    computed = {"sentence": describe.version_sentence}
    base_permissions = ["can_list", "can_show", "can_edit", "can_delete", "can_submit"]
    related_views = [RuleConditionView]
    empty_hint = lazy_gettext("No version yet. Make a new draft on the rule's page.")
    list_title = lazy_gettext("Rule versions")
    show_title = lazy_gettext("Rule version")
    edit_title = lazy_gettext("Edit draft")
    list_columns = ["rule", "number", "status", "sentence", "created_by", "created_at"]
    order_columns = ["number", "status", "created_at"]
    search_columns = ["rule", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = [
        "rule",
        "number",
        "status",
        "sentence",
        "match",
        "cooldown_days",
        "half_life_days",
        "created_by",
        "created_at",
        "activated_by",
        "activated_at",
    ]
    edit_columns = ["match", "cooldown_days", "half_life_days", *WEIGHTS, *BANDS]
    edit_fieldsets = [
        (lazy_gettext("When it is met"), {"fields": ["match", "cooldown_days"]}),
        (lazy_gettext("Score"), {"fields": ["half_life_days", *WEIGHTS]}),
        (lazy_gettext("Grades"), {"fields": [*BANDS]}),
    ]
    label_columns = {
        "rule": lazy_gettext("Rule"),
        "number": lazy_gettext("Version"),
        "status": lazy_gettext("Status"),
        "sentence": lazy_gettext("Meaning"),
        "match": lazy_gettext("Met when"),
        "cooldown_days": lazy_gettext("Cooldown"),
        "half_life_days": lazy_gettext("Half life of the score"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
        "activated_by": lazy_gettext("Put in force by"),
        "activated_at": lazy_gettext("In force since"),
    }
    description_columns = {
        "cooldown_days": lazy_gettext("A lead is not hit again by the same rule for this many days."),
        "half_life_days": lazy_gettext("After this many days an event counts half towards the score."),
    }
    formatters_columns = {
        "status": labels.tag(labels.VERSION_STATUS, "version"),
        "match": labels.of(labels.MATCH),
        "created_at": labels.when,
        "activated_at": labels.when,
    }
    units = {"cooldown_days": lazy_gettext("days"), "half_life_days": lazy_gettext("days")}
    edit_form_extra_fields = {
        "match": select(lazy_gettext("Met when"), labels.MATCH),
        **{
            name: FloatField(
                lazy_gettext("Weight of %(kind)s", kind=labels.EVENT_TYPE[kind]),
                validators=[InputRequired(), NumberRange(0, 1000)],
                widget=BS3TextFieldWidget(),
            )
            for name, kind in WEIGHTS.items()
        },
        **{
            name: FloatField(
                lazy_gettext("Grade %(grade)s from a score of", grade=grade),
                validators=[InputRequired(), NumberRange(0, 1_000_000)],
                widget=BS3TextFieldWidget(),
            )
            for name, grade in BANDS.items()
        },
    }
    validators_columns = {
        "cooldown_days": [NumberRange(1, 3650)],
        "half_life_days": [NumberRange(0.1, 3650)],
    }

    def may_change(self, item: Any) -> str | None:
        """Only drafts change."""
        if item.status != VersionStatus.DRAFT:
            return _("Only a draft can be changed. Make a new draft of the rule first.")
        return None

    def show_links(self, item: RuleVersion) -> list[Link]:
        """A draft, and a former version to go back to, can be submitted; a submitted one waits."""
        waiting = approvals.waiting_for("rule_version", item.id)
        if waiting is not None:
            return [
                Link(_("Request for approval"), url_for("ApprovalView.show", pk=waiting.id), primary=True)
            ]
        words = {"draft": _("Submit for approval"), "retired": _("Go back to this")}
        if item.status not in words or not may("can_submit", "RuleVersionView"):
            return []
        address = url_for("RuleVersionView.submit", pk=item.id)
        return [Link(words[item.status], address, primary=item.status == VersionStatus.DRAFT)]

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Show the weights and bands as they are stored."""
        version = self._row(pk)
        for name, kind in WEIGHTS.items():
            form[name].data = version.weights[kind]
        for name, grade in BANDS.items():
            form[name].data = version.grade_bands[grade]

    def check(self, form: Any, item: Any | None) -> None:
        """Grades go down from A."""
        edges = [form[name].data for name in BANDS]
        if edges != sorted(edges, reverse=True):
            raise FieldError("band_a", "Grades go down: A needs the highest score, then B, then C.")

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store weights and bands whole."""
        item.weights = {kind: form[name].data for name, kind in WEIGHTS.items()}
        item.grade_bands = {grade: form[name].data for name, grade in BANDS.items()} | {"D": 0.0}

    @expose("/submit/<pk>", methods=["GET", "POST"])
    @has_access
    def submit(self, pk: str) -> Any:
        """Ask a second person to put the version in force."""
        item, form = self._row(pk), forms.SubmitForm()
        try:
            found = approval.changes(item)
            if form.validate_on_submit():
                asked = approval.submit(item, g.user, form.reason.data)
                db.session.commit()
                flash(_("%(item)s now waits for another person's decision.", item=asked.title), "success")
                return redirect(url_for("ApprovalView.show", pk=asked.id))
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
            return redirect(url_for("RuleVersionView.show", pk=pk))
        widget = ConsoleFormWidget(
            form=form,
            next=url_for("RuleVersionView.show", pk=pk),
            submit=_("Submit for approval"),
            about=[(_("What would change"), changes_markup(found))],
        )
        title = _("Submit %(version)s for approval", version=str(item))
        return self.render_template("form.html", widgets={"edit": widget}, title=title)


class RuleView(ConsoleView):
    """监控指标: the rules."""

    model = Rule
    computed = {"sentence": describe.rule_sentence}
    related_views = [RuleVersionView]
    empty_hint = lazy_gettext("No rule yet. Add one, give it conditions and put it in force.")
    list_title = lazy_gettext("Rules")
    show_title = lazy_gettext("Rule")
    add_title = lazy_gettext("Add rule")
    edit_title = lazy_gettext("Edit rule")
    base_order = ("code", "asc")
    list_columns = ["code", "name", "status", "sentence", "active_version"]
    order_columns = ["code", "name", "status"]
    search_columns = ["name", "code", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = ["code", "name", "description", "status", "active_version", "sentence", "created_at"]
    add_columns = ["code", "name", "description"]
    edit_columns = ["name", "description"]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "description": lazy_gettext("Purpose"),
        "status": lazy_gettext("Status"),
        "active_version": lazy_gettext("Version in force"),
        "sentence": lazy_gettext("Meaning"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "code": labels.code,
        "status": labels.tag(labels.VERSION_STATUS, "version"),
        "created_at": labels.when,
    }
    validators_columns = {"code": [DataRequired(), CODE], "name": [DataRequired()]}

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """A new rule starts with an empty draft."""
        if created:
            db.session.add(item)
            g.new_version = RuleVersion(
                number=1,
                name=item.name,
                description=item.description,
                match="all",
                cooldown_days=7,
                half_life_days=DEFAULT_HALF_LIFE_DAYS,
                weights=DEFAULT_WEIGHTS,
                grade_bands=DEFAULT_GRADE_BANDS,
                created_by=me(),
            )
            item.versions.append(g.new_version)

    def post_add_redirect(self) -> Any:
        """Go on where the work is: the new rule's draft and its conditions."""
        version = g.get("new_version")
        return redirect(url_for("RuleVersionView.show", pk=version.id)) if version else self.back()

    def remove(self, item: Any) -> None:
        """A rule with hits stays."""
        versions.delete_rule(item)

    def offers(self, action: str, item: Rule) -> bool:
        """A rule in force can be paused, a paused one resumed, both retired."""
        needed = {
            "pause": {RuleStatus.ACTIVE},
            "resume": {RuleStatus.PAUSED},
            "retire": {RuleStatus.ACTIVE, RuleStatus.PAUSED},
        }
        return action not in needed or item.status in needed[action]

    @action("draft", lazy_gettext("New draft"), multiple=False)
    def draft(self, item: Rule) -> Any:
        """Copy the newest version as a draft and open it."""
        version = versions.draft_of(item, me())
        db.session.commit()
        return redirect(url_for("RuleVersionView.show", pk=version.id))

    @action("pause", lazy_gettext("Pause"), lazy_gettext("Stop evaluating the selected rules?"))
    def pause(self, items: Any) -> Any:
        """Stop evaluating."""
        self.each(items, lambda rule: versions.set_paused(rule, True))
        return self.back()

    @action("resume", lazy_gettext("Resume"), lazy_gettext("Evaluate the selected rules again?"))
    def resume(self, items: Any) -> Any:
        """Evaluate again."""
        self.each(items, lambda rule: versions.set_paused(rule, False))
        return self.back()

    @action(
        "retire",
        lazy_gettext("Retire"),
        lazy_gettext("Take the rule out of use for good? Its hits and versions stay."),
        multiple=False,
    )
    def retire(self, item: Rule) -> Any:
        """Take out of use; only an approved version brings it back."""
        versions.retire(item)
        db.session.commit()
        flash(_("%(rule)s is retired.", rule=str(item)), "success")
        return redirect(url_for("RuleView.show", pk=item.id))

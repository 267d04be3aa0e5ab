"""The screens of journeys, their versions, and the customers who go through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, flash, jsonify, redirect, render_template, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import StringField

from app import labels
from app.console import formats
from app.console import versions as version_views
from app.console.access import may, me
from app.console.table import Link
from app.console.urls import list_url
from app.console.view import ConsoleView
from app.console.widgets import JourneyPathWidget, JourneyStepsWidget, NoteWidget
from app.errors import DomainError
from app.extensions import db
from app.journeys import approval, drafts, presets
from app.journeys.definition import JourneyDef
from app.journeys.versions import written_def
from app.models import Journey, JourneyEnrolment, JourneyVersion
from app.screens.journeys import editor, page, strategy_page
from app.screens.journeys.filters import AtStep, ByCustomer
from app.screens.journeys.labels import ENROLMENT
from app.screens.journeys.running import PutsInForce, StandsStill, notes
from app.screens.journeys.simulations import StartsSimulations
from app.screens.rules import editor as rule_editor


def _saved(save: Callable[[JourneyDef], JourneyVersion]) -> Any:
    """Save the posted journey. Return its address as JSON, or its problems, or the conflicting draft."""
    found = editor.understood(request.form.get("journey", ""))
    if found.journey is None:
        return jsonify(problems=editor.problems_json(found.problems)), 422
    try:
        version = save(found.journey)
        db.session.commit()
    except drafts.DraftChangedError as error:
        answer = editor.conflict(error.version, found.journey)
        db.session.rollback()
        return jsonify(answer), 409
    except DomainError as error:
        db.session.rollback()
        return jsonify(problems=editor.refusal(error)), 422
    flash(_("%(version)s is saved.", version=str(version)), "success")
    if found.problems:
        why = " ".join(each.error.text() for each in found.problems[:3])
        flash(_("It can't be submitted yet: %(why)s", why=why), "warning")
    return jsonify(url=url_for("JourneyVersionView.show", pk=version.id))


class JourneyVersionView(StartsSimulations, PutsInForce, ConsoleView):
    """Versions of journeys: drafts, which can be edited and submitted, the one in force, and earlier ones."""

    model = JourneyVersion
    approval = approval
    computed = {
        "head": page.version_head,
        "difference": page.difference,
        "tables": strategy_page.tables,
    }
    base_permissions = ["can_list", "can_show", "can_edit", "can_delete", "can_submit", "can_simulate"]
    about = lazy_gettext("All versions of the journeys: drafts, submitted, in force and former ones.")
    empty_next = ("JourneyView",)
    empty_hint = lazy_gettext("No version yet. Add a journey, which begins with a draft.")
    list_title = lazy_gettext("Journey versions")
    show_title = lazy_gettext("Journey version")
    # Required by Flask-AppBuilder but unused: the editor is not a generated form.
    add_columns = edit_columns = ["status"]
    list_columns = ["journey", "number", "status", "head", "created_by", "created_at"]
    order_columns = ["number", "status", "created_at"]
    search_columns = ["journey", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = [
        *("journey", "number", "status", "head", "tables", "difference"),
        *("created_by", "created_at", "activated_by", "activated_at"),
    ]
    label_columns = version_views.WORDS | {
        "journey": lazy_gettext("Journey"),
        "head": lazy_gettext("Meaning"),
        "tables": lazy_gettext("Strategy tables"),
        "difference": lazy_gettext("Changes from the version in force"),
    }
    formatters_columns = version_views.FORMATS | {"head": formats.clip}

    def show_links(self, item: JourneyVersion) -> list[Link]:
        """Return the links to submission or its request, and to the customers of the version."""
        around = [*self.running_links(item), *self.simulation_links(item)]
        return [*self.submit_links(item), *around, *customer_links(version=item.id)]

    def hidden_columns(self, item: JourneyVersion) -> tuple[str, ...]:
        """Return the difference where there is none, and strategy tables if there are none.

        There is no difference of the version in force, or when none is.
        """
        same = ("difference",) if item.journey.active_version in (None, item) else ()
        return (*same, *(() if written_def(item).tables() else ("tables",)))

    def remove(self, item: JourneyVersion) -> None:
        """Delete a draft, and the journey with its only version."""
        if len(item.journey.versions) == 1:
            drafts.delete(item.journey)
        else:
            db.session.delete(item)

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        widgets = steps_widgets(item) | {"above": [*notes(item.journey), *strategy_notes(item)]}
        return shown | widgets | {"more": [*widgets["more"], *self.simulated(item)]}

    @expose("/edit/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: int) -> Any:
        """Show the editor for a draft, or save what it posts unless somebody else changed the draft."""
        item = self._row(pk)
        if request.method == "POST":
            seen = request.form.get("seen", "")
            return _saved(lambda definition: drafts.save(item.id, definition, me(), seen=seen))
        self._refuse_if_locked(item)
        content = editor.page(editor.for_editor(written_def(item).as_json()), item)
        title = _("Edit %(version)s", version=str(item))
        return self.render_template("journeys/editor.html", title=title, **content)

    @expose("/wording", methods=["POST"])
    @has_access
    @permission_name("edit")
    def wording(self) -> Any:
        """Return the typed journey in words, and its problems, as JSON."""
        return jsonify(editor.wording(request.form.get("journey", "")))

    @expose("/find")
    @has_access
    @permission_name("edit")
    def find(self) -> Any:
        """Return the matching choices of a search box of the editor as JSON."""
        kind = request.args.get("kind", "")
        if kind not in editor.KINDS:
            abort(404)
        return jsonify(groups=rule_editor.find(kind, request.args.get("q", "")[:100]))

    @expose("/steps/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("show")
    def steps(self, pk: int) -> Any:
        """Return the steps of the version with the numbers of their customers, loaded by the page."""
        return render_template("journeys/stops.html", **page.stops(self._row(pk)))


def steps_widgets(version: JourneyVersion) -> dict[str, Any]:
    """Return the widgets of a page that shows the steps of a version."""
    widget = JourneyStepsWidget(url=url_for("JourneyVersionView.steps", pk=version.id))
    return {"more": [widget], "scripts": ["journey_shown"]}


def strategy_notes(version: JourneyVersion) -> list[NoteWidget]:
    """Return the note that a strategy table of the version in force was changed since."""
    note = strategy_page.note(version) if version.journey.active_version_id == version.id else None
    return [NoteWidget(text=note)] if note else []


def customer_links(**filters: Any) -> list[Link]:
    """Return the link to the customers of a journey or version."""
    if not may("can_list", "EnrolmentView"):
        return []
    return [Link(_("Customers in it"), list_url("EnrolmentView", **filters))]


class JourneyView(StandsStill, ConsoleView):
    """营销旅程: the journeys."""

    model = Journey
    computed = {
        "trigger": page.trigger,
        "sentence": page.sentence,
        "under_way": page.under_way,
        "entered": page.entered,
        "reached": page.reached,
    }
    number_columns = frozenset({"under_way", "entered", "reached"})
    related_views = [JourneyVersionView]
    about = lazy_gettext("Contacts, waits and branches that customers go through by themselves.")
    empty_hint = lazy_gettext("No journey yet. Add one from a preset, and put it in force.")
    list_title = lazy_gettext("Journeys")
    show_title = lazy_gettext("Journey")
    add_title = lazy_gettext("Add journey")
    base_order = ("code", "asc")
    add_columns = edit_columns = ["name"]
    list_columns = [
        *("code", "name", "status", "active_version", "trigger"),
        *("under_way", "entered", "reached"),
    ]
    order_columns = ["code", "name", "status"]
    search_columns = ["name", "code", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = [
        *("code", "name", "status", "active_version", "sentence"),
        *("entered", "under_way", "reached", "created_at"),
    ]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "status": lazy_gettext("Status"),
        "active_version": lazy_gettext("Version in force"),
        "trigger": lazy_gettext("Who enters"),
        "sentence": lazy_gettext("Meaning"),
        "under_way": lazy_gettext("Under way"),
        "entered": lazy_gettext("Entered"),
        "reached": lazy_gettext("Reached the goal"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "code": formats.code,
        "status": formats.tag(labels.VERSION_STATUS, "version"),
        "trigger": formats.clip,
        "created_at": formats.when,
    }
    base_permissions = ["can_list", "can_show", "can_add", "can_delete", "can_pause", "can_stop", "draft"]

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Show the journey editor for a new journey, or create the journey that it posts."""
        if request.method == "POST":
            return _saved(lambda definition: drafts.create(definition, me()))
        chosen = request.args.get("preset", "")
        if chosen and chosen not in presets.PRESETS:
            abort(404)
        content = editor.page(editor.preset(chosen) if chosen else editor.blank(), None, chosen)
        return self.render_template("journeys/editor.html", title=str(self.add_title), **content)

    @action("draft", lazy_gettext("New draft"), multiple=False)
    def draft(self, item: Journey) -> Any:
        """Open the journey's draft in the editor; without a draft, make one from the version in force."""
        version = drafts.draft_of(item, me())
        db.session.commit()
        return redirect(url_for("JourneyVersionView.edit", pk=version.id))

    def _page(self, list_filters: Any, order: Any, page_number: int, size: int) -> tuple[int, list[Any], int]:
        count, rows, number = super()._page(list_filters, order, page_number, size)
        page.load_counts(rows)
        return count, rows, number

    def show_links(self, item: Journey) -> list[Link]:
        """Return the link to the journey's customers."""
        return [*self.running_links(item), *customer_links(journey=item.id)]

    def _get_list_widget(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_list_widget(*args, **kwargs)
        return shown | {"above": notes()}

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        version = page.shown_version(item)
        return shown | steps_widgets(version) | {"above": [*notes(item), *strategy_notes(version)]}

    def remove(self, item: Any) -> None:
        """Delete the journey. Raises DomainError when customers entered it, or it was in force."""
        drafts.delete(item)

    def offers(self, action: str, item: Any) -> bool:
        """Return whether the action applies: deletion only to a journey that was never in force."""
        return drafts.deletable(item) if action == "delete" else super().offers(action, item)


class EnrolmentView(ConsoleView):
    """旅程客户: the customers who go, or went, through journeys."""

    model = JourneyEnrolment
    base_permissions = ["can_list", "can_show"]
    computed = {"here": page.here}
    special_filters = {"name": ByCustomer, "at": AtStep}
    search_form_extra_fields = {"name": StringField(), "at": StringField()}
    list_title = lazy_gettext("Customers in journeys")
    show_title = lazy_gettext("Customer in a journey")
    about = lazy_gettext("Who goes through a journey, where they stand, and how it ended.")
    empty_next = ("JourneyView",)
    empty_hint = lazy_gettext("Nobody has entered yet.")
    add_columns = edit_columns = ["status"]
    list_columns = ["lead", "version", "status", "here", "entered_at", "ended_at"]
    base_order = ("entered_at", "desc")
    order_columns = ["entered_at"]
    search_columns = ["name", "journey", "status", "version", "at", "entered_at"]
    filter_choices = {"status": ENROLMENT}
    show_columns = ["lead", "journey", "version", "status", "here", "entered_at", "ended_at"]
    label_columns = {
        "name": lazy_gettext("Customer"),
        "lead": lazy_gettext("Customer"),
        "journey": lazy_gettext("Journey"),
        "version": lazy_gettext("Version"),
        "status": lazy_gettext("Status"),
        "here": lazy_gettext("Stands at, or why they left"),
        "at": lazy_gettext("At the step"),
        "entered_at": lazy_gettext("Entered"),
        "ended_at": lazy_gettext("Ended"),
    }
    formatters_columns = {
        "status": formats.tag(ENROLMENT, "enrolment"),
        "here": formats.clip,
        "entered_at": formats.when,
        "ended_at": formats.when,
    }

    def heading(self, item: JourneyEnrolment) -> str:
        """Return the customer and the version."""
        return _("%(customer)s in %(version)s", customer=str(item.lead), version=str(item.version))

    def _page(self, list_filters: Any, order: Any, page_number: int, size: int) -> tuple[int, list[Any], int]:
        count, rows, number = super()._page(list_filters, order, page_number, size)
        page.load_here(rows)
        return count, rows, number

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        return shown | {"more": [JourneyPathWidget(steps=page.path(item))], "above": notes(item.journey)}

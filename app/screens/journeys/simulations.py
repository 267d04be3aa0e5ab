"""The screens of simulations: the form that starts one, the list, and the page with its figures."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from flask import abort, flash, g, redirect, render_template, request, send_file, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import DateField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app import labels
from app.access.scope import sees_whole_bank
from app.console import formats
from app.console.access import may, me
from app.console.parts import WithProgress
from app.console.table import Link
from app.console.urls import list_url
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget, SimulationAtApprovalWidget, SimulationWidget
from app.errors import DomainError
from app.extensions import db
from app.jobs.requested import OPEN
from app.journeys import simulations
from app.journeys.simulations import MAX_DAYS, MAX_LEADS, Wanted
from app.models import JourneySimulation, JourneyVersion, RunStatus
from app.screens.journeys import simulated_paths, simulation_page


class SimulationForm(DynamicForm):  # type: ignore[misc]
    """Days, assumed answers, what a marketer can do on a day, and customers whose paths are wanted."""

    first = DateField(lazy_gettext("First day of the period"), validators=[InputRequired()])
    last = DateField(
        lazy_gettext("Last day of the period"),
        description=lazy_gettext("Hits and facts of these days let customers enter."),
        validators=[InputRequired()],
    )
    answers = SelectField(
        lazy_gettext("Answers"),
        description=lazy_gettext("Nobody was contacted, so that answers must be assumed."),
        choices=list(simulation_page.ANSWERS.items()),
        widget=Select2Widget(),
    )
    calls_a_day = IntegerField(
        lazy_gettext("Calls a marketer can make"),
        description=lazy_gettext("Days with more calls than that are counted. Empty: nothing is compared."),
        validators=[Optional(), NumberRange(1, 1000)],
        widget=BS3TextFieldWidget(),
    )
    leads = StringField(
        lazy_gettext("Customers to look at"),
        description=lazy_gettext(
            "Customer numbers, separated by commas. If they enter, their paths are kept."
        ),
        validators=[Length(max=1500)],
        widget=BS3TextFieldWidget(),
    )

    def wanted(self) -> Wanted:
        """Return what the form asks for."""
        numbers = dict.fromkeys(filter(None, re.split(r"[\s,，、;；]+", self.leads.data or "")))
        return Wanted(
            self.first.data, self.last.data, self.answers.data, self.calls_a_day.data, tuple(numbers)
        )


class StartsSimulations:
    """Mix-in of the screen of journeys' versions: start simulations and link to them."""

    @expose("/simulate/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def simulate(self, pk: int) -> Any:
        """Choose the days and start the simulation of a version in the background."""
        view: Any = self
        version = view._row(pk)
        form = SimulationForm(data={**asdict(simulations.proposed()), "leads": ""})
        if form.validate_on_submit():
            try:
                row = simulations.request_simulation(version, form.wanted(), me())
            except DomainError as error:
                form.first.errors = [*form.first.errors, error.text()]
            else:
                return redirect(url_for("JourneySimulationView.show", pk=row.id))
        widget = ConsoleFormWidget(
            form=form,
            units={"calls_a_day": _("calls a day")},
            next=url_for(".show", pk=version.id),
            submit=_("Start the simulation"),
            about=[(_("Version"), str(version)), (_("At most"), _limits())],
        )
        title = _("Simulation of %(version)s", version=str(version))
        return view.render_template("form.html", widgets={"edit": widget}, title=title)

    def simulation_links(self, version: JourneyVersion) -> list[Link]:
        """Return the buttons on a version's page: simulate it, and list the simulations that are kept."""
        links = []
        if may("can_simulate", "JourneyVersionView"):
            links.append(Link(_("Simulate"), url_for("JourneyVersionView.simulate", pk=version.id)))
        if may("can_list", "JourneySimulationView") and simulations.newest(version.id):
            links.append(Link(_("View simulations"), list_url("JourneySimulationView", version=version.id)))
        return links

    def simulated(self, version: JourneyVersion) -> list[Any]:
        """Return what the version would have done, for whoever may see simulations."""
        return [at_approval(version)] if may("can_show", "JourneySimulationView") else []

    def beside_submission(self, item: JourneyVersion) -> list[Any]:
        """Return what the version would have done, beside its submission."""
        return [at_approval(item)]


def _limits() -> str:
    return _("%(days)s days; %(leads)s customers to look at", days=MAX_DAYS, leads=MAX_LEADS)


def at_approval(version: JourneyVersion) -> Any:
    """Return the widget that says what a version would have done, for whoever submits or approves it."""
    return SimulationAtApprovalWidget(**simulation_page.at_approval(version))


class JourneySimulationView(WithProgress, ConsoleView):
    """旅程模拟: what versions of journeys would have done on past days."""

    model = JourneySimulation
    computed = {
        "journey": lambda row: row.version.journey,
        "period": simulation_page.period,
        "summary": simulation_page.summary,
        "assumed": simulation_page.assumed,
    }
    base_permissions = ["can_list", "can_show", "can_progress", "can_steps", "cancel"]
    list_title = lazy_gettext("Simulations of journeys")
    show_title = lazy_gettext("Simulation of a journey")
    about = lazy_gettext("What versions of journeys would have done on past days, before they run.")
    empty_next = ("JourneyVersionView",)
    empty_hint = lazy_gettext("No simulation yet. Start one on the page of a version of a journey.")
    list_columns = ["created_at", "journey", "version", "period", "status", "summary", "requested_by"]
    order_columns = ["created_at", "status"]
    search_columns = ["version", "status", "requested_by", "created_at"]
    filter_choices = {"status": labels.RUN_STATUS}
    show_columns = [
        *("journey", "version", "period", "assumed"),
        *("calls_a_day", "requested_by", "created_at"),
    ]
    label_columns = {
        "journey": lazy_gettext("Journey"),
        "version": lazy_gettext("Version"),
        "period": lazy_gettext("Days simulated"),
        "assumed": lazy_gettext("Answers (assumed)"),
        "calls_a_day": lazy_gettext("Calls a marketer can make a day"),
        "status": lazy_gettext("Status"),
        "summary": lazy_gettext("Result"),
        "requested_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Requested at"),
    }
    formatters_columns = {"status": formats.tag(labels.RUN_STATUS, "run"), "created_at": formats.when}

    def heading(self, item: JourneySimulation) -> str:
        """Return the title with the simulation's number and version."""
        return _("Simulation #%(id)s of %(version)s", id=item.id, version=str(item.version))

    def offers(self, action: str, item: JourneySimulation) -> bool:
        """Return whether the simulation can still be cancelled."""
        return item.status in OPEN

    def hidden_columns(self, item: JourneySimulation) -> tuple[str, ...]:
        """Return what was not asked for."""
        return () if item.calls_a_day else ("calls_a_day",)

    def show_links(self, item: JourneySimulation) -> list[Link]:
        """Return the links to the version, to another simulation, and to the file of steps."""
        links = [Link(_("View the version"), url_for("JourneyVersionView.show", pk=item.version_id))]
        if may("can_simulate", "JourneyVersionView"):
            again = url_for("JourneyVersionView.simulate", pk=item.version_id)
            links.append(Link(_("Simulate again"), again))
        if _may_fetch() and simulations.file_of(item):
            links.append(Link(_("Download the steps (CSV)"), url_for(".steps", pk=item.id)))
        return links

    def state_of(self, item: JourneySimulation) -> dict[str, Any]:
        """Return the progress of the simulation."""
        return simulation_page.progress_of(item)

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        if item.status != RunStatus.DONE:
            return shown
        result, steps = item.result, simulation_page.Steps(item.result)
        widget = SimulationWidget(
            row=item,
            warnings=simulation_page.warnings(item),
            figures=simulation_page.key_figures(result),
            compared=simulation_page.comparison(result),
            verdict=simulation_page.verdict(result),
            own=f"v{result['number']}",
            other=f"v{result['active']['number']}" if "active" in result else "",
            stops=steps.rows(),
            charts=[simulation_page.by_day(item)],
            held=steps.reasons("held"),
            left=steps.reasons("skipped"),
            costs=steps.costs(),
            total=simulation_page.total_cost(result),
            load=simulation_page.load_sentence(item),
            desks=simulation_page.desks(item),
            more=result["load"]["more"],
            assumed=simulation_page.assumed(item),
            paths_url=url_for(".paths", pk=item.id, customer=request.args.get("customer") or None),
        )
        return shown | {"more": [widget], "charted": True}

    @expose("/paths/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("show")
    def paths(self, pk: int) -> Any:
        """Return the paths of some customers of the sample, loaded by the page."""
        item = self._row(pk)
        if not item.result:
            abort(404)
        kind, customer = request.args.get("kind", ""), request.args.get("customer", "")
        shown = simulated_paths.card(item, g.user, kind, customer[:64])
        return render_template("journeys/simulated_paths.html", **shown)

    @expose("/steps/<row_id:pk>", methods=["GET"])
    @has_access
    def steps(self, pk: int) -> Any:
        """Download the steps of the customers who were drawn."""
        item = self._row(pk)
        if not _may_fetch():
            abort(403)
        path = simulations.file_of(item)
        if path is None:
            abort(404, description=_("The file of this simulation is no longer available."))
        name = f"{item.version.journey.code}-v{item.version.number}-{item.first_day}-{item.last_day}.csv"
        answer = send_file(path, as_attachment=True, download_name=name)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @action(
        "cancel", lazy_gettext("Cancel simulation"), lazy_gettext("Cancel this simulation?"), multiple=False
    )
    def cancel(self, item: JourneySimulation) -> Any:
        """Cancel the simulation."""
        simulations.cancel(item)
        db.session.commit()
        flash(_("Simulation cancelled."), "success")
        return redirect(url_for("JourneySimulationView.show", pk=item.id))


def _may_fetch() -> bool:
    # The file has customers of all branches.
    return may("can_steps", "JourneySimulationView") and sees_whole_bank(g.user)

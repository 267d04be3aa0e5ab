"""Pages on which journeys are paused and go on, and versions are put in force, moved to or tried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import flash, g, redirect, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from markupsafe import Markup
from wtforms import BooleanField, FloatField, IntegerField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.console import formats, forms
from app.console.access import may, me
from app.console.people import shown
from app.console.table import Link
from app.console.versions import SubmitsVersions
from app.console.widgets import ConsoleFormWidget, JourneyTrialWidget, NoteWidget
from app.errors import DomainError
from app.extensions import db
from app.journeys import approval, canary, moves, stops
from app.journeys.canary import Comparison, Terms
from app.journeys.moves import Move
from app.journeys.versions import journey_def
from app.models import (
    CanaryEnd,
    Journey,
    JourneyCanary,
    JourneyStop,
    JourneyVersion,
    RuleStatus,
)
from app.rules.proportion import Share, wilson

_OUT = "-"
_HOURS = {
    "description": lazy_gettext(
        "Whoever is overdue goes on at a moment in these hours, evenly, the longest overdue first."
    ),
    "default": stops.HOURS,
    "validators": [DataRequired(), NumberRange(1, stops.MAX_HOURS)],
    "widget": BS3TextFieldWidget(),
}
#: what became of a version that was tried out
_ENDS = {
    CanaryEnd.IN_FORCE: lazy_gettext("put in force"),
    CanaryEnd.WITHDRAWN: lazy_gettext("withdrawn"),
    CanaryEnd.GUARDRAIL: lazy_gettext("withdrawn by its guardrail"),
    CanaryEnd.REPLACED: lazy_gettext("withdrawn when another version was put in force"),
}


class StopForm(DynamicForm):  # type: ignore[misc]
    """Why journeys stand still."""

    reason = StringField(
        forms.REASON,
        description=lazy_gettext("Shown on the pages of journeys and kept in the change log."),
        validators=[DataRequired(), Length(max=500)],
        widget=BS3TextFieldWidget(),
    )


class GoOnForm(DynamicForm):  # type: ignore[misc]
    """How fast what fell due is made up."""

    hours = IntegerField(lazy_gettext("Hours of contact to catch up"), **_HOURS)


class ShareForm(DynamicForm):  # type: ignore[misc]
    """The share of customers on which a version is tried out."""

    percent = IntegerField(
        lazy_gettext("Share of customers (%)"),
        validators=[InputRequired(), NumberRange(1, 99)],
        widget=BS3TextFieldWidget(),
    )


def notes(journey: Journey | None = None) -> list[NoteWidget]:
    """Return the notes that all journeys, or this one, stand still: since when, who said so, and why."""
    texts = []
    if (stop := stops.of_all()) is not None:
        texts.append(
            _note(_("All journeys stand still: nobody enters, moves or is contacted by them."), stop)
        )
    if journey is not None and (stop := stops.of(journey)) is not None:
        texts.append(_note(_("This journey is paused: nobody enters, moves or is contacted by it."), stop))
    return [NoteWidget(text=text) for text in texts]


def _note(text: str, stop: JourneyStop) -> Markup:
    return Markup("{} {} {}: {}").format(
        text, shown(stop.stopped_by), formats.moment(stop.stopped_at), stop.reason
    )


def _asked(
    view: Any, form: Any, title: str, submit: str, address: str, do: Callable[[Any], str], about: Any = ()
) -> Any:
    """Show a form, or do what was asked for and go on to an address with what to say of it."""
    if form.validate_on_submit():
        try:
            said = do(form)
            db.session.commit()
            flash(said, "success")
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
        return redirect(address)
    widget = ConsoleFormWidget(form=form, next=address, submit=submit, about=list(about))
    return view.render_template("form.html", widgets={"edit": widget}, title=title)


class StandsStill:
    """A mix-in of the screen of journeys: pausing and resuming one, stopping and releasing all."""

    def running_links(self, item: Journey) -> list[Link]:
        """Return the link to pause or resume a journey."""
        if not may("can_pause", "JourneyView"):
            return []
        if item.status == RuleStatus.PAUSED:
            return [Link(_("Resume"), url_for(".resume", pk=item.id))]
        return [Link(_("Pause"), url_for(".pause", pk=item.id))] if item.status == RuleStatus.ACTIVE else []

    def list_links(self) -> list[Link]:
        """Return the switch of all journeys."""
        if not may("can_stop", "JourneyView"):
            return []
        if stops.of_all() is None:
            return [Link(_("Stop all journeys"), url_for(".stop"))]
        return [Link(_("Let the journeys go on"), url_for(".release"))]

    @expose("/pause/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def pause(self, pk: int) -> Any:
        """Let a journey stand still."""
        view: Any = self
        item = view._row(pk)

        def do(form: StopForm) -> str:
            stops.pause(item, me(), form.reason.data)
            return _("%(item)s is paused.", item=str(item))

        title = _("Pause %(item)s", item=str(item))
        return _asked(view, StopForm(), title, _("Pause"), url_for(".show", pk=pk), do)

    @expose("/resume/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("pause")
    def resume(self, pk: int) -> Any:
        """Let a journey go on."""
        view: Any = self
        item = view._row(pk)

        def do(form: GoOnForm) -> str:
            stops.resume(item, me(), form.hours.data)
            return _("%(item)s goes on.", item=str(item))

        title = _("Resume %(item)s", item=str(item))
        about = [(_("Overdue now"), _customers(stops.overdue([item.id])))]
        return _asked(view, GoOnForm(), title, _("Resume"), url_for(".show", pk=pk), do, about)

    @expose("/stop", methods=["GET", "POST"])
    @has_access
    def stop(self) -> Any:
        """Let all journeys stand still."""

        def do(form: StopForm) -> str:
            stops.stop_all(me(), form.reason.data)
            return _("All journeys stand still.")

        return _asked(self, StopForm(), _("Stop all journeys"), _("Stop all journeys"), url_for(".list"), do)

    @expose("/release", methods=["GET", "POST"])
    @has_access
    @permission_name("stop")
    def release(self) -> Any:
        """Let the journeys go on that are not paused themselves."""

        def do(form: GoOnForm) -> str:
            stops.release_all(me(), form.hours.data)
            return _("The journeys go on.")

        title = _("Let the journeys go on")
        about = [(_("Overdue now"), _customers(stops.overdue()))]
        return _asked(self, GoOnForm(), title, title, url_for(".list"), do, about)


def _customers(count: int) -> str:
    return ngettext("%(num)s customer", "%(num)s customers", count)


# -- versions ------------------------------------------------------------------------------------------


class PutsInForce(SubmitsVersions):
    """A mix-in of the screen of versions: submitted with those under way, moved to, tried out."""

    def running_links(self, item: JourneyVersion) -> list[Link]:
        """Return the links to the comparison of a version tried out, and to move customers to it."""
        links = []
        if canary.of_version(item) is not None:
            links.append(Link(_("Compared with the version in force"), url_for(".trial", pk=item.id)))
        in_force = item.journey.active_version_id == item.id
        if in_force and may("can_submit", "JourneyVersionView") and moves.sources(item):
            links.append(Link(_("Move customers here"), url_for(".move", pk=item.id)))
        return links

    @expose("/submit/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def submit(self, pk: int) -> Any:
        """Submit the version, with what becomes of those under way, for a second person's approval."""
        view: Any = self
        item = view._row(pk)
        try:
            journey_def(item)
        except DomainError as error:
            flash(error.text(), "danger")
            return redirect(url_for(".show", pk=pk))
        sources = moves.sources(item)
        form = _form(item, sources, tried=True)
        title = _("Submit %(version)s for approval", version=str(item))
        about = [(_("What will change"), formats.changes_markup(approval.changes(item)))]

        def do() -> Any:
            terms = _terms(form)
            return approval.submit(item, g.user, form.reason.data, _moves(form, item, sources), terms)

        return self._request(item, form, title, about, do)

    @expose("/move/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("submit")
    def move(self, pk: int) -> Any:
        """Request to move those under way on other versions to the one in force."""
        view: Any = self
        item = view._row(pk)
        sources = moves.sources(item)
        form = _form(item, sources, tried=False)
        title = _("Move customers to %(version)s", version=str(item))
        return self._request(
            item,
            form,
            title,
            [],
            lambda: moves.ask(item, _moves(form, item, sources), g.user, form.reason.data),
        )

    def _request(self, item: Any, form: Any, title: str, about: Any, do: Callable[[], Any]) -> Any:
        view: Any = self
        address = url_for(".show", pk=item.id)
        try:
            if form.validate_on_submit():
                made = do()
                db.session.commit()
                flash(
                    _("%(item)s has been submitted; another person must approve it.", item=made.title),
                    "success",
                )
                return redirect(url_for("ApprovalView.show", pk=made.id))
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
            return redirect(address)
        widget = ConsoleFormWidget(
            form=form, next=address, submit=_("Submit for approval"), about=about, groups=form.groups()
        )
        widgets = {"edit": widget, "more": self.beside_submission(item)}
        return view.render_template("form.html", widgets=widgets, title=title)

    @expose("/trial/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("show")
    def trial(self, pk: int) -> Any:
        """Show what became of those who entered a version tried out, and of those who entered the other."""
        view: Any = self
        item = view._row(pk)
        tried = canary.of_version(item)
        if tried is None:
            return redirect(url_for(".show", pk=pk))
        widgets = {"edit": JourneyTrialWidget(**_trial(tried)), "more": self._trial_forms(tried)}
        title = _("%(version)s compared with the version in force", version=str(item))
        return view.render_template("form.html", widgets=widgets, title=title)

    def _trial_forms(self, tried: JourneyCanary) -> list[Any]:
        if tried.ended_at is not None or not may("can_submit", "JourneyVersionView"):
            return []
        pk = tried.version_id
        return [
            ConsoleFormWidget(
                form=ShareForm(data={"percent": tried.percent}, formdata=None),
                action=url_for(".widen", pk=pk),
                submit=_("Change the share"),
            ),
            ConsoleFormWidget(
                form=DynamicForm(formdata=None),
                action=url_for(".adopt", pk=pk),
                submit=_("Put in force for all"),
            ),
            ConsoleFormWidget(
                form=StopForm(formdata=None), action=url_for(".withdraw", pk=pk), submit=_("Withdraw")
            ),
        ]

    @expose("/widen/<row_id:pk>", methods=["POST"])
    @has_access
    @permission_name("submit")
    def widen(self, pk: int) -> Any:
        """Change the share of customers on which a version is tried out."""

        def do(tried: JourneyCanary, form: ShareForm) -> str:
            canary.widen(tried, form.percent.data)
            return _("Tried out on %(n)s%% of the customers who enter from now on.", n=tried.percent)

        return self._tried(pk, ShareForm(), do)

    @expose("/adopt/<row_id:pk>", methods=["POST"])
    @has_access
    @permission_name("submit")
    def adopt(self, pk: int) -> Any:
        """Put a version that was tried out in force for all."""

        def do(tried: JourneyCanary, _form_: DynamicForm) -> str:
            canary.put_in_force(tried, me())
            return _("%(version)s is in force.", version=str(tried.version))

        return self._tried(pk, DynamicForm(), do)

    @expose("/withdraw/<row_id:pk>", methods=["POST"])
    @has_access
    @permission_name("submit")
    def withdraw(self, pk: int) -> Any:
        """Withdraw a version that is tried out."""

        def do(tried: JourneyCanary, form: StopForm) -> str:
            canary.withdraw(tried, me(), form.reason.data)
            return _("%(version)s is withdrawn.", version=str(tried.version))

        return self._tried(pk, StopForm(), do)

    def _tried(self, pk: int, form: Any, do: Callable[[JourneyCanary, Any], str]) -> Any:
        view: Any = self
        tried = canary.of_version(view._row(pk))
        address = url_for(".trial", pk=pk)
        if tried is None or not form.validate_on_submit():
            flash(
                next(
                    iter(error for each in form.errors.values() for error in each), _("This is not possible.")
                ),
                "danger",
            )
            return redirect(address)
        try:
            said = do(tried, form)
            db.session.commit()
            flash(said, "success")
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
        return redirect(address)


def _form(target: JourneyVersion, sources: Sequence[JourneyVersion], *, tried: bool) -> Any:
    """Return a form with the reason, the map of each version with customers under way, and the share."""
    fields: dict[str, Any] = {"reason": forms.SubmitForm.reason}
    groups: list[tuple[str, list[str]]] = [("", ["reason"])]
    steps = list(moves.step_words(target).items())
    for source in sources:
        standing, same = moves.standing(source), moves.same_steps(source, target)
        total = _customers(sum(standing.values()))
        names = [f"move_{source.id}"]
        fields[names[0]] = BooleanField(
            _("Move them"), description=_("Otherwise they stay on their version until the end of it.")
        )
        for number, (step, word) in enumerate(moves.step_words(source).items()):
            names.append(f"to_{source.id}_{number}")
            fields[names[-1]] = SelectField(
                _("%(step)s: %(many)s", step=word, many=_customers(standing.get(step, 0))),
                choices=[*steps, (_OUT, _("out of the journey"))],
                default=same[step] or _OUT,
                widget=Select2Widget(),
            )
        groups.append((_("Under way on v%(n)s: %(many)s", n=source.number, many=total), names))
    if sources:
        fields["hours"] = IntegerField(lazy_gettext("Hours of contact to catch up"), **_HOURS)
        groups.append((_("Whoever is moved"), ["hours"]))
    if tried and target.journey.active_version is not None:
        fields |= _trial_fields()
        groups.append((_("Try it out first"), ["percent", "opt_out_limit", "failure_limit"]))
    form_class = type("PutInForceForm", (DynamicForm,), fields)
    form: Any = form_class()
    form.groups = lambda: [(title, [form[name] for name in names]) for title, names in groups]
    return form


def _trial_fields() -> dict[str, Any]:
    terms = Terms()
    limit = {"validators": [Optional(), NumberRange(0, 100)], "widget": BS3TextFieldWidget()}
    return {
        "percent": IntegerField(
            _("Share of customers (%)"),
            description=_("Left empty, the version is in force for everybody who enters."),
            validators=[Optional(), NumberRange(1, 99)],
            widget=BS3TextFieldWidget(),
        ),
        "opt_out_limit": FloatField(
            _("Withdrawn by itself above opt-outs (%)"), default=terms.opt_out_limit, **limit
        ),
        "failure_limit": FloatField(
            _("Withdrawn by itself above failures (%)"), default=terms.failure_limit, **limit
        ),
    }


def _moves(form: Any, target: JourneyVersion, sources: Sequence[JourneyVersion]) -> list[Move]:
    found = []
    for source in sources:
        if form[f"move_{source.id}"].data:
            ids = [step.id for step in journey_def(source).steps]
            chosen = [form[f"to_{source.id}_{number}"].data for number in range(len(ids))]
            to = {step: None if each == _OUT else each for step, each in zip(ids, chosen, strict=True)}
            found.append(Move(source.id, to, form.hours.data))
    return found


def _terms(form: Any) -> Terms | None:
    if "percent" not in form or form.percent.data is None:
        return None
    limits = (form.opt_out_limit.data, form.failure_limit.data)
    return Terms(form.percent.data, *(100.0 if each is None else each for each in limits))


# -- compared ------------------------------------------------------------------------------------------


def _trial(tried: JourneyCanary) -> dict[str, Any]:
    """Return what the page of a version tried out shows."""
    found = canary.compare(tried)
    facts = [
        (_("Share of customers"), f"{tried.percent} %"),
        (_("Tried out since"), formats.moment(tried.started_at)),
        (_("Started by"), shown(tried.started_by)),
        (
            _("Withdrawn by itself"),
            _(
                "above %(out)s%% opt-outs or %(failed)s%% failures, once %(n)s contacts were made",
                out=f"{tried.opt_out_limit:g}",
                failed=f"{tried.failure_limit:g}",
                n=canary.LEAST,
            ),
        ),
    ]
    if tried.ended_at is not None:
        end = labels_of_end(tried.outcome)
        facts += [
            (_("Ended"), formats.moment(tried.ended_at)),
            (_("Outcome"), end),
            (_("By"), shown(tried.ended_by)),
        ]
    if tried.reason:
        facts.append((str(forms.REASON), tried.reason))
    return {"facts": facts, "rows": _rows(found), "one": str(tried.version), "other": str(tried.against)}


def labels_of_end(outcome: str) -> str:
    """Return in words what became of a version that was tried out."""
    return str(_ENDS[CanaryEnd(outcome)])


def _rows(found: Comparison) -> list[tuple[str, str, str, str]]:
    one, other = found.canary, found.in_force
    rows = [
        (_("Entered"), f"{one.entered:,}", f"{other.entered:,}", ""),
        (_("Contacts"), f"{one.contacts:,}", f"{other.contacts:,}", ""),
    ]
    for word, name in (
        (_("Answered"), "answered"),
        (_("Reached the goal"), "goal"),
        (_("Opted out, of contacts"), "opted_out"),
        (_("Failed, of contacts"), "failed"),
    ):
        rows.append((word, _rate(getattr(one, name)), _rate(getattr(other, name)), _points(found, name)))
    return rows


def _rate(share: Share) -> str:
    if share.value is None:
        return "—"
    low, high = wilson(share)
    return f"{share.part:,} / {share.whole:,} = {share.value:.1%} ({low:.1%} – {high:.1%})"


def _points(found: Comparison, name: str) -> str:
    gap = found.difference(name)
    if gap is None:
        return "—"
    one, other = getattr(found.canary, name).value, getattr(found.in_force, name).value
    return _(
        "%(points)s points (%(low)s to %(high)s)",
        points=f"{(one - other) * 100:+.1f}",
        low=f"{gap.low * 100:+.1f}",
        high=f"{gap.high * 100:+.1f}",
    )

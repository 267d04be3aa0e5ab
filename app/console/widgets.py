"""The widgets of the screens, whose templates replace Flask-AppBuilder's own."""

from __future__ import annotations

from flask_appbuilder.widgets import FormWidget, ListWidget, RenderTemplateWidget, ShowWidget


class ConsoleListWidget(ListWidget):  # type: ignore[misc]
    """The list of ``table`` with its buttons, bulk bar and pager."""

    template = "widgets/list.html"


class ChartWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The card of a ``chart``."""

    template = "widgets/chart.html"


class NoteWidget(RenderTemplateWidget):  # type: ignore[misc]
    """A warning ``text`` above a list."""

    template = "widgets/note.html"


class WeekWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The week grid and preview of a schedule version."""

    template = "schedules/week.html"


class BatchWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The summary of an outreach batch: who is contacted, and who is held back for which reason."""

    template = "outreach/batch.html"


class WhyWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The explanation why a lead was or was not contacted, and whether it could be contacted now."""

    template = "outreach/why.html"


class MixWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The mix of a segment's leads: ``count``, ``charts`` and the ``url`` of their list."""

    template = "leads/mix.html"


class TurnoverWidget(RenderTemplateWidget):  # type: ignore[misc]
    """A card that loads from ``url`` how a submitted rule's leads differ from those of the active one."""

    template = "approvals/turnover_widget.html"


class DaysWidget(RenderTemplateWidget):  # type: ignore[misc]
    """A lead's activity ``calendar`` and, if the user may see them, its ``reveals``."""

    template = "schedules/days.html"


class FactsWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The ``lines`` of what is known of a lead, and the ``batch_url`` of imports if the user may see them."""

    template = "leads/facts.html"


class HitPaneWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The contact pane of a hit, with the data of app.screens.hits.pane.pane."""

    template = "hits/pane.html"


class CustomerHitsWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The hits of a customer as ``rows``, of which one is worked in the pane beside it."""

    template = "hits/customer_hits.html"


class QueueWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The bar that leads through a queue: ``text`` says where one is, the rest are addresses."""

    template = "hits/queue.html"


class ReasonWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Why a customer was hit and what is next, with the data of app.screens.hits.story.story."""

    template = "hits/story.html"


class CustomerActivityWidget(RenderTemplateWidget):  # type: ignore[misc]
    """A customer's activity and facts, which load from ``url``."""

    template = "hits/activity.html"


class CustomerContactsWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The ``entries`` of steps and contacts of a customer, and ``line_url`` of the time line."""

    template = "hits/contacts.html"


class ChecksWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The folded check-lists of the compliance rules for a hit."""

    template = "hits/checks.html"


class BacktestWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The figures of a finished back-test: ``row``, ``lines``, ``verdicts``, ``curve`` and ``charts``."""

    template = "rules/backtest.html"


class JourneyStepsWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The drawing and the steps of a version of a journey, which load from ``url``."""

    template = "journeys/steps_widget.html"


class StrategyCoverageWidget(RenderTemplateWidget):  # type: ignore[misc]
    """What a strategy table leaves open, answers twice, and answers by which row."""

    template = "journeys/strategy.html"


class JourneyTrialWidget(RenderTemplateWidget):  # type: ignore[misc]
    """A version of a journey that is tried out, compared with the one in force."""

    template = "journeys/trial.html"


class JourneyPathWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The ``steps`` that a customer came to in a journey."""

    template = "journeys/path.html"


class SimulationWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The figures of a finished simulation of a journey, with the data of app.screens.journeys."""

    template = "journeys/simulation.html"


class SimulationAtApprovalWidget(RenderTemplateWidget):  # type: ignore[misc]
    """What the newest simulation of a version says to whoever approves it, or that there is none."""

    template = "journeys/simulation_at_approval.html"


class WeeklyReportWidget(RenderTemplateWidget):  # type: ignore[misc]
    """A weekly ``report`` in words."""

    template = "reports/screen.html"


class SessionsWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The user's own ``sessions``; ``present`` is the id of this one, ``browser`` names a browser."""

    template = "staff/sessions.html"


class ConsoleFilterWidget(RenderTemplateWidget):  # type: ignore[misc]
    """The filter row and chips of ``table``."""

    template = "widgets/filters.html"


class ConsoleShowWidget(ShowWidget):  # type: ignore[misc]
    """One row as a definition list, with its buttons."""

    template = "widgets/show.html"


class ConsoleFormWidget(FormWidget):  # type: ignore[misc]
    """A form in one column, optionally with ``units`` and a list of facts ``about`` its subject."""

    template = "widgets/form.html"

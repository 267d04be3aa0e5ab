"""The widgets of generated screens: Flask-AppBuilder draws these templates in place of its own."""

from __future__ import annotations

from flask_appbuilder.widgets import FormWidget, ListWidget, RenderTemplateWidget, ShowWidget


class ConsoleListWidget(ListWidget):  # type: ignore[misc]
    """Draws ``table``: a list with its buttons, bulk bar and pages."""

    template = "widgets/list.html"


class ChartWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws ``chart``."""

    template = "widgets/chart.html"


class NoteWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws ``text`` as a warning above a list."""

    template = "widgets/note.html"


class WeekWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws the week grid of a schedule's version and the preview of what it does."""

    template = "schedules/week.html"


class BatchWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws what a batch of contacts does, to whom, and to whom not."""

    template = "outreach/batch.html"


class WhyWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws why a lead was, or was not, contacted, and what would happen now."""

    template = "outreach/why.html"


class MixWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws how the leads of a segment are made up: ``count``, ``charts``, ``url`` of their list."""

    template = "leads/mix.html"


class TurnoverWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws a card that fetches from ``url`` what a submitted rule catches against the one in force."""

    template = "approvals/turnover_widget.html"


class DaysWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws a lead's ``calendar`` and, where the person may see them, ``reveals``."""

    template = "schedules/days.html"


class HitPaneWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws a hit's contact pane: what app.screens.hits.pane.pane gives."""

    template = "hits/pane.html"


class BacktestWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws the figures of a finished back-test: ``row``, ``lines``, ``verdicts``, ``curve``, ``charts``."""

    template = "rules/backtest.html"


class WeeklyReportWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws a weekly ``report`` in words."""

    template = "reports/screen.html"


class SessionsWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws a person's own ``sessions``; ``present`` is the id of this one, ``browser`` names a browser."""

    template = "staff/sessions.html"


class ConsoleFilterWidget(RenderTemplateWidget):  # type: ignore[misc]
    """Draws the filter row and the chips of ``table``."""

    template = "widgets/filters.html"


class ConsoleShowWidget(ShowWidget):  # type: ignore[misc]
    """Draws one row as a definition list with its buttons."""

    template = "widgets/show.html"


class ConsoleFormWidget(FormWidget):  # type: ignore[misc]
    """Draws a form in one column; ``units``, ``cancel`` and facts ``about`` what it decides may be given."""

    template = "widgets/form.html"

"""The field in which somebody chooses when a batch starts."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import render_template
from flask_babel import gettext as _
from markupsafe import Markup
from wtforms import Field

from app import labels
from app.console.controls import GroupWidget
from app.lib import clock
from app.outreach import start_time


class _StartWidget(GroupWidget):
    """Two choices, at once or at a moment, and what is proposed when the chosen one isn't allowed."""

    def __call__(self, field: Any, **attributes: Any) -> Markup:
        """Return the control."""
        return Markup(render_template("outreach/start_field.html", field=field))  # noqa: S704 - ours


class StartField(Field):
    """A moment, None for at once. It is posted as three values: the choice, a date and a time of day."""

    widget = _StartWidget()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: the moment to offer because the one that was chosen isn't allowed
        self.proposed: dt.datetime | None = None
        #: what was chosen before, in words; it is shown with the choice folded away
        self.settled = ""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the moment. Raises ValueError when a part of it is missing."""
        if not valuelist:
            return
        choice, day, time = [*valuelist, "", ""][:3]
        self.data: dt.datetime | None = None
        if choice != "at":
            return
        self.typed = (day, time)
        try:
            chosen = dt.date.fromisoformat(day), dt.time.fromisoformat(time)
        except ValueError:
            raise ValueError(_("State the day and the time at which it starts.")) from None
        self.data = start_time.moment_of(*chosen)

    @property
    def later(self) -> bool:
        """Whether a moment is chosen."""
        return self.data is not None or hasattr(self, "typed")

    @property
    def opens(self) -> str:
        """When a batch would start that is to start at once, outside contact hours; empty inside them."""
        moment = start_time.opens_after(clock.now())
        return f"{moment:%Y-%m-%d %H:%M}" if moment else ""

    @property
    def shown(self) -> tuple[str, str]:
        """The date and the time of day in the controls."""
        if hasattr(self, "typed"):
            return self.typed
        moment = labels.local(self.data) if self.data else start_time.suggested()
        return f"{moment:%Y-%m-%d}", f"{moment:%H:%M}"

    def refuse(self, error: start_time.NotThen) -> None:
        """Show why the moment isn't allowed, and offer the next one."""
        self.errors: list[str] = [*self.errors, error.text()]
        self.proposed = error.proposed

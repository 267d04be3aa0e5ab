"""Texts of the error pages: what happened, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request
from flask_babel import gettext as _


@dataclass(frozen=True)
class Fault:
    """The text of an error page. ``again`` is the label of the retry button, empty if it is useless."""

    title: str
    advice: str
    again: str = ""


def fault(code: int, *, csrf: bool = False) -> Fault:
    """Return the text for an HTTP status of 400 and above."""
    if csrf:
        return Fault(
            _("This page has expired"),
            _(
                "You were logged out, or the page was open too long. Nothing was saved. "
                "Reload the page and try again."
            ),
            _("Reload the page"),
        )
    known = _known()
    return known.get(code) or known[500 if code >= 500 else 400]


def busy() -> Fault:
    """Return the text for a database that is too busy."""
    advice = (
        _("Another task is using the data of this page. Nothing was saved. Try again in a moment.")
        if _may_change()
        else _("Another task is using the data of this page. Try again in a moment.")
    )
    return Fault(_("The system is busy"), advice, _("Try again"))


def _may_change() -> bool:
    return request.method not in ("GET", "HEAD")


def _known() -> dict[int, Fault]:
    return {
        400: Fault(_("The request is invalid"), _("Go back and correct your input.")),
        401: Fault(_("Please log in"), _("Log in, then open the page again.")),
        403: Fault(
            _("You don't have permission for this"),
            _("Your role doesn't include it. Ask your administrator if you need it."),
        ),
        404: Fault(
            _("Nothing found here"),
            _("It was deleted, never existed, or belongs to a branch that you can't see."),
        ),
        405: Fault(
            _("This can't be opened directly"),
            _("Use the buttons on the page."),
        ),
        409: Fault(_("This can't be changed now"), _("Go back to see what you can do.")),
        413: Fault(
            _("This is too large"),
            _(
                "The limit is %(most)s MB at once. Split it and send the parts one by one.",
                most=f"{(request.max_content_length or 0) / (1 << 20):g}",
            ),
        ),
        429: Fault(
            _("Too many attempts"),
            _("Wait a minute and try again. Your administrator can reset your password."),
            _("Try again"),
        )
        if request.blueprint == "LogInView"
        else Fault(
            _("Too many requests"),
            _("You opened this page too often in a short time. Wait a minute and try again."),
            _("Try again"),
        ),
        500: Fault(
            _("Something went wrong on our side"),
            _("Nothing was saved. Try again in a moment.") if _may_change() else _("Try again in a moment."),
            _("Try again"),
        ),
        503: Fault(
            _("The service is not available"),
            _("It is starting, or its database does not answer. Try again in a minute."),
            _("Try again"),
        ),
    }

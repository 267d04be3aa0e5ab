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
            _("You were logged out, or it was open too long. Nothing was saved. Load it again and repeat."),
            _("Load the page again"),
        )
    known = _known()
    return known.get(code) or known[500 if code >= 500 else 400]


def busy() -> Fault:
    """Return the text for a database that is too busy."""
    return Fault(
        _("The system is busy"),
        _("Another task holds what this page needs. Nothing was saved by this step. Try again in a moment."),
        _("Try again"),
    )


def _known() -> dict[int, Fault]:
    return {
        400: Fault(_("This request can't be answered"), _("Go back and correct what was typed.")),
        401: Fault(_("Please log in"), _("Log in, then open the page again.")),
        403: Fault(
            _("You may not do this"),
            _("Your role doesn't include it. Ask your administrator when you need it."),
        ),
        404: Fault(
            _("This is not here"),
            _("It was deleted, never existed, or belongs to a branch you don't see."),
        ),
        405: Fault(
            _("This can't be opened like that"),
            _("Use the buttons of the page; an address alone changes nothing."),
        ),
        409: Fault(_("This can't be changed now"), _("Go back; the page says what is possible.")),
        413: Fault(
            _("This is too large"),
            _(
                "At most %(most)s MB are taken at once. Split it and send the parts one after the other.",
                most=f"{(request.max_content_length or 0) / (1 << 20):g}",
            ),
        ),
        429: Fault(
            _("Too many attempts"),
            _("Wait a minute and try again. Your administrator can give you a new password."),
            _("Try again"),
        ),
        500: Fault(
            _("Something went wrong on our side"),
            _("Nothing was saved by this step. Try again in a moment."),
            _("Try again"),
        ),
        503: Fault(
            _("The service is not available"),
            _("It starts or is being maintained. Try again in a minute."),
            _("Try again"),
        ),
    }

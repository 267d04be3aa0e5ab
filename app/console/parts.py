"""Parts of a page that htmx refreshes: the bell, live counts, progress of background work."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, make_response, render_template, request, url_for
from flask_appbuilder import expose, has_access
from markupsafe import escape

from app.console.sessions import poll

#: the state of a row without work in progress
OVER: dict[str, Any] = {"done": True, "progress": 0, "summary": ""}


def from_page() -> bool:
    """Return whether htmx asks, which gets HTML; a script gets JSON."""
    return "HX-Request" in request.headers


def sentence(text: str) -> Response:
    """Return a text to put into a page."""
    return Response(escape(text)) if from_page() else jsonify(text=text)


class WithProgress:
    """A mix-in for views of background work: a row's page has a progress card that refreshes itself."""

    endpoint: str

    def state_of(self, item: Any) -> dict[str, Any]:
        """Return what the card shows, with ``done`` when the work is over."""
        raise NotImplementedError

    def progress_of(self, item: Any) -> dict[str, Any] | None:
        """Return the state with the address that the card polls."""
        return self.state_of(item) | {"url": url_for(f"{self.endpoint}.progress", pk=item.id)}

    @expose("/progress/<row_id:pk>", methods=["GET"])
    @has_access
    @poll
    def progress(self, pk: int) -> Response:
        """Return the current card, or reload the page when the work is done."""
        state = self.state_of(self._row(pk))  # type: ignore[attr-defined]
        if not from_page():
            return jsonify(state)
        if state["done"]:
            return Response(headers={"HX-Refresh": "true"})
        card = state | {"url": request.path}
        return make_response(render_template("widgets/progress.html", progress=card))

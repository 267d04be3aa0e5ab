"""Parts of a page that ask by themselves (htmx): the bell, live counts, progress of background work."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, make_response, render_template, request, url_for
from flask_appbuilder import expose, has_access
from markupsafe import escape

from app.console.sessions import poll

#: the state of a row on which no work is under way
OVER: dict[str, Any] = {"done": True, "progress": 0, "summary": ""}


def from_page() -> bool:
    """Return whether a part of a page asks, which gets HTML; a script gets JSON."""
    return "HX-Request" in request.headers


def sentence(text: str) -> Response:
    """Return a text for a line of a page."""
    return Response(escape(text)) if from_page() else jsonify(text=text)


class WithProgress:
    """A view of rows with background work: the card on a row's page asks for its state every two seconds."""

    endpoint: str

    def state_of(self, item: Any) -> dict[str, Any]:
        """Return what the card shows and whether the work is done."""
        raise NotImplementedError

    def progress_of(self, item: Any) -> dict[str, Any] | None:
        """Return the state with the address that the card asks."""
        return self.state_of(item) | {"url": url_for(f"{self.endpoint}.progress", pk=item.id)}

    @expose("/progress/<row_id:pk>", methods=["GET"])
    @has_access
    @poll
    def progress(self, pk: int) -> Response:
        """Return the card as it is now; when the work is done, have the page drawn anew."""
        state = self.state_of(self._row(pk))  # type: ignore[attr-defined]
        if not from_page():
            return jsonify(state)
        if state["done"]:
            return Response(headers={"HX-Refresh": "true"})
        shown = state | {"url": request.path}
        return make_response(render_template("widgets/progress.html", progress=shown))

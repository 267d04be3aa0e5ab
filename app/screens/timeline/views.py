"""The page of a lead's time line, and the button that leads there."""

from __future__ import annotations

from typing import Any

from flask import abort, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext as _

from app.console.access import may
from app.console.table import Link
from app.errors import DomainError
from app.models import Lead
from app.screens.timeline import held, page


class ShowsTimeline:
    """Mixin of the lead view: everything that is known of a customer by date, for who may open the lead."""

    @expose("/timeline/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("show")
    def timeline(self, pk: int) -> Any:
        """Show a page of the time line, with what is held about the customer, and who saw it."""
        view: Any = self
        lead = view._row(pk)
        try:
            asked = page.read_asked(lead, request.args)
        except DomainError as error:
            abort(400, description=error.text())
        return view.render_template(
            "leads/timeline.html",
            title=_("Time line: %(lead)s", lead=str(lead)),
            **page.shown(asked),
            **held.shown(lead),
        )


def links(lead: Lead) -> list[Link]:
    """Return the button that opens the time line, for the pages of a lead and its hits."""
    if not may("can_show", "LeadView"):
        return []
    return [Link(_("Time line"), url_for("LeadView.timeline", pk=lead.id))]

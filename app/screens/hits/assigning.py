"""Assignment of all customers that match the list's filters."""

from __future__ import annotations

from typing import Any

from flask import g, redirect, request, url_for
from flask_appbuilder import expose, has_access
from flask_babel import gettext as _

from app.console import selection
from app.console.access import may
from app.console.table import Link
from app.errors import DomainError
from app.hits import assignment

#: customers that are assigned at once
MOST = 500


class AssignsWholeList:
    """Mixin of the customer view: all customers that match the filters get one owner."""

    @expose("/assign_all", methods=["GET", "POST"])
    @has_access
    def assign_all(self) -> Any:
        """Show how many customers match, and assign all of them to the chosen person."""
        view: Any = self
        rows = selection.checked(view)
        count = rows.query().count()
        error = ""
        if request.method == "POST":
            try:
                if count > MOST:
                    raise DomainError("At most %(n)s customers can be assigned at once.", n=MOST)
                view.assign_rows(rows.query().all(), request.form.get("assignee", ""))
                return redirect(selection.url(view._list_url(), rows))
            except DomainError as refused:
                error = refused.text()
        return view.render_template(
            "hits/assign_all.html",
            title=_("Assign all customers in the list"),
            count=count,
            most=MOST,
            conditions=selection.conditions(view, rows.filters),
            assignees=assignment.labelled(assignment.assignees(g.user)),
            chosen=request.form.get("assignee", ""),
            back=selection.url(view._list_url(), rows),
            error=error,
        )

    def assign_links(self) -> list[Link]:
        """Return the button above the list, with the current filters."""
        if not may("can_assign_all", "CustomerView"):
            return []
        rows = selection.of_request(self)
        return [Link(_("Assign all"), selection.url(url_for(".assign_all"), rows))]

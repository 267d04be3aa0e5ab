"""The screen of what came of hits."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, request, stream_with_context
from flask_appbuilder import BaseView, expose, has_access
from flask_appbuilder.security.decorators import permission_name
from flask_babel import lazy_gettext

from app.console import downloads
from app.console.access import may
from app.errors import DomainError
from app.screens.hits import effect_page


class EffectView(BaseView):  # type: ignore[misc]
    """营销效果: the funnel and its parts, the comparison with the holdout groups, costs."""

    list_title = lazy_gettext("Marketing effect")
    default_view = "list"
    base_permissions = ["can_list", "can_export"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """The filters, and where the figures will be."""
        asked = self._asked()
        return self.render_template(
            "hits/effect.html",
            title=str(self.list_title),
            asked=asked,
            choices=effect_page.choices(asked),
            ranges=effect_page.ranges(asked),
            export=asked.page_url("EffectView.export") if may("can_export", "EffectView") else "",
        )

    @expose("/figures", methods=["GET"])
    @has_access
    @permission_name("list")
    def figures(self) -> Any:
        """The figures, line by line while they are counted."""
        lines = stream_with_context(effect_page.lines(self._asked()))
        return Response(lines, mimetype="application/x-ndjson", headers={"X-Accel-Buffering": "no"})

    @expose("/export", methods=["GET"])
    @has_access
    @permission_name("export")
    def export(self) -> Any:
        """The table as a file."""
        return downloads.csv_download(effect_page.table(self._asked()), "effect")

    def _asked(self) -> effect_page.Asked:
        try:
            return effect_page.asked(request.args)
        except DomainError as error:
            abort(400, description=error.text())

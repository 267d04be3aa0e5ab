"""The pages of the user guide."""

from __future__ import annotations

from typing import Any

from flask import abort, request, send_from_directory
from flask_appbuilder import BaseView, expose, has_access, permission_name
from flask_babel import get_locale, lazy_gettext

from app.console.glossary import TERMS
from app.screens.guide import text

#: the longest text that is searched for
MAX_TEXT = 64


class GuideView(BaseView):  # type: ignore[misc]
    """用户手册: what people do with the product, step by step."""

    list_title = lazy_gettext("User guide")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the contents, or what a search finds."""
        query = request.args.get("q", "").strip()[:MAX_TEXT]
        language = str(get_locale())
        return self.render_template(
            "guide/contents.html",
            title=str(self.list_title),
            chapters=text.contents(language),
            query=query,
            found=text.find(query, language) if query else [],
            terms=TERMS,
        )

    @expose("/show/<string:slug>", methods=["GET"])
    @has_access
    @permission_name("list")
    def show(self, slug: str) -> Any:
        """Show a chapter."""
        language = str(get_locale())
        chapters = text.contents(language)
        title = dict(chapters).get(slug)
        if title is None:
            abort(404)
        return self.render_template(
            "guide/chapter.html",
            title=title,
            slug=slug,
            chapters=chapters,
            body=text.html(slug, language),
            sections=[*text.sections(slug, language)][1:],
        )

    @expose("/picture/<string:name>", methods=["GET"])
    @has_access
    @permission_name("list")
    def picture(self, name: str) -> Any:
        """Send a picture."""
        return send_from_directory(text.PICTURES, name, max_age=3600)

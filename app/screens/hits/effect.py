"""The marketing effect screen: conversion funnel, holdout comparison and costs."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, render_template, request, stream_with_context
from flask_appbuilder import BaseView, expose, has_access
from flask_appbuilder.security.decorators import permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.console import downloads
from app.console.access import may
from app.effect import labels, money_words
from app.errors import DomainError
from app.rules import conversions
from app.screens.hits import effect_money, effect_page


class EffectView(BaseView):  # type: ignore[misc]
    """营销效果: the funnel and its breakdown, the comparison with the holdout groups, and costs."""

    list_title = lazy_gettext("Marketing effect")
    default_view = "list"
    base_permissions = ["can_list", "can_export"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the filters and the frame that the figures are loaded into."""
        filters = self._filters()
        return self.render_template(
            "hits/effect.html",
            title=str(self.list_title),
            filters=filters,
            choices=effect_page.choices(filters),
            ranges=effect_page.ranges(filters),
            money=request.args.get("money", ""),
            days=conversions.days(),
            export=filters.page_url("EffectView.export") if may("can_export", "EffectView") else "",
        )

    @expose("/figures", methods=["GET"])
    @has_access
    @permission_name("list")
    def figures(self) -> Any:
        """Stream the figures as lines of JSON while they are counted."""
        lines = stream_with_context(effect_page.lines(self._filters()))
        return Response(lines, mimetype="application/x-ndjson", headers={"X-Accel-Buffering": "no"})

    @expose("/money", methods=["GET"])
    @has_access
    @permission_name("list")
    def money(self) -> Any:
        """Return the part of the page about money, which takes a while to count."""
        filters, by = self._filters(), request.args.get("money", "rule")
        if by not in money_words.TITLES:
            abort(400)
        if not conversions.judged_by_outcomes():
            return render_template("hits/effect_money.html", empty=labels.claims_stand_in())
        return render_template(
            "hits/effect_money.html",
            table=effect_money.table(filters, by),
            tabs=[
                (
                    str(word),
                    filters.page_url(money=name),
                    filters.page_url("EffectView.money", money=name),
                    name == by,
                )
                for name, word in money_words.TITLES.items()
            ],
            empty=_("No hit matches these filters."),
        )

    @expose("/platform", methods=["GET"])
    @has_access
    @permission_name("list")
    def platform(self) -> Any:
        """Return the part of the page about the universal control group."""
        filters = self._filters()
        if not conversions.judged_by_outcomes():
            return render_template("hits/effect_money.html", empty=labels.claims_stand_in())
        table = effect_money.platform(filters)
        return render_template("hits/effect_money.html", table=table, empty=table.missing)

    @expose("/export", methods=["GET"])
    @has_access
    @permission_name("export")
    def export(self) -> Any:
        """Download the table of the breakdown as CSV."""
        return downloads.csv_download(effect_page.table(self._filters()), "effect")

    def _filters(self) -> effect_page.Filters:
        try:
            return effect_page.read_filters(request.args)
        except DomainError as error:
            abort(400, description=error.text())

"""The screens and the API of hits."""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, redirect, url_for
from flask_appbuilder.actions import action
from flask_appbuilder.api import ModelRestApi
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.access.scope import FilterVisible
from app.console import ConsoleView
from app.extensions import db
from app.models import (
    Hit,
)
from app.pages import files, phones
from app.pages.lists import Link
from app.personal_views import (
    ExportsWholeList,
)
from app.rules import describe, hits
from app.rules.recompute import recompute
from app.tables import ConsoleInterface, PerRequestFilters

#: action → the status it moves a hit to
_HIT_MOVES = {"start": "in_progress", "convert": "converted", "fail": "failed", "reopen": "waiting"}


class HitView(ExportsWholeList, ConsoleView):
    """高潜线索: leads that a rule caught."""

    model = Hit
    page_only = frozenset({"recompute"})
    export_kind = "hits"
    computed = {
        "phone": phones.phone_of_hit,
        "reason": describe.reason,
        "arithmetic": describe.arithmetic,
        "seen_at": describe.seen_at,
    }
    base_permissions = [
        "can_list",
        "can_show",
        "can_export_all",
        "can_export_clear",
        "start",
        "convert",
        "fail",
        "reopen",
        "recompute",
        "export",
    ]
    add_columns = edit_columns = ["status"]
    empty_hint = lazy_gettext(
        "No hit yet. Hits appear when rules in force are evaluated, each morning for the day before."
    )
    list_title = lazy_gettext("High-potential leads")
    show_title = lazy_gettext("Hit")
    base_order = ("hit_date", "desc")
    list_columns = ["lead", "grade", "rule", "reason", "hit_date", "status"]
    order_columns = ["grade", "hit_date", "status", "score"]
    search_columns = ["status", "grade", "rule", "hit_date", "score", "holdout"]
    filter_choices = {"status": labels.HIT_STATUS, "grade": {grade: grade for grade in "ABCD"}}
    show_columns = [
        "lead",
        "phone",
        "rule",
        "version",
        "hit_date",
        "status",
        "grade",
        "reason",
        "arithmetic",
        "seen_at",
        "last_met_on",
        "opted_out",
        "holdout",
        "created_at",
    ]
    label_columns = {
        "lead": lazy_gettext("Lead"),
        "phone": lazy_gettext("Phone"),
        "grade": lazy_gettext("Grade"),
        "score": lazy_gettext("Score"),
        "rule": lazy_gettext("Rule hit"),
        "version": lazy_gettext("Rule version"),
        "reason": lazy_gettext("Reason"),
        "arithmetic": lazy_gettext("Score, worked out"),
        "seen_at": lazy_gettext("First and last event"),
        "hit_date": lazy_gettext("Hit date"),
        "last_met_on": lazy_gettext("Last met on"),
        "status": lazy_gettext("Status"),
        "opted_out": lazy_gettext("Do not disturb"),
        "holdout": lazy_gettext("Held out"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "status": labels.tag(labels.HIT_STATUS, "hit"),
        "grade": labels.tag({}, "grade"),
        "opted_out": labels.yes_no,
        "holdout": labels.yes_no,
        "created_at": labels.when,
    }

    def offers(self, action: str, item: Hit) -> bool:
        """The steps that a hit's status allows."""
        return action not in _HIT_MOVES or _HIT_MOVES[action] in hits.MOVES[item.status]

    def list_links(self) -> list[Link]:
        """Export the list."""
        return self.export_links()

    def heading(self, item: Hit) -> str:
        """The lead and the rule that caught it."""
        return f"{item.lead} · {item.rule.name}"

    def _interface(self) -> ConsoleInterface:
        data = super()._interface()
        data.ties = ("score",)
        return data

    def _move(self, items: Any, status: str) -> Any:
        count = self.each(items, lambda hit: hits.move(hit, status))
        flash(_("Status of %(n)s hits changed.", n=count), "success")
        return self.back()

    @action("start", lazy_gettext("Contact"))
    def start(self, items: Any) -> Any:
        """单独联系: take the hits into work."""
        return self._move(items, _HIT_MOVES["start"])

    @action("convert", lazy_gettext("Mark converted"), lazy_gettext("Mark the selected hits as converted?"))
    def convert(self, items: Any) -> Any:
        """The customer took the offer."""
        return self._move(items, _HIT_MOVES["convert"])

    @action("fail", lazy_gettext("No interest"), lazy_gettext("Close the selected hits without success?"))
    def fail(self, items: Any) -> Any:
        """The customer is not interested or can't be reached."""
        return self._move(items, _HIT_MOVES["fail"])

    @action("reopen", lazy_gettext("Reactivate"))
    def reopen(self, items: Any) -> Any:
        """再次激活: wait for work again."""
        return self._move(items, _HIT_MOVES["reopen"])

    @action("recompute", lazy_gettext("Recompute"), multiple=False)
    def recompute(self, item: Hit) -> Any:
        """Say whether data and rule version still agree with the hit; nothing is changed."""
        found = recompute(current_app.config["SETTINGS"], item)
        if found:
            flash(_("Recomputed, and it differs now: %(what)s", what=describe.differences(found)), "warning")
        else:
            flash(_("Recomputed: data and rule version still agree with this hit."), "success")
        return redirect(url_for("HitView.show", pk=item.id))

    @action("export", lazy_gettext("Export (masked)"), single=False)
    def export(self, items: list[Hit]) -> Any:
        """Download the ticked hits, phones masked."""
        return files.csv_download(hits.export_rows(items), "hits")


class HitApi(PerRequestFilters, ModelRestApi):  # type: ignore[misc]
    """Hits for the bank's own systems: read only, in row scope."""

    resource_name = "hits"
    datamodel = ConsoleInterface(Hit, db.session)
    allow_browser_login = True
    include_route_methods = {"get", "get_list"}
    base_filters = [["id", FilterVisible, ""]]
    base_order = ("id", "desc")
    list_columns = [
        "id",
        "rule.code",
        "version.number",
        "lead.lead_no",
        "hit_date",
        "grade",
        "score",
        "status",
        "values",
        "opted_out",
        "holdout",
    ]
    show_columns = list_columns
    search_columns = ["status", "grade", "hit_date", "rule"]
    order_columns = ["id", "hit_date", "score"]

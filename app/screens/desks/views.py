"""The homes of data operators, auditors and administrators, and the tabs between the homes of one person."""

from __future__ import annotations

from typing import Any

from flask import current_app, g, render_template, request, url_for
from flask_appbuilder import BaseView, expose, has_access, permission_name
from flask_babel import lazy_gettext

from app import labels
from app.console.access import may
from app.console.frame import Item
from app.lib.row_id import whole_number
from app.screens.desks import audit, data, system


def home_tabs() -> list[Item]:
    """Return the homes of the user's roles, for who has several."""
    roles = {each.name for each in g.user.roles}
    homes = current_app.appbuilder.indexview.homes  # type: ignore[attr-defined]
    return [
        Item(labels.word(labels.ROLE, role), url_for(f"{view}.list"), current=request.blueprint == view)
        for role, view in homes.items()
        if role in roles and may("can_list", view)
    ]


class DataStateView(BaseView):  # type: ignore[misc]
    """数据状态: runs, deliveries and institutions that wait for a data operator."""

    list_title = lazy_gettext("State of data")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show what waits, and the newest runs and files."""
        return self.render_template(
            "desks/desk.html",
            title=str(self.list_title),
            figures=data.figures(),
            notes=data.notes(),
            widgets=data.widgets(),
        )


class AuditStateView(BaseView):  # type: ignore[misc]
    """审计待查: what waits for an auditor's look."""

    list_title = lazy_gettext("To be looked at")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the numbers of the last days, pairs of approvers and the state of the chain."""
        asked = whole_number(request.args.get("days", ""))
        days = asked if asked in audit.PERIODS else audit.PERIODS[1]
        return self.render_template(
            "desks/audit.html",
            title=str(self.list_title),
            ranges=audit.ranges(days),
            figures=audit.figures(days),
            pairs=audit.pairs(days),
            verdict=audit.verdict(),
            chain=audit.chain(),
            verify_url=audit.verify_url(),
        )


class SystemStateView(BaseView):  # type: ignore[misc]
    """系统状态: what waits for an administrator, checks, processes and queues."""

    list_title = lazy_gettext("State of the installation")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the numbers; the checks are asked for by the page."""
        return self.render_template("desks/system.html", title=str(self.list_title), figures=system.figures())

    @expose("/checks", methods=["GET"])
    @has_access
    @permission_name("list")
    def checks(self) -> Any:
        """Return the checks of the installation, its processes and queues."""
        return render_template("desks/checks.html", checks=system.checks(), processes=system.running())

"""The search of the top bar. What is typed is posted, so that it appears in no address and no access log."""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, g, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose, has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_login import current_user
from sqlalchemy import select

from app.access.scope import visible_to
from app.console import filter_row, urls
from app.console.access import me
from app.console.urls import list_url
from app.errors import DomainError
from app.extensions import db
from app.leads import number_limit, suppression
from app.leads.errors import InvalidPhone
from app.models import Lead
from app.screens.search import page

#: the longest text that is searched for
MAX_TEXT = 64
#: one every quarter of a second, longer than anybody types
RATE = "240 per minute"


class SearchView(BaseView):  # type: ignore[misc]
    """全局搜索: what the user may open, by name or number."""

    list_title = lazy_gettext("Search everything")
    default_view = "search"
    base_permissions = ["can_search"]

    @expose("/find", methods=["POST"])
    @has_access
    def search(self) -> str:
        """Return what the typed text finds, as a part of the page."""
        text = _typed()
        return render_template(
            "search/found.html", text=text, is_phone=filter_row.is_phone(text), groups=page.find(text)
        )

    @expose("/phone", methods=["POST"])
    @has_access
    @permission_name("search")
    def phone(self) -> Any:
        """Open the customer with a full phone number, which counts and is recorded like a reveal."""
        try:
            target = suppression.phone_target(_typed(), current_app.config["SETTINGS"])
            number_limit.record_search(target, Lead.__tablename__, me())
        except InvalidPhone:
            flash(_("Enter the full phone number to search for it."), "warning")
        except DomainError as error:
            flash(error.text(), "danger")
        else:
            return redirect(_place_of(str(target.phone_index)))
        db.session.rollback()
        return redirect(urls.own_path(request.referrer) or url_for("HomeView.index"))


def limit_rate(limiter: Any) -> None:
    """Limit the searches of each user, who is told when there are too many."""
    blueprint = current_app.blueprints[SearchView.__name__]
    limiter.limit(
        lambda: RATE,
        key_func=lambda: f"search:{current_user.get_id()}",
        error_message=lambda: _("Too many searches in a short time. Please wait a minute."),
    )(blueprint)


def _typed() -> str:
    return request.form.get("text", "").strip()[:MAX_TEXT]


def _place_of(phone_index: str) -> str:
    """Return the page of the one customer in scope with a number, else the list of those who have it."""
    query = select(Lead).where(visible_to(g.user, Lead), Lead.phone_index == phone_index).limit(2)
    leads = db.session.scalars(query).all()
    if len(leads) != 1:
        return list_url("LeadView", phone_index=phone_index)
    return page.pages_of(leads)[leads[0].id]

"""The frame around every page: menu, breadcrumb, user, languages and asset addresses."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import func, select

from app import labels
from app.console import formats, people
from app.console.access import may, view_named
from app.console.addresses import address_of
from app.console.controls import (
    control,
    date_input,
    error_count,
    is_check,
    is_group,
    is_required,
    shown_fields,
    time_input,
)
from app.console.help import help_url
from app.console.theme import theme, themes
from app.console.urls import own_path
from app.extensions import db
from app.lib import clock
from app.models import Reminder

#: a higher number of unread reminders is shown as "99+"
MAX_UNREAD = 99
#: areas of the menu below those of the daily work, in blocks with a line above each
BLOCKS = (("Rules", "Schedules", "Setup"), ("Audit", "Settings"))
STATIC = Path(__file__).resolve().parents[1] / "static"


@dataclass(frozen=True)
class Item:
    """An entry of the sidebar or the breadcrumb. ``url`` is empty for one that can't be opened.

    ``badge`` is the number of things on its page that wait for the user.
    """

    text: str
    url: str = ""
    current: bool = False
    badge: int = 0


@dataclass(frozen=True)
class Area:
    """A work area of the sidebar; ``name`` selects its icon.

    The current area is open, and so are those that the user left open. ``begins``: a line stands above it,
    between what people work with, what they configure and what they manage.
    """

    name: str
    text: str
    items: list[Item]
    open: bool = False
    begins: bool = False

    @property
    def badge(self) -> int:
        """Return the sum of its items' badges."""
        return sum(item.badge for item in self.items)


def init_app(app: Flask) -> None:
    """Register the template globals of the frame."""
    app.context_processor(
        lambda: {"appbuilder": current_app.appbuilder, "base_template": "frame.html"}  # type: ignore[attr-defined]
    )
    parts = (
        areas,
        crumbs,
        today_text,
        today_date,
        user_info,
        bell,
        session_end,
        can_search,
        languages,
        asset,
        import_map,
        theme,
        themes,
        get_locale,
        address_of,
        help_url,
    )
    app.jinja_env.globals.update({each.__name__: each for each in parts})
    app.jinja_env.globals["person"] = people.shown
    app.jinja_env.globals["fill"] = formats.fill
    app.jinja_env.globals.update(
        {
            each.__name__: each
            for each in (
                control,
                date_input,
                time_input,
                is_group,
                is_check,
                is_required,
                shown_fields,
                error_count,
            )
        }
    )


def areas() -> list[Area]:
    """Return the work areas with the items that the user may open, leaving out empty ones."""
    result: list[Area] = []
    left_open = request.cookies.get("areas", "").split(".")
    for category in current_app.appbuilder.menu.get_list():  # type: ignore[attr-defined]
        items = [_item(entry) for entry in category.childs if may("menu_access", entry.name)]
        if items:
            is_open = category.name in left_open or any(item.current for item in items)
            begins = bool(result) and _block(category.name) != _block(result[-1].name)
            result.append(Area(category.name, str(category.label), items, is_open, begins))
    return result


def _block(area: str) -> int:
    """Return the block of the menu in which an area stands."""
    return next((place for place, names in enumerate(BLOCKS) if area in names), -1)


def pages() -> Iterator[tuple[str, str, str]]:
    """Yield work area, name and address of every page of the menu that the user may open."""
    for category in current_app.appbuilder.menu.get_list():  # type: ignore[attr-defined]
        for entry in category.childs:
            if may("menu_access", entry.name):
                yield str(category.label), str(entry.label), entry.get_url()


def _item(entry: Any) -> Item:
    """Return an entry of the sidebar, with the view's ``menu_badge`` if it has one."""
    badge = getattr(entry.baseview, "menu_badge", None)
    current = _place() == entry.baseview.endpoint
    return Item(str(entry.label), entry.get_url(), current, badge() if badge else 0)


def _place() -> str:
    """Return the view whose page is shown: one that shows a refused form again may be another's."""
    return str(g.get("page_of") or request.blueprint or "")


def bell() -> Item | None:
    """Return the reminders' address with the number of unread ones, None for a user who gets no reminders."""
    if not may("can_list", "ReminderView"):
        return None
    n = unread()
    return Item(f"{MAX_UNREAD}+" if n > MAX_UNREAD else str(n), url_for("ReminderView.list"), badge=n)


def session_end() -> dict[str, Any]:
    """Return what the page needs to warn of the end of the session, and the seconds until then."""
    settings = current_app.config["SETTINGS"]
    return {
        "seconds": settings.idle_minutes * 60,
        "user": g.user.id,
        "left": url_for("LoginSessionView.left"),
        "stay": url_for("LoginSessionView.stay"),
    }


def can_search() -> bool:
    """Return whether the user has the search box."""
    return may("can_search", "SearchView")


def unread() -> int:
    """Return the number of unread reminders, at most MAX_UNREAD + 1."""
    query = select(Reminder.id).where(Reminder.person_id == g.user.id, Reminder.read_at.is_(None))
    first = query.limit(MAX_UNREAD + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(first)) or 0


def crumbs(title: str) -> list[Item]:
    """Return the breadcrumb of this page: its work area and its list, without repeating the title.

    A page whose list the user may not open has none.
    """
    view = view_named(_place())
    name = type(view).__name__ if view is not None else ""
    if not may("can_list", name):
        return []
    menu = current_app.appbuilder.menu.get_list()  # type: ignore[attr-defined]
    steps = [
        Item(str(category.label)) for category in menu if name in [entry.name for entry in category.childs]
    ]
    list_title = str(getattr(view, "list_title", "") or "")
    if list_title and list_title != title:
        steps.append(Item(list_title, url_for(f"{view.endpoint}.list")))  # type: ignore[union-attr]
    # A work area and its first list may have the same name.
    texts = [step.text for step in steps[1:]] + [title]
    return [step for place, step in enumerate(steps) if step.text != texts[place]]


def today_text() -> str:
    """Return the local date with its weekday."""
    day = clock.today()
    return f"{day:%Y-%m-%d} {weekday(day)}"


def today_date() -> str:
    """Return the local date in ISO format."""
    return clock.today().isoformat()


def weekday(day: dt.date) -> str:
    """Return the name of a date's weekday."""
    days = [_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday")]
    return days[day.weekday()]


def user_info() -> dict[str, str] | None:
    """Return name, roles and branch of the current user, None when nobody is logged in."""
    user = g.get("user")
    if user is None or not user.is_authenticated:
        return None
    roles = labels.joined(labels.word(labels.ROLE, role.name) for role in user.roles)
    branch = getattr(user, "branch", None)
    return {"name": user.get_full_name(), "roles": roles, "branch": str(branch) if branch else ""}


def languages() -> list[dict[str, Any]]:
    """Return the languages of the interface: code, name, switch address, and whether it is current."""
    current = session.get("locale") or current_app.config["BABEL_DEFAULT_LOCALE"]
    return [
        {
            "code": code,
            "name": entry["name"],
            "url": url_for("LocaleView.index", locale=code),
            "current": code == current,
        }
        for code, entry in current_app.config["LANGUAGES"].items()
    ]


def switch_language(locale: str) -> Any:
    """Switch the session's language and return to the page."""
    if locale not in current_app.config["LANGUAGES"]:
        abort(404)
    session["locale"] = locale
    return redirect(own_path(request.referrer) or url_for("HomeView.index"))


def asset(name: str) -> str:
    """Return the address of a file in app/static with a digest of its content, which defeats stale caches."""
    return f"/static/{name}?v={_digest(STATIC / name)}"


@cache
def import_map() -> dict[str, dict[str, str]]:
    """Return the import map that gives every module its address with a digest."""
    modules = [path.relative_to(STATIC).as_posix() for path in sorted(STATIC.glob("*/*.js"))]
    return {"imports": {f"/static/{name}": asset(name) for name in modules}}


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]

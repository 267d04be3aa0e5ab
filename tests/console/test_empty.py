"""An empty list says what it is and leads on, with links that the reader may use."""

from __future__ import annotations

from collections.abc import Callable

from app.console.view import ConsoleView
from app.screens.staff.sessions import LoginSessionView
from app.screens.staff.views import RoleView, StaffView
from app.views import MENU, WITHOUT_MENU
from tests.conftest import Person


def test_every_list_has_words_for_its_empty_state() -> None:
    views = {view for area in MENU for view in area.screens} | set(WITHOUT_MENU)
    names = {view.__name__ for view in views}
    # Somebody is always logged in, with a role.
    for view in views - {StaffView, RoleView, LoginSessionView}:
        if issubclass(view, ConsoleView):
            assert str(view.about), view.__name__
            assert view.empty_hint is not ConsoleView.empty_hint, view.__name__
            assert set(view.empty_next) <= names, view.__name__


def test_an_empty_list_leads_on_where_the_reader_may_go(login: Callable[..., Person]) -> None:
    pages = {
        role: login(role, username=role).get("/customerview/list/").text for role in ("Manager", "Marketer")
    }
    for page in pages.values():
        assert "Customers with open hits, one row each with its owner." in page
        assert 'class="button" href="/ruleview/list/"' in page
        assert '<a href="/guideview/show/marketer">How it works</a>' in page
    imports = 'class="button" href="/importbatchview/list/"'
    assert [imports in page for page in pages.values()] == [True, False]

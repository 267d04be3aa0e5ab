"""The screens of staff: log-ins, roles, one's own profile and passwords."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from flask import abort, current_app, flash, g, redirect, request, session, url_for
from flask_appbuilder import BaseView, expose
from flask_appbuilder.actions import action
from flask_appbuilder.fields import QuerySelectMultipleField
from flask_appbuilder.fieldwidgets import Select2Widget
from flask_appbuilder.security.sqla.models import Role
from flask_appbuilder.security.views import UserDBModelView
from flask_appbuilder.views import SimpleFormView
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_login import logout_user
from sqlalchemy import select
from werkzeug.security import generate_password_hash
from wtforms import SelectField
from wtforms.validators import DataRequired, Optional

from app import labels, permissions
from app.access import keys, password_links, sessions, staff, taints
from app.approvals import access
from app.audit.events import event
from app.console import formats, forms
from app.console.sessions import present_id
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget, SessionsWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib.row_id import row_id
from app.models import Approval, Staff
from app.screens.staff import accounts, role_labels


class StaffView(UserDBModelView, ConsoleView):  # type: ignore[misc]
    """Users: log-ins of the bank's staff."""

    model = Staff
    computed = {"full_name": Staff.get_full_name, "tainted": accounts.tainted_words}
    route_base = "/users"
    base_permissions = [*permissions.TABLE["StaffView"]]
    list_title = lazy_gettext("Users")
    show_title = lazy_gettext("User")
    add_title = lazy_gettext("Add user")
    edit_title = lazy_gettext("Edit user")
    base_order = ("username", "asc")
    list_columns = ["username", "full_name", "roles", "branch", "active", "last_login"]
    order_columns = ["username", "active", "last_login"]
    search_columns = ["username", "last_name", "roles", "branch", "active"]
    show_columns = [
        "username",
        "full_name",
        "email",
        "roles",
        "branch",
        "active",
        "last_login",
        "login_count",
        "tainted",
    ]
    show_fieldsets = None
    user_info_title = lazy_gettext("My profile")
    user_show_fieldsets = [
        (None, {"fields": ["username", "full_name", "email", "roles", "branch", "language"]})
    ]
    _person = ["last_name", "first_name", "email", "language"]
    _access = (lazy_gettext("Access"), {"fields": ["roles", "branch", "active", "access_reason"]})
    add_fieldsets = [
        (lazy_gettext("Person"), {"fields": ["username", *_person]}),
        _access,
        (lazy_gettext("Password"), {"fields": ["password", "conf_password"]}),
    ]
    edit_fieldsets = [(lazy_gettext("Person"), {"fields": _person}), _access]
    label_columns = {
        "username": lazy_gettext("User name"),
        "full_name": lazy_gettext("Full name"),
        "last_name": lazy_gettext("Family name"),
        "first_name": lazy_gettext("Given name"),
        "email": lazy_gettext("E-mail"),
        "roles": lazy_gettext("Roles"),
        "branch": lazy_gettext("Branch"),
        "language": lazy_gettext("Language"),
        "active": lazy_gettext("Enabled"),
        "last_login": lazy_gettext("Last log-in"),
        "login_count": lazy_gettext("Log-ins"),
        "tainted": lazy_gettext("Second person"),
    }
    description_columns = {
        "branch": lazy_gettext("A marketer sees this branch and what lies below it."),
        "active": lazy_gettext("Switch people off instead of deleting them."),
    }
    formatters_columns = {
        "active": labels.yes_no,
        "last_login": formats.when,
        "language": formats.label(dict(forms.LANGUAGES)),
    }
    _language = SelectField(
        lazy_gettext("Language"), choices=[("zh", "中文"), ("en", "English")], widget=Select2Widget()
    )
    _roles = QuerySelectMultipleField(
        lazy_gettext("Roles"),
        validators=[DataRequired()],
        query_func=lambda: db.session.query(Role).filter(Role.name != "Public").order_by(Role.id).all(),
        get_pk_func=lambda role: role.id,
        get_label=lambda role: labels.word(labels.ROLE, role.name),
    )
    add_form_extra_fields = {
        "language": _language,
        "roles": _roles,
        "access_reason": forms.access_reason(),
        "password": forms.new_password(first=Optional()),
        "conf_password": forms.password_again(needed=False),
    }
    edit_form_extra_fields = {"language": _language, "roles": _roles, "access_reason": forms.access_reason()}

    def heading(self, item: Any) -> str:
        """The person's name."""
        return str(item.get_full_name())

    def offers(self, action: str, item: Any) -> bool:
        """Profile and own password for oneself, a new password and deletion for others; a link for all."""
        if action == "delete" and not staff.can_be_deleted(item):
            return False
        if action == "sendlink":
            return bool(item.active) and not keys.is_system(item)
        return (action in ("resetpasswords", "delete")) != (item.id == g.user.id)

    @action("resetmypassword", lazy_gettext("Change my password"), multiple=False)
    def resetmypassword(self, item: Any) -> Any:
        """Open the form for one's own password."""
        return redirect(url_for("MyPasswordView.this_form_get"))

    @action("userinfoedit", lazy_gettext("Change my language"), multiple=False)
    def userinfoedit(self, item: Any) -> Any:
        """Open the form of one's own profile."""
        return redirect(url_for("ProfileView.this_form_get"))

    @action("choosereminders", lazy_gettext("Reminders by e-mail"), multiple=False)
    def choosereminders(self, item: Any) -> Any:
        """Open the form of which reminders also come by e-mail."""
        return redirect(url_for("ReminderChoiceView.this_form_get"))

    @action(
        "endsessions",
        lazy_gettext("Log out everywhere"),
        lazy_gettext("End every log-in of yours, at this browser too?"),
        multiple=False,
    )
    def endsessions(self, item: Any) -> Any:
        """End one's own log-ins."""
        if item.id != g.user.id:
            abort(404)
        with db.engine.begin() as connection:
            ended = sessions.end_all(connection, item.id)
        event("logged_out_everywhere", Staff.__tablename__, item.id, item.username, sessions=ended)
        flash(_("You are logged out everywhere."), "success")
        return redirect(url_for("HomeView.index"))

    @action("resetpasswords", lazy_gettext("Give a new password"), multiple=False)
    def resetpasswords(self, item: Any) -> Any:
        """Open the form for somebody else's password."""
        return redirect(url_for("PasswordView.this_form_get", pk=item.id))

    @action(
        "sendlink",
        lazy_gettext("Mail a link for a password"),
        lazy_gettext("Send a link by which this person chooses a password? Links sent before end."),
        multiple=False,
    )
    def sendlink(self, item: Any) -> Any:
        """Mail a link to choose a password."""
        password_links.send(item, g.user)
        flash(_("A link to choose a password went to %(email)s.", email=item.email), "success")
        return redirect(url_for("StaffView.show", pk=item.id))

    def check(self, form: Any, item: Any | None) -> None:
        """A marketer needs a branch, and somebody must stay who can put things right."""
        if item is None and not form.password.data and not password_links.can_be_sent():
            raise FieldError("password", "No mail can be sent, so choose a first password and hand it over.")
        names = {role.name for role in form.roles.data}
        if "Marketer" in names and form.branch.data is None:
            raise FieldError("branch", "A marketer sees one branch; choose it.")
        if item is not None:
            staff.check_admin_stays(item, active=form.active.data, roles=names)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the person; what they may do waits for another administrator where there is one."""
        wanted = access.access_of(item)
        if created:
            item.password = generate_password_hash(form.password.data or secrets.token_urlsafe(48))
            item.password_given = True
            item.roles, item.branch = [], None
            db.session.add(item)
            db.session.flush()
            taints.add_taint(item, g.user, taints.SET_UP)
        else:
            access.discard_changes(item)
        if wanted == access.access_of(item):
            return
        check_reason(form)
        say_what_became(
            item.username, access.ask_for_access(item, wanted, g.user, form.access_reason.data or "")
        )

    def remove(self, item: Any) -> None:
        """Only a log-in that was never of use is deleted; switching the others off needs a second person."""
        if item.id == g.user.id:
            raise DomainError("You can't delete your own account.")
        if not staff.can_be_deleted(item):
            raise DomainError(
                "%(name)s has roles or has logged in before; switch the log-in off instead of deleting it.",
                name=item.username,
            )
        db.session.delete(item)

    def _store(self, form: Any, item: Any | None) -> bool:
        """The link goes when the log-in is there; a mail server that refuses leaves it there all the same."""
        stored: bool = super()._store(form, item)
        if stored and item is None and not form.password.data:
            person = db.session.scalars(select(Staff).where(Staff.username == form.username.data)).one()
            try:
                self.sendlink(person)
            except DomainError as error:
                flash(error.text(), "danger")
        return stored

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        drawn: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        if item.id != g.user.id:
            return drawn
        mine = sessions.live_sessions(db.session.connection(), current_app.config["SETTINGS"], item.id)
        listed = SessionsWidget(
            sessions=mine, present=present_id(), when=formats.when, browser=accounts.browser_words
        )
        return drawn | {"more": [listed]}

    def _form_widget(self, kind: str, form: Any, *args: Any) -> dict[str, Any]:
        if kind == "add":
            form.password.description = accounts.first_password_words()
        return super()._form_widget(kind, with_reason_told(form), *args)

    _add, _edit, _delete = ConsoleView._add, ConsoleView._edit, ConsoleView._delete
    show = ConsoleView.show


def check_reason(form: Any) -> None:
    """Raise FieldError when access is to change and no reason is given."""
    if (form.access_reason.data or "").strip():
        return
    if access.has_second_administrator(g.user):
        raise FieldError("access_reason", "Another administrator decides about this; say why.")
    raise FieldError("access_reason", "State a reason; it is kept with the approval and in the change log.")


def with_reason_told(form: Any) -> Any:
    """The form, saying beside the reason when there is no second person to decide."""
    if "access_reason" in form and not access.has_second_administrator(g.user):
        form.access_reason.description = _(
            "Needed when roles, branch, e-mail, enabling or permissions change. There is only one "
            "administrator: the change takes effect at once, no second person checks it, and it is recorded "
            "as such."
        )
    return form


def say_what_became(name: str, asked: Approval | None) -> None:
    """Tell the person that another administrator decides, or that nobody did or can."""
    if asked is None:
        flash(
            _(
                "What %(name)s may do is in force at once: there is only one administrator, and no second "
                "person checked it. It is recorded as such.",
                name=name,
            ),
            "warning",
        )
        return
    flash(_("What %(name)s may do now waits for another administrator.", name=name), "warning")
    if access.has_no_decider(asked):
        flash(
            _("At present nobody may decide about it: everybody who could counts as one with you.")
            + " "
            + accounts.way_out(),
            "warning",
        )


def _permissions_field() -> QuerySelectMultipleField:
    """Permissions to tick, in words."""
    return QuerySelectMultipleField(
        lazy_gettext("Permissions"),
        query_func=role_labels.by_view,
        get_pk_func=lambda pair: pair.id,
        get_label=role_labels.permission_words,
    )


class RoleView(ConsoleView):
    """Roles and what they may do."""

    model = Role

    route_base = "/roles"
    list_title = lazy_gettext("Roles")
    show_title = lazy_gettext("Role")
    add_title = lazy_gettext("Add role")
    edit_title = lazy_gettext("Edit role")
    base_order = ("id", "asc")
    list_columns = ["name"]
    order_columns = ["name"]
    search_columns = ["name"]
    show_columns = ["name", "permissions"]
    add_columns = ["name", "permissions"]
    edit_columns = ["permissions"]
    label_columns = {"name": lazy_gettext("Name"), "permissions": lazy_gettext("Permissions")}
    formatters_columns = {"name": formats.label(labels.ROLE), "permissions": role_labels.grouped}
    add_form_extra_fields = {"permissions": _permissions_field()}
    edit_form_extra_fields = {"permissions": _permissions_field(), "access_reason": forms.access_reason()}
    edit_fieldsets = [(None, {"fields": ["permissions", "access_reason"]})]

    def heading(self, item: Any) -> str:
        """The role's name in words."""
        return labels.word(labels.ROLE, item.name)

    def lock_reason(self, item: Any) -> str | None:
        """The built-in roles are what app/permissions.py says."""
        if item.name in permissions.ROLES.values() or item.name == "Public":
            return _(
                "“%(role)s” is built in. Make a role of your own to change permissions.",
                role=self.heading(item),
            )
        return None

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Who may open a list gets its menu entry; a change waits for another administrator, if any."""
        wanted = role_labels.with_menu(form.permissions.data)
        if created:
            item.permissions = wanted
            db.session.add(item)
            return
        access.discard_permission_changes(item)
        if {pair.id for pair in item.permissions} == {pair.id for pair in wanted}:
            return
        check_reason(form)
        words = role_labels.differences(item.permissions, wanted)
        ids = sorted(pair.id for pair in wanted)
        say_what_became(
            self.heading(item),
            access.ask_for_permissions(item, ids, g.user, form.access_reason.data or "", words),
        )

    def _form_widget(self, kind: str, form: Any, *args: Any) -> dict[str, Any]:
        return super()._form_widget(kind, with_reason_told(form), *args)

    def remove(self, item: Any) -> None:
        """A role that somebody has stays."""
        if item.user:
            raise DomainError("%(n)s users have this role; take it from them first.", n=len(item.user))
        db.session.delete(item)


class ProfileView(SimpleFormView):  # type: ignore[misc]
    """My profile: what I may change about myself."""

    route_base = "/profile"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.ProfileForm
    form_title = lazy_gettext("My profile")

    def form_get(self, form: Any) -> None:
        """Show what is stored."""
        form.language.data = g.user.language

    def form_post(self, form: Any) -> Any:
        """Store and switch the language at once."""
        g.user.language = form.language.data
        db.session.commit()
        session["locale"] = form.language.data
        flash(_("Saved."), "success")
        return redirect(url_for("StaffView.userinfo"))


class MyPasswordView(SimpleFormView):  # type: ignore[misc]
    """Change my own password; the present one is asked for."""

    route_base = "/resetmypassword"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.MyPasswordForm
    form_title = lazy_gettext("Change my password")

    def form_get(self, form: Any) -> None:
        """Say why nothing else opens, to a person whose password somebody else chose."""
        if g.user.password_given:
            flash(_("Somebody else chose your password. Choose one of your own first."), "warning")

    def form_post(self, form: Any) -> Any:
        """Store the new password."""
        self.appbuilder.sm.reset_password(g.user.id, form.password.data)
        flash(_("Your password was changed."), "success")
        return redirect(url_for("StaffView.userinfo"))


class PasswordLinkView(BaseView):  # type: ignore[misc]
    """Choose a password through a mailed link: open to everybody, and tells nothing before its use."""

    route_base = "/password"
    default_view = "choose"
    base_permissions: ClassVar[list[str]] = []

    @expose("/choose", methods=["GET", "POST"])
    def choose(self) -> Any:
        """The form; then the log-in page."""
        form = forms.ChooseForm()
        if form.validate_on_submit():
            try:
                self.appbuilder.sm.choose_password(form.token.data or "", form.password.data)
            except DomainError as error:
                db.session.rollback()
                flash(error.text(), "danger")
            else:
                logout_user()
                flash(_("Your password is set. Log in with it."), "success")
                return redirect(self.appbuilder.get_url_for_login)
        return self.render_template("staff/choose_password.html", form=form)


class PasswordView(SimpleFormView):  # type: ignore[misc]
    """Give somebody else a new password."""

    route_base = "/resetpassword"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.PasswordForm
    form_title = lazy_gettext("Give a new password")

    def form_post(self, form: Any) -> Any:
        """Store the new password."""
        key = row_id(request.args.get("pk"))
        person = db.session.get(Staff, key) if key else None
        if person is None:
            abort(404)
        self.appbuilder.sm.reset_password(person.id, form.password.data)
        flash(_("%(name)s has a new password.", name=person.username), "success")
        flash(accounts.tainted_words(person), "warning")
        return redirect(url_for("StaffView.show", pk=person.id))

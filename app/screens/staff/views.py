"""The screens of users and roles, and of the user's own profile and password."""

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
from sqlalchemy import func, select
from werkzeug.security import generate_password_hash
from wtforms import SelectField
from wtforms.validators import DataRequired, Optional

from app import labels, permissions
from app.access import keys, password_links, passwords, second_factor, sessions, staff, taints
from app.approvals import access
from app.audit.events import event
from app.console import formats, forms
from app.console.sessions import current_id
from app.console.table import Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget, SessionsWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib.row_id import row_id
from app.models import Approval, Staff
from app.outreach import own_phone
from app.screens.staff import accounts, role_labels


class StaffView(UserDBModelView, ConsoleView):  # type: ignore[misc]
    """用户管理: the accounts of the bank's staff."""

    model = Staff
    computed = {"full_name": Staff.get_full_name, "tainted": accounts.second_person_text}
    route_base = "/users"
    base_permissions = [*permissions.TABLE["StaffView"]]
    list_title = lazy_gettext("Users")
    show_title = lazy_gettext("User")
    add_title = lazy_gettext("Add user")
    edit_title = lazy_gettext("Edit user")
    base_order = ("username", "asc")
    list_columns = ["username", "full_name", "roles", "branch", "active", "last_login"]
    order_columns = ["username", "active", "last_login"]
    search_columns = ["username", "last_name", "roles", "branch", "active", "fail_login_count"]
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
        (None, {"fields": ["username", "full_name", "email", "roles", "branch", "language", "phone_masked"]})
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
        "phone_masked": lazy_gettext("Mobile number"),
        "active": lazy_gettext("Enabled"),
        "last_login": lazy_gettext("Last log-in"),
        "login_count": lazy_gettext("Log-ins"),
        "fail_login_count": lazy_gettext("Failed log-ins"),
        "tainted": lazy_gettext("Second person"),
    }
    description_columns = {
        "branch": lazy_gettext("A marketer sees this branch and the branches below it."),
        "active": lazy_gettext("Disable accounts instead of deleting them."),
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
        """Return the full name."""
        return str(item.get_full_name())

    def list_links(self) -> list[Link]:
        """Return the link to who is logged in."""
        return [Link(_("Log-in sessions"), url_for("LoginSessionView.list"))]

    def offers(self, action: str, item: Any) -> bool:
        """Return whether an action applies.

        New passwords and deletion are for other accounts, the actions on the profile for one's own, and links
        for every enabled account of a person.
        """
        if action == "delete" and not staff.can_be_deleted(item):
            return False
        if action == "resetfactor":
            return item.id != g.user.id and second_factor.has_one(item)
        if action == "sendlink":
            return bool(item.active) and not keys.is_system(item)
        return (action in ("resetpasswords", "delete")) != (item.id == g.user.id)

    @action("resetmypassword", lazy_gettext("Change my password"), multiple=False)
    def resetmypassword(self, item: Any) -> Any:
        """Open the form for the user's own password."""
        return redirect(url_for("MyPasswordView.this_form_get"))

    @action("userinfoedit", lazy_gettext("Change language or phone"), multiple=False)
    def userinfoedit(self, item: Any) -> Any:
        """Open the form of the user's own profile."""
        return redirect(url_for("ProfileView.this_form_get"))

    @action("choosereminders", lazy_gettext("Reminders by e-mail"), multiple=False)
    def choosereminders(self, item: Any) -> Any:
        """Open the form that chooses which reminders are also sent by e-mail."""
        return redirect(url_for("ReminderChoiceView.this_form_get"))

    @action(
        "endsessions",
        lazy_gettext("Log out everywhere"),
        lazy_gettext("End all your sessions, including this one?"),
        multiple=False,
    )
    def endsessions(self, item: Any) -> Any:
        """End all sessions of the user."""
        if item.id != g.user.id:
            abort(404)
        with db.engine.begin() as connection:
            ended = sessions.end_all(connection, item.id)
        event("logged_out_everywhere", Staff.__tablename__, item.id, item.username, sessions=ended)
        flash(_("You are logged out everywhere."), "success")
        return redirect(url_for("HomeView.index"))

    @action(
        "resetfactor",
        lazy_gettext("Reset second factor"),
        lazy_gettext("Take this user's authenticator apps and recovery codes away? The user is logged out."),
        multiple=False,
    )
    def resetfactor(self, item: Any) -> Any:
        """Take another user's second factor away, and end their sessions."""
        if item.id == g.user.id:
            abort(404)
        second_factor.remove(item)
        db.session.commit()
        with db.engine.begin() as connection:
            sessions.end_all(connection, item.id)
        event("second_factor_reset", Staff.__tablename__, item.id, item.username)
        flash(_("%(name)s has no second factor any more.", name=item.username), "success")
        return redirect(url_for("StaffView.show", pk=item.id))

    @action("resetpasswords", lazy_gettext("Reset password"), multiple=False)
    def resetpasswords(self, item: Any) -> Any:
        """Open the form for another user's password."""
        return redirect(url_for("PasswordView.this_form_get", pk=item.id))

    @action(
        "sendlink",
        lazy_gettext("Mail a password link"),
        lazy_gettext("Send this user a link for choosing a password? Earlier links become invalid."),
        multiple=False,
    )
    def sendlink(self, item: Any) -> Any:
        """Mail the user a link for choosing a password."""
        password_links.send(item, g.user)
        flash(_("A password link was sent to %(email)s.", email=item.email), "success")
        return redirect(url_for("StaffView.show", pk=item.id))

    def check(self, form: Any, item: Any | None) -> None:
        """Raise FieldError for a missing first password or branch, or when no administrator would be left."""
        if item is None and not form.password.data and not password_links.can_be_sent():
            raise FieldError("password", "No mail can be sent: enter a first password for the user.")
        names = {role.name for role in form.roles.data}
        if "Marketer" in names and form.branch.data is None:
            raise FieldError("branch", "Choose the branch that the marketer sees.")
        if item is not None:
            staff.check_admin_stays(item, active=form.active.data, roles=names)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the account; a change of its access waits for another administrator where there is one."""
        new_access = access.access_of(item)
        if created:
            if form.password.data:
                passwords.check(item, form.password.data)
            item.password = generate_password_hash(form.password.data or secrets.token_urlsafe(48))
            item.password_given = True
            item.roles, item.branch = [], None
            db.session.add(item)
            db.session.flush()
            taints.add_taint(item, g.user, taints.SET_UP)
        else:
            access.discard_changes(item)
        if new_access == access.access_of(item):
            return
        check_reason(form)
        flash_outcome(
            item.username, access.ask_for_access(item, new_access, g.user, form.access_reason.data or "")
        )

    def remove(self, item: Any) -> None:
        """Delete an account that was never used. Raises DomainError for the user's own and for a used one."""
        if item.id == g.user.id:
            raise DomainError("You can't delete your own account.")
        if not staff.can_be_deleted(item):
            raise DomainError(
                "%(name)s has roles or has logged in before; disable the account instead of deleting it.",
                name=item.username,
            )
        db.session.delete(item)

    def _store(self, form: Any, item: Any | None) -> bool:
        """Store the account and mail its link; the account stays when the mail can't be sent."""
        stored: bool = super()._store(form, item)
        if stored and item is None and not form.password.data:
            account = db.session.scalars(select(Staff).where(Staff.username == form.username.data)).one()
            try:
                self.sendlink(account)
            except DomainError as error:
                flash(error.text(), "danger")
        return stored

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        if item.id != g.user.id:
            return shown
        own_sessions = sessions.live_sessions(
            db.session.connection(), current_app.config["SETTINGS"], item.id
        )
        widget = SessionsWidget(
            sessions=own_sessions, present=current_id(), when=formats.when, browser=accounts.browser_name
        )
        return shown | {"more": [widget]}

    def _form_widget(self, kind: str, form: Any, *args: Any) -> dict[str, Any]:
        if kind == "add":
            form.password.description = accounts.first_password_help()
        return super()._form_widget(kind, with_reason_help(form), *args)

    _add, _edit, _delete = ConsoleView._add, ConsoleView._edit, ConsoleView._delete
    show = ConsoleView.show


def check_reason(form: Any) -> None:
    """Raise FieldError when no reason is given for a change of access."""
    if (form.access_reason.data or "").strip():
        return
    if access.has_second_administrator(g.user):
        raise FieldError("access_reason", "Another administrator must approve this; state a reason.")
    raise FieldError("access_reason", "State a reason; it is kept with the approval and in the change log.")


def with_reason_help(form: Any) -> Any:
    """Return the form, whose reason field says so when no second person can approve the change."""
    if "access_reason" in form and not access.has_second_administrator(g.user):
        form.access_reason.description = _(
            "Required when roles, branch, e-mail, enabling or permissions change. There is only one "
            "administrator, so the change takes effect at once without a second check and is recorded as "
            "unchecked."
        )
    return form


def flash_outcome(name: str, approval: Approval | None) -> None:
    """Tell the user whether a change of access waits for another administrator or is already in force."""
    if approval is None:
        flash(
            _(
                "The access of %(name)s changed at once: there is only one administrator, so no second "
                "person checked it. It is recorded as unchecked.",
                name=name,
            ),
            "warning",
        )
        return
    flash(_("The access change for %(name)s waits for another administrator.", name=name), "warning")
    if access.has_no_decider(approval):
        flash(
            _("At present nobody can approve it: everybody who could counts as one person with you.")
            + " "
            + accounts.link_advice(),
            "warning",
        )


def _permissions_field() -> QuerySelectMultipleField:
    """Return the field in which permissions are selected."""
    return QuerySelectMultipleField(
        lazy_gettext("Permissions"),
        query_func=role_labels.grantable_permissions,
        get_pk_func=lambda pair: pair.id,
        get_label=role_labels.permission_text,
    )


def _purpose(role: Role) -> str:
    return str(role_labels.PURPOSE.get(role.name, ""))


def _members(role: Role) -> Any:
    query = select(func.count()).select_from(Staff).where(Staff.active, Staff.roles.any(Role.id == role.id))
    return formats.number(db.session.scalar(query))


class RoleView(ConsoleView):
    """Roles and their permissions."""

    model = Role

    route_base = "/roles"
    list_title = lazy_gettext("Roles")
    show_title = lazy_gettext("Role")
    add_title = lazy_gettext("Add role")
    edit_title = lazy_gettext("Edit role")
    base_order = ("id", "asc")
    computed = {"role_purpose": _purpose, "members": _members}
    number_columns = frozenset({"members"})
    list_columns = ["name", "role_purpose", "members"]
    order_columns = ["name"]
    search_columns = ["name"]
    show_columns = ["name", "role_purpose", "members", "permissions"]
    add_columns = ["name", "permissions"]
    edit_columns = ["permissions"]
    label_columns = {
        "name": lazy_gettext("Name"),
        "role_purpose": lazy_gettext("Purpose"),
        "members": lazy_gettext("Active users"),
        "permissions": lazy_gettext("Permissions"),
    }
    formatters_columns = {"name": formats.label(labels.ROLE), "permissions": role_labels.grouped}
    add_form_extra_fields = {"permissions": _permissions_field()}
    edit_form_extra_fields = {"permissions": _permissions_field(), "access_reason": forms.access_reason()}
    edit_fieldsets = [(None, {"fields": ["permissions", "access_reason"]})]

    def heading(self, item: Any) -> str:
        """Return the display name of the role."""
        return labels.word(labels.ROLE, item.name)

    def lock_reason(self, item: Any) -> str | None:
        """Return why a built-in role (see app/permissions.py) can't be changed, None for any other."""
        if item.name in permissions.ROLES.values() or item.name == "Public":
            return _(
                "“%(role)s” is built in. Add a role of your own to change permissions.",
                role=self.heading(item),
            )
        return None

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the role; a change of its permissions waits for another administrator where there is one."""
        new_permissions = role_labels.with_menu(form.permissions.data)
        if created:
            item.permissions = new_permissions
            db.session.add(item)
            return
        access.discard_permission_changes(item)
        if {pair.id for pair in item.permissions} == {pair.id for pair in new_permissions}:
            return
        check_reason(form)
        texts = role_labels.differences(item.permissions, new_permissions)
        ids = sorted(pair.id for pair in new_permissions)
        flash_outcome(
            self.heading(item),
            access.ask_for_permissions(item, ids, g.user, form.access_reason.data or "", texts),
        )

    def _form_widget(self, kind: str, form: Any, *args: Any) -> dict[str, Any]:
        return super()._form_widget(kind, with_reason_help(form), *args)

    def remove(self, item: Any) -> None:
        """Delete the role. Raises DomainError when a user has it."""
        if item.user:
            raise DomainError("%(n)s users have this role; remove it from them first.", n=len(item.user))
        db.session.delete(item)


class ProfileView(SimpleFormView):  # type: ignore[misc]
    """个人资料: the settings that users change themselves."""

    route_base = "/profile"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.ProfileForm
    form_title = lazy_gettext("My profile")

    def form_get(self, form: Any) -> None:
        """Show the stored language, and the phone masked."""
        form.language.data = g.user.language
        if g.user.phone_masked:
            form.phone.label.text = _("My mobile number (now %(phone)s)", phone=g.user.phone_masked)
        else:
            del form.no_phone

    def form_post(self, form: Any) -> Any:
        """Store the phone and the language, and switch to that at once."""
        g.user.language = form.language.data
        try:
            if form.no_phone.data:
                own_phone.forget_phone(g.user)
            elif form.phone.data:
                own_phone.set_phone(g.user, form.phone.data)
        except FieldError as error:
            return refuse(self, form, error)
        db.session.commit()
        session["locale"] = form.language.data
        flash(_("Saved."), "success")
        return redirect(url_for("StaffView.userinfo"))


def refuse(view: SimpleFormView, form: Any, error: FieldError) -> Any:
    """Show the form again with an error of one of its fields, and change nothing."""
    db.session.rollback()
    form[error.field].errors = [*form[error.field].errors, error.text()]
    widgets = view._get_edit_widget(form=form)
    return view.render_template(view.form_template, title=view.form_title, widgets=widgets)


class MyPasswordView(SimpleFormView):  # type: ignore[misc]
    """Change of the user's own password, which asks for the present one."""

    route_base = "/resetmypassword"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.MyPasswordForm
    form_title = lazy_gettext("Change my password")

    def form_get(self, form: Any) -> None:
        """Explain to users with a password chosen by somebody else why they are sent here."""
        if g.user.password_given:
            flash(_("Somebody else chose your password. Choose one of your own first."), "warning")

    def form_post(self, form: Any) -> Any:
        """Store the new password."""
        try:
            self.appbuilder.sm.reset_password(g.user.id, form.password.data)
        except FieldError as error:
            return refuse(self, form, error)
        flash(_("Your password was changed."), "success")
        return redirect(url_for("StaffView.userinfo"))


class PasswordLinkView(BaseView):  # type: ignore[misc]
    """Choice of a password through a mailed link, without log-in. Reveals nothing about the account."""

    route_base = "/password"
    default_view = "choose"
    base_permissions: ClassVar[list[str]] = []

    @expose("/choose", methods=["GET", "POST"])
    def choose(self) -> Any:
        """Show the form, or set the password and go to the log-in page."""
        form = forms.ChooseForm()
        if form.validate_on_submit():
            try:
                self.appbuilder.sm.choose_password(form.token.data or "", form.password.data)
            except FieldError as error:
                db.session.rollback()
                form.password.errors = [*form.password.errors, error.text()]
            except DomainError as error:
                db.session.rollback()
                flash(error.text(), "danger")
            else:
                logout_user()
                flash(_("Your password is set. Log in with it."), "success")
                return redirect(self.appbuilder.get_url_for_login)
        return self.render_template("staff/choose_password.html", form=form)


class PasswordView(SimpleFormView):  # type: ignore[misc]
    """New password for another user."""

    route_base = "/resetpassword"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.PasswordForm
    form_title = lazy_gettext("Reset password")

    def form_post(self, form: Any) -> Any:
        """Store the new password."""
        key = row_id(request.args.get("pk"))
        account = db.session.get(Staff, key) if key else None
        if account is None:
            abort(404)
        try:
            self.appbuilder.sm.reset_password(account.id, form.password.data)
        except FieldError as error:
            return refuse(self, form, error)
        flash(_("%(name)s has a new password.", name=account.username), "success")
        flash(accounts.second_person_text(account), "warning")
        return redirect(url_for("StaffView.show", pk=account.id))

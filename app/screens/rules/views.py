"""The screens of rules and their versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, abort, flash, jsonify, redirect, request, stream_with_context, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.console import formats
from app.console import versions as version_views
from app.console.access import may, me
from app.console.table import Link
from app.console.urls import list_url
from app.console.versions import Pausable, SubmitsVersions
from app.console.view import ConsoleView
from app.console.widgets import TurnoverWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib.row_id import whole_number
from app.models import Rule, RuleVersion
from app.rules import approval, describe, drafts, versions
from app.rules.definition import RuleDef
from app.screens.approvals.page import turnover_table
from app.screens.rules import coverage, editor
from app.screens.rules.backtests import StartsBacktests


def _saved(save: Callable[[RuleDef], RuleVersion]) -> Any:
    """Save the posted rule. Return its address as JSON, or its problems, or the conflicting draft."""
    try:
        definition = editor.parse_valid(request.form.get("rule", ""))
        version = save(definition)
        db.session.commit()
    except editor.MalformedError as error:
        return jsonify(problems=editor.problems_json(error.problems)), 422
    except drafts.DraftChangedError as error:
        conflict = editor.conflict(request.form.get("base", ""), error.version, definition)
        db.session.rollback()
        return jsonify(conflict), 409
    except FieldError as error:
        db.session.rollback()
        return jsonify(problems=[{"field": error.field, "text": error.text(), "note": False}]), 422
    except DomainError as error:
        db.session.rollback()
        return jsonify(problems=[{"field": "", "text": error.text(), "note": False}]), 422
    flash(_("%(version)s is saved.", version=str(version)), "success")
    return jsonify(url=url_for("RuleVersionView.show", pk=version.id))


def _revision() -> int:
    """Return the revision that the editor started from, 0 (which no draft has) for an invalid one."""
    return whole_number(request.form.get("revision")) or 0


class RuleVersionView(SubmitsVersions, StartsBacktests, ConsoleView):
    """Versions of rules: drafts, which can be edited and submitted, the one in force, and earlier ones."""

    model = RuleVersion
    approval = approval
    computed = {"sentence": describe.version_sentence, "scoring": describe.version_scoring}
    base_permissions = ["can_list", "can_show", "can_edit", "can_delete", "can_submit", "can_backtest"]
    about = lazy_gettext("All versions of the rules: drafts, submitted, in force and former ones.")
    empty_next = ("RuleView",)
    empty_hint = lazy_gettext("No version yet. Make a new draft on the rule's page.")
    list_title = lazy_gettext("Rule versions")
    show_title = lazy_gettext("Rule version")
    # Required by Flask-AppBuilder but unused: the editor is not a generated form.
    add_columns = edit_columns = ["name"]
    list_columns = ["rule", "number", "status", "sentence", "created_by", "created_at"]
    order_columns = ["number", "status", "created_at"]
    search_columns = ["rule", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = [
        "rule",
        "number",
        "status",
        "name",
        "description",
        "sentence",
        "scoring",
        "created_by",
        "created_at",
        "activated_by",
        "activated_at",
    ]
    label_columns = version_views.WORDS | {
        "rule": lazy_gettext("Rule"),
        "sentence": lazy_gettext("Meaning"),
        "name": lazy_gettext("Name"),
        "description": lazy_gettext("Purpose"),
        "scoring": lazy_gettext("Score and grades"),
    }
    formatters_columns = version_views.FORMATS

    def show_links(self, item: RuleVersion) -> list[Link]:
        """Return the links to submission or its request, and to back-tests."""
        return [*self.submit_links(item), *self.backtest_links(item)]

    def beside_submission(self, item: RuleVersion) -> list[Any]:
        """Return the change in coverage."""
        return [TurnoverWidget(url=url_for(".turnover", pk=item.id))]

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        return shown | {"more": [*shown.get("more", []), *self.beside_submission(item)]}

    @expose("/turnover/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("show")
    def turnover(self, pk: int) -> Any:
        """Return a table of coverage by the version and the one before it, loaded by the page."""
        return turnover_table(self._row(pk).id)

    @expose("/edit/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: int) -> Any:
        """Show the rule editor for a draft, or save what it posts unless somebody else changed the draft."""
        item = self._row(pk)
        if request.method == "POST":
            return _saved(lambda definition: drafts.save(item.id, definition, me(), revision=_revision()))
        self._refuse_if_locked(item)
        title = _("Edit %(version)s", version=str(item))
        content = editor.page(editor.stored(item), item)
        return self.render_template("rules/editor.html", title=title, **content)

    @expose("/wording", methods=["POST"])
    @has_access
    @permission_name("edit")
    def wording(self) -> Any:
        """Return the meaning of the typed rule and its problems as JSON."""
        return jsonify(editor.wording(request.form.get("rule", "")))

    @expose("/coverage", methods=["POST"])
    @has_access
    @permission_name("edit")
    def coverage(self) -> Any:
        """Stream how many leads the typed rule catches, as lines of JSON."""
        days = request.form.get("days", "", type=str)
        if days not in map(str, coverage.DAYS):
            abort(400, description=_("The chart can't show this number of days."))
        lines = stream_with_context(coverage.lines(request.form.get("rule", ""), int(days)))
        return Response(lines, mimetype="application/x-ndjson", headers={"X-Accel-Buffering": "no"})

    @expose("/find")
    @has_access
    @permission_name("edit")
    def find(self) -> Any:
        """Return the matching choices of a search box of the editor as JSON."""
        kind = request.args.get("kind", "")
        if kind not in editor.KINDS:
            abort(404)
        return jsonify(groups=editor.find(kind, request.args.get("q", "")[:100]))


class RuleView(Pausable, ConsoleView):
    """监控指标: the rules."""

    model = Rule
    life = versions
    computed = {"sentence": describe.rule_sentence}
    related_views = [RuleVersionView]
    about = lazy_gettext("What must be true of a customer's activity to be high-potential.")
    empty_hint = lazy_gettext("No rule yet. Add one, give it conditions and put it in force.")
    list_title = lazy_gettext("Rules")
    show_title = lazy_gettext("Rule")
    add_title = lazy_gettext("Add rule")
    base_order = ("code", "asc")
    add_columns = edit_columns = ["name"]
    list_columns = ["code", "name", "status", "sentence", "active_version"]
    order_columns = ["code", "name", "status"]
    search_columns = ["name", "code", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = ["code", "name", "description", "status", "active_version", "sentence", "created_at"]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "description": lazy_gettext("Purpose"),
        "status": lazy_gettext("Status"),
        "active_version": lazy_gettext("Version in force"),
        "sentence": lazy_gettext("Meaning"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "code": formats.code,
        "status": formats.tag(labels.VERSION_STATUS, "version"),
        "created_at": formats.when,
    }
    base_permissions = [
        "can_list",
        "can_show",
        "can_add",
        "can_delete",
        "draft",
        "pause",
        "resume",
        "retire",
    ]

    def show_links(self, item: Rule) -> list[Link]:
        """Return the link to the rule's customers, to contact, assign or export them."""
        if not may("can_list", "CustomerView"):
            return []
        return [Link(_("Customers of this rule"), list_url("CustomerView", rule=item.id))]

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Show the rule editor for a new rule, or create the rule that it posts."""
        if request.method == "POST":
            return _saved(lambda definition: drafts.create(definition, me()))
        content = editor.page(editor.blank(), None)
        return self.render_template("rules/editor.html", title=str(self.add_title), **content)

    def remove(self, item: Any) -> None:
        """Delete the rule. Raises DomainError when it has hits."""
        versions.delete_rule(item)

    @action("draft", lazy_gettext("New draft"), multiple=False)
    def draft(self, item: Rule) -> Any:
        """Open the rule's draft in the editor; without a draft, make one from the newest version."""
        version = versions.draft_of(item, me())
        db.session.commit()
        return redirect(url_for("RuleVersionView.edit", pk=version.id))

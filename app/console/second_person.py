"""Forms whose change may need a second person: a reason is asked for only when it does."""

from __future__ import annotations

from typing import Any

from flask import flash, g
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import StringField
from wtforms.validators import Length

from app.approvals.definitions import DefinitionKind
from app.errors import FieldError
from app.models import Approval

REASON = StringField(
    lazy_gettext("Reason for the change"),
    description=lazy_gettext("A second person reads it and decides."),
    validators=[Length(max=500)],
)


class AsksForReason:
    """Mix-in of a view whose forms end with the field ``reason``, hidden until a change needs it."""

    def _form_widget(self, kind: str, form: Any, excluded: Any, columns: Any, groups: Any) -> dict[str, Any]:
        reason = getattr(form, "reason", None)
        hidden = ["reason"] if reason is not None and not (reason.errors or reason.data) else []
        widget: dict[str, Any] = super()._form_widget(  # type: ignore[misc]
            kind, form, [*(excluded or []), *hidden], columns, groups
        )
        return widget

    def ask_or_keep(self, kind: DefinitionKind[Any], item: Any, new: Any, reason: str | None) -> None:
        """Take back the pending change of a definition and request it when rules in force use it.

        Raises FieldError when that needs a reason.
        """
        old = kind.stored(item)
        rules = kind.affected(old, new)
        if not rules:
            return
        if not (reason or "").strip():
            raise FieldError(
                "reason",
                "The rules in force %(rules)s use it, so a second person must approve this change: state a "
                "reason and save again.",
                rules=", ".join(rules),
            )
        kind.take_back(item, old)
        self.flash_request(kind.ask(item, new, g.user, str(reason)), item.name)

    def flash_request(self, approval: Approval | None, name: str) -> None:
        """Say that a change waits for a second person, or took effect for want of one."""
        if approval is not None:
            flash(_("%(item)s has been submitted; another person must approve it.", item=name), "warning")
            return
        unchecked = _("Nobody else can approve this: it took effect at once and was recorded as unchecked.")
        flash(unchecked, "warning")

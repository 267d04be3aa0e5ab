"""The compliance rules of outreach, kept as a history and changed only with a second person's approval."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from pydantic import Field, ValidationError, model_validator
from sqlalchemy import select

from app import approvals, labels
from app.approvals import Change
from app.errors import N_, DomainError, FieldError
from app.extensions import db
from app.lib import clock
from app.lib.pointers import to_row
from app.lib.strict import Strict
from app.models import Approval, OutreachSetting, Staff, VersionStatus
from app.rules.conversions import DEFAULT_DAYS

KIND = "setting"
#: characters that the opt-out sentence needs at least
MIN_OPT_OUT = 4
Times = Annotated[int, Field(ge=1, le=100)]
Days = Annotated[int, Field(ge=1, le=366)]
Hour = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
ConversionDays = Annotated[int, Field(ge=0, le=366)]
Cost = Annotated[float, Field(ge=0, le=1000)]

LABELS: dict[str, Any] = {
    "sms_cap": lazy_gettext("SMS per person"),
    "sms_days": lazy_gettext("SMS counted over"),
    "call_cap": lazy_gettext("Calls per person"),
    "call_days": lazy_gettext("Calls counted over"),
    "total_cap": lazy_gettext("Contacts per person in total"),
    "total_days": lazy_gettext("Total counted over"),
    "open_from": lazy_gettext("Contact hours from"),
    "open_to": lazy_gettext("Contact hours to"),
    "skip_holidays": lazy_gettext("No contact on public holidays"),
    "wait_days": lazy_gettext("Longest wait of a batch for contact hours"),
    "excluded_grades": lazy_gettext("Excluded grades"),
    "excluded_hit_statuses": lazy_gettext("Excluded hit statuses"),
    "excluded_lead_statuses": lazy_gettext("Excluded lead statuses"),
    "control_percent": lazy_gettext("Universal control group"),
    "conversion_days": lazy_gettext("Conversion days"),
    "approval_above": lazy_gettext("Second-person approval for batches above"),
    "opt_out_sentence": lazy_gettext("Opt-out sentence at the end of every SMS"),
    "cost_sms": lazy_gettext("Cost of one SMS segment"),
    "cost_call": lazy_gettext("Cost of one call"),
}


class OutreachSettings(Strict):
    """Rules for every contact. Caps count local calendar days, today included; None is no cap.

    Costs are in yuan.
    """

    sms_cap: Times | None = 2
    sms_days: Days = 7
    call_cap: Times | None = 2
    call_days: Days = 7
    total_cap: Times | None = 3
    total_days: Days = 7
    open_from: Hour = "09:00"
    open_to: Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")] = "20:00"
    skip_holidays: bool = True
    wait_days: Annotated[int, Field(ge=0, le=15)] = 1
    excluded_grades: list[Literal["A", "B", "C", "D"]] = []
    excluded_hit_statuses: list[Literal["waiting", "in_progress", "failed"]] = ["failed"]
    excluded_lead_statuses: list[Literal["active", "paused", "lost"]] = ["lost"]
    control_percent: Annotated[float, Field(ge=0, le=20)] = 0.0
    conversion_days: ConversionDays = DEFAULT_DAYS
    approval_above: Annotated[int, Field(ge=0, le=1_000_000)] = 500
    opt_out_sentence: Annotated[str, Field(max_length=60)] = "拒收请回复R"
    cost_sms: Cost = 0.05
    cost_call: Cost = 0.6

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> OutreachSettings:
        if self.open_from >= self.open_to:
            raise FieldError("open_to", "Contact hours must end after they begin, on the same day.")
        return self

    def hours(self) -> tuple[dt.timedelta, dt.timedelta]:
        """Return the beginning and the (excluded) end of contact hours, counted from midnight."""
        return _after_midnight(self.open_from), _after_midnight(self.open_to)


def _after_midnight(text: str) -> dt.timedelta:
    hours, minutes = text.split(":")
    return dt.timedelta(hours=int(hours), minutes=int(minutes))


def checked(values: dict[str, Any]) -> OutreachSettings:
    """Return the settings in a form's values. Raises FieldError for the first invalid value."""
    try:
        return OutreachSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else "sms_cap"
        raise FieldError(
            field, "“%(value)s” can't be used here.", value=str(first.get("input"))[:40]
        ) from error


_NO_CAPS = {"sms_cap": None, "call_cap": None, "total_cap": None}


def in_force() -> OutreachSetting | None:
    """Return the row in force, None while nobody has changed the defaults."""
    return db.session.scalar(select(OutreachSetting).where(OutreachSetting.status == VersionStatus.ACTIVE))


def current() -> OutreachSettings:
    """Return the settings in force."""
    row = in_force()
    return OutreachSettings.model_validate(row.values) if row else OutreachSettings()


def of_journeys() -> OutreachSettings:
    """Return the settings for contacts of journeys: those in force, and no caps while nobody has set any."""
    values = current()
    return values if in_force() is not None else values.model_copy(update=_NO_CAPS)


def propose(values: OutreachSettings, user: Staff, reason: str) -> Approval:
    """Submit new settings for approval by a second person. Does not commit.

    Raises DomainError when nothing would change, FieldError without a proper opt-out sentence.
    """
    if len(values.opt_out_sentence.strip()) < MIN_OPT_OUT:
        raise FieldError(
            "opt_out_sentence",
            "Every SMS must say how to opt out, with at least %(n)s characters.",
            n=MIN_OPT_OUT,
        )
    if values == current():
        raise DomainError("No differences from the version in force.")
    row = OutreachSetting(values=values.model_dump(mode="json"), reason=reason, created_by=user.username)
    db.session.add(row)
    db.session.flush()
    return approvals.submit(KIND, row.id, user, reason)


def put_in_force(values: OutreachSettings, user: str) -> None:
    """Put settings in force without a second person, unless they are. Does not commit."""
    if in_force() is not None and values == current():
        return
    row = OutreachSetting(values=values.model_dump(mode="json"), created_by=user)
    db.session.add(row)
    _activate(row, user)
    db.session.flush()


def _activate(row: OutreachSetting, user: str) -> None:
    active, before = in_force(), current().conversion_days
    if active is not None and active is not row:
        active.status = VersionStatus.RETIRED
        db.session.flush()
    row.status, row.activated_by, row.activated_at = VersionStatus.ACTIVE, user, clock.now()
    same = OutreachSettings.model_validate(row.values).conversion_days == before
    pending = active is not None and active.recounted_at is None
    row.recounted_at = row.activated_at if same and not pending else None


def differences(old: OutreachSettings, new: OutreachSettings) -> list[Change]:
    """Return the differences in words of the current language."""
    before, after = old.model_dump(), new.model_dump()
    return [
        Change(str(LABELS[name]), in_words(name, before[name]), in_words(name, after[name]))
        for name in LABELS
        if before[name] != after[name]
    ]


def in_words(name: str, value: Any) -> str:
    """Return a setting's value in words."""
    if isinstance(value, bool):
        return labels.yes_no(value)
    if name == "excluded_hit_statuses":
        return labels.joined(labels.word(labels.HIT_STATUS, each) for each in value)
    if name == "excluded_lead_statuses":
        return labels.joined(labels.word(labels.LEAD_STATUS, each) for each in value)
    if isinstance(value, list):
        return labels.joined(value)
    if value is None:
        return _("not limited")
    if name.endswith("_cap"):
        return ngettext("%(num)s time", "%(num)s times", value)
    if name.endswith("_days"):
        return ngettext("%(num)s day", "%(num)s days", value)
    if name == "approval_above":
        return ngettext("%(num)s contact", "%(num)s contacts", value)
    if name == "control_percent":
        return _("%(n)s%% of all customers", n=f"{value:g}")
    if name.startswith("cost_"):
        return f"¥{value:,.2f}" if round(value, 2) == value else f"¥{value:g}"
    return str(value)


class _SettingKind:
    name = KIND
    permission = ("can_change", "OutreachSettingView")

    def title(self, subject_id: int) -> str:
        return _("Outreach rules #%(id)s", id=subject_id)

    def state(self, subject_id: int) -> str:
        row, active = _row(subject_id), in_force()
        return f"{active.id if active else None} {OutreachSettings.model_validate(row.values)!r}"

    def makers(self, subject_id: int) -> set[str]:
        return {_row(subject_id).created_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        return differences(current(), OutreachSettings.model_validate(_row(subject_id).values))

    def submitted(self, approval: Approval) -> None:
        _row(approval.subject_id).status = VersionStatus.SUBMITTED

    def apply(self, approval: Approval, user: str) -> None:
        _activate(_row(approval.subject_id), user)

    def returned(self, approval: Approval) -> None:
        _row(approval.subject_id).status = VersionStatus.DRAFT

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("outreach_setting", subject_id)


def _row(subject_id: int) -> OutreachSetting:
    return approvals.subject_row(OutreachSetting, subject_id, N_("These settings no longer exist."))


approvals.register(_SettingKind())

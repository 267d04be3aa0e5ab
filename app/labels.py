"""Display names of codes, translated where they are shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from flask import current_app
from flask_babel import gettext, lazy_gettext, pgettext
from flask_babel.speaklater import LazyString
from markupsafe import escape

from app.activity import event_types, metrics

OUTREACH_CHANNEL = {"sms": lazy_gettext("SMS"), "call": lazy_gettext("Outbound call")}
OUTREACH_BULK_ACTION = {
    "sms": lazy_gettext("Send SMS in bulk"),
    "call": lazy_gettext("Outbound calls in bulk"),
}
OUTREACH_ACTION = {"sms": lazy_gettext("Send SMS"), "call": lazy_gettext("Outbound call")}
#: statuses of a batch, and what a confirmed one waits for
OUTREACH_BATCH_STATUS = {
    "checking": lazy_gettext("Being checked"),
    "checked": lazy_gettext("To be confirmed"),
    "waiting": lazy_gettext("Awaiting approval"),
    "time": lazy_gettext("Scheduled"),
    "hours": lazy_gettext("Waiting for contact hours"),
    "running": lazy_gettext("Being sent"),
    "paused": lazy_gettext("Paused"),
    "done": lazy_gettext("Done"),
    "cancelled": lazy_gettext("Cancelled"),
    "failed": lazy_gettext("Failed"),
}
_CALL_BATCH_STATUS = OUTREACH_BATCH_STATUS | {"running": lazy_gettext("Calls being made")}
OUTREACH_STATUS = {
    "queued": lazy_gettext("Waiting to be sent"),
    "sending": lazy_gettext("Submitting"),
    "unknown": lazy_gettext("Unknown, asking the gateway"),
    "sent": lazy_gettext("Sent out"),
    "delivered": lazy_gettext("Delivered"),
    "no_answer": lazy_gettext("No answer"),
    "answered": lazy_gettext("Answered"),
    "interested": lazy_gettext("Interested"),
    "refused": lazy_gettext("Refused"),
    "opt_out": lazy_gettext("Opted out"),
    "converted": lazy_gettext("Reported as converted"),
    "failed": lazy_gettext("Failed"),
    "held": lazy_gettext("Held back"),
    "dropped": lazy_gettext("Dropped"),
}
#: an SMS is replied to, not answered
_SMS_STATUS = OUTREACH_STATUS | {"answered": lazy_gettext("Replied")}
_CALL_STATUS = OUTREACH_STATUS | {
    "queued": lazy_gettext("Waiting to be called"),
    "sent": lazy_gettext("Called"),
}
GATEWAY = {"sandbox": lazy_gettext("Sandbox (contacts nobody)")}
LEAD_STATUS = {
    "active": lazy_gettext("Active"),
    "paused": lazy_gettext("Paused"),
    "lost": lazy_gettext("Lost"),
}
HIT_STATUS = {
    "waiting": lazy_gettext("Waiting"),
    "in_progress": lazy_gettext("In progress"),
    "converted": lazy_gettext("Converted"),
    "failed": lazy_gettext("Contacted, no interest"),
}
#: with that of hits that count nowhere
ANY_HIT_STATUS = HIT_STATUS | {"withdrawn": lazy_gettext("Withdrawn")}
VERSION_STATUS = {
    "draft": lazy_gettext("Draft"),
    "submitted": lazy_gettext("Awaiting approval"),
    "canary": lazy_gettext("In force for a share"),
    "active": lazy_gettext("In force"),
    "paused": lazy_gettext("Paused"),
    "retired": lazy_gettext("Retired"),
}
APPROVAL_STATUS = {
    "waiting": lazy_gettext("Awaiting approval"),
    "approved": lazy_gettext("Approved"),
    "rejected": lazy_gettext("Rejected"),
    "withdrawn": lazy_gettext("Withdrawn"),
    "expired": lazy_gettext("Expired"),
    "unchecked": lazy_gettext("In force without approval"),
}
APPROVAL_KIND = {
    "rule_version": lazy_gettext("Rule"),
    "schedule_version": lazy_gettext("Schedule"),
    "journey_version": lazy_gettext("Journey"),
    "journey_move": lazy_gettext("Move within a journey"),
    "log_correction": lazy_gettext("Correction of a log delivery"),
    "large_export": lazy_gettext("Large export"),
    "unmasked_export": lazy_gettext("Export with phone numbers in clear"),
    "outreach_batch": lazy_gettext("Bulk outreach"),
    "role_change": lazy_gettext("User access"),
    "role_permissions": lazy_gettext("Role permissions"),
    "setting": lazy_gettext("Settings change"),
    "api_key": lazy_gettext("Bank-wide API key"),
    "suppression_removal": lazy_gettext("Removal from the do-not-disturb list"),
    "gateway": lazy_gettext("Outreach gateway"),
    "institution": lazy_gettext("Category or region of an institution"),
    "fact": lazy_gettext("Definition of a fact"),
    "product": lazy_gettext("Terms of a product"),
}
#: the reasons that the system itself gives for an entry of the do-not-disturb list
OPT_OUT_REASON = "outreach opt-out"
SUPPRESSION_REASON = {OPT_OUT_REASON: lazy_gettext("Opted out when contacted")}
FACT_KIND = {
    "number": lazy_gettext("Numeric"),
    "money": lazy_gettext("Amount of money"),
    "date": lazy_gettext("Date"),
    "choice": lazy_gettext("Choice"),
    "flag": lazy_gettext("Yes or no"),
    "text": lazy_gettext("Free text"),
}
PURPOSE = {
    "marketing": lazy_gettext("Marketing"),
    "service": lazy_gettext("Service"),
    "risk": lazy_gettext("Risk control"),
}
BATCH_KIND = {
    "leads": lazy_gettext("Lead list"),
    "suppressions": lazy_gettext("Do-not-disturb list"),
    "facts": lazy_gettext("Facts"),
    "outcomes": lazy_gettext("Outcomes"),
}
BATCH_STATUS = {
    "reading": lazy_gettext("Being read"),
    "prepared": lazy_gettext("To be matched"),
    "checking": lazy_gettext("Being checked"),
    "checked": lazy_gettext("To be started"),
    "cancelled": lazy_gettext("Cancelled"),
    "running": lazy_gettext("Running"),
    "done": lazy_gettext("Done"),
    "failed": lazy_gettext("Failed"),
    "undoing": lazy_gettext("Being undone"),
    "undone": lazy_gettext("Undone"),
}
RUN_STATUS = {
    "asked": lazy_gettext("Awaiting approval"),
    "queued": lazy_gettext("Queued"),
    "running": lazy_gettext("Running"),
    "held": lazy_gettext("Held: data incomplete"),
    "done": lazy_gettext("Done"),
    "failed": lazy_gettext("Failed"),
    "cancelled": lazy_gettext("Cancelled"),
}
MAIL_STATUS = {
    "waiting": lazy_gettext("To be sent"),
    "sending": lazy_gettext("Being sent"),
    "sent": lazy_gettext("Was sent"),
    "failed": lazy_gettext("Failed"),
    "dropped": lazy_gettext("Not needed"),
}
RUN_NOTE = {"incomplete": lazy_gettext("Data incomplete")}
RUN_KIND = {"t1": lazy_gettext("T+1 run")}
BULK_KIND = {
    "tag": lazy_gettext("Add tag"),
    "untag": lazy_gettext("Remove tag"),
    "delete": lazy_gettext("Delete"),
}
EXPORT_KIND = {
    "leads": lazy_gettext("Lead list"),
    "hits": lazy_gettext("Hit list"),
    "customers": lazy_gettext("Customer list"),
}
CUSTOMER_STATE = {
    "open": lazy_gettext("To be worked on"),
    "blocked": lazy_gettext("Nobody may contact"),
    "done": lazy_gettext("Nothing left to do"),
}
EXPORT_FORMAT = {"xlsx": lazy_gettext("Excel (.xlsx)"), "csv": lazy_gettext("CSV (.csv)")}
SUBJECT_KIND = {
    "find": lazy_gettext("Searched"),
    "show": lazy_gettext("Viewed"),
    "export": lazy_gettext("Exported as a file"),
    "erase": lazy_gettext("Erased"),
}
STEP_STATUS = {
    "waiting": lazy_gettext("Pending"),
    "running": lazy_gettext("Running"),
    "done": lazy_gettext("Done"),
    "held": lazy_gettext("Held"),
    "failed": lazy_gettext("Failed"),
}
ROLE = {
    "Admin": lazy_gettext("Administrator"),
    "Manager": lazy_gettext("Marketing manager"),
    "Marketer": lazy_gettext("Marketer"),
    "DataOperator": lazy_gettext("Data operator"),
    "Auditor": lazy_gettext("Auditor"),
    "Integration": lazy_gettext("Bank system (API)"),
    "Public": lazy_gettext("Not logged in"),
}
METRIC: dict[str, Any] = {code: lazy_gettext(metrics.REGISTRY[code].label) for code in metrics.METRICS}
MATCH = {"all": lazy_gettext("All conditions"), "any": lazy_gettext("Any condition")}
EVENT_TYPE: dict[str, Any] = {
    code: lazy_gettext(event_types.REGISTRY[code].label) for code in event_types.EVENT_TYPES
}
RESULT = {"any": lazy_gettext("Any result"), "success": lazy_gettext("Successes only")}
CATEGORY = {
    "bank": lazy_gettext("Bank"),
    "consumer_finance": lazy_gettext("Consumer finance"),
    "micro_loan": lazy_gettext("Micro-loan"),
    "insurance": lazy_gettext("Insurance"),
    "leasing": lazy_gettext("Leasing"),
    "securities": lazy_gettext("Securities"),
    "payment": lazy_gettext("Payment"),
    "telecom": lazy_gettext("Telecom"),
    "other": lazy_gettext("Other"),
}
#: messages of the libraries we use, listed here so that the catalogue translates them
OF_LIBRARIES = (
    lazy_gettext("Access is Denied"),
    lazy_gettext("Invalid login. Please try again."),
    lazy_gettext("Already exists."),
    lazy_gettext("Not a valid choice"),
    lazy_gettext(
        "Must have at least two capital letters, one special character, two digits,"
        " three lower case letters and a minimal length of 10."
    ),
)
REJECT_REASON = {
    "missing_name": lazy_gettext("Missing name"),
    "invalid_name": lazy_gettext("Invalid name"),
    "missing_id": lazy_gettext("Missing ID number"),
    "invalid_id_number": lazy_gettext("Invalid ID number"),
    "invalid_phone": lazy_gettext("Invalid phone number"),
    "duplicate_in_file": lazy_gettext("Duplicate in the file"),
    "unknown_branch": lazy_gettext("Unknown branch"),
    "invalid_branch": lazy_gettext("Invalid branch name"),
    "undecodable": lazy_gettext("Unreadable bytes"),
    "malformed_row": lazy_gettext("Unbalanced quotation marks"),
    "unknown_lead": lazy_gettext("Person not on the lead list"),
    "bad_value": lazy_gettext("Not a value of the fact"),
    "missing_outcome_id": lazy_gettext("No outcome number"),
    "unknown_product": lazy_gettext("Unknown product"),
    "bad_date": lazy_gettext("Date unusable"),
    "bad_amount": lazy_gettext("Not an amount of money"),
    "bad_as_of": lazy_gettext("Date unusable"),
    "missing_target": lazy_gettext("Neither phone nor ID number"),
    "bad_expiry": lazy_gettext("Invalid or past expiry date"),
    "unreadable_file": lazy_gettext("File can't be read"),
    "missing_request_id": lazy_gettext("Missing request id"),
    "bad_event_time": lazy_gettext("Invalid event time"),
    "unknown_event_type": lazy_gettext("Unknown event type"),
    "missing_institution": lazy_gettext("Missing institution"),
    "bad_id_hash": lazy_gettext("Invalid ID hash"),
    "bad_result": lazy_gettext("Invalid result"),
    "malformed_line": lazy_gettext("Line can't be parsed"),
}


def word(words: dict[str, Any], code: Any) -> str:
    """Return the display name of a code, or the code itself when it has none."""
    return str(words.get(code, code if code is not None else ""))


def contact_words(channel: str) -> dict[str, Any]:
    """Return the display names of a channel's contact statuses."""
    return _SMS_STATUS if channel == "sms" else _CALL_STATUS


def batch_words(channel: str) -> dict[str, Any]:
    """Return the display names of the statuses of a channel's batches."""
    return OUTREACH_BATCH_STATUS if channel == "sms" else _CALL_BATCH_STATUS


def of_both(sms: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    """Return the display names of codes of both channels, with both words where they differ."""

    def both(code: str) -> Any:
        return LazyString(lambda: " / ".join(dict.fromkeys((word(sms, code), word(call, code)))))

    return {code: both(code) for code in sms}


def choices(words: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the choices of a select field, in the order of the words."""
    return list(words.items())


def local(moment: dt.datetime) -> dt.datetime:
    """Return the moment in local time. One without a time zone is Flask-AppBuilder's, in server time."""
    return moment.astimezone(current_app.config["SETTINGS"].zone)


def yes_no(value: Any) -> str:
    """Return a translated Yes or No."""
    return gettext("Yes") if value else gettext("No")


def enumerated(words: Iterable[Any]) -> str:
    """Join words to an enumeration in plain text."""
    return str(pgettext("enumeration", ", ")).join(map(str, words))


def joined(words: Iterable[Any]) -> str:
    """Join words to an enumeration, escaping all but markup."""
    return escape(pgettext("enumeration", ", ")).join(words)

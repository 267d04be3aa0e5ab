"""Outreach as text and HTML: batches, contacts, templates, rules, gateways, and one customer's history."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import g, url_for
from flask_babel import force_locale
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select

from app import labels
from app.access.people import name_of
from app.approvals.requests import LANGUAGES
from app.console import formats, people, selection, table
from app.console.access import may, view_of_model
from app.console.urls import list_url
from app.effect.labels import STAGE, claims_stand_in
from app.effect.reach import Stage
from app.errors import DomainError
from app.extensions import db
from app.hits.filters import ANY_STATE
from app.lib import clock
from app.lib.amounts import yuan
from app.models import (
    Approval,
    ContactStatement,
    Customer,
    Hit,
    Lead,
    Outreach,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachGateway,
    OutreachSetting,
    OutreachStatus,
    OutreachTemplate,
    OutreachTemplateVersion,
    OutreachTest,
    SandboxMessage,
)
from app.outreach import (
    batches,
    candidates,
    comparison,
    cost,
    gateways,
    http_gateway,
    sandbox,
    settings,
    start_time,
    templates,
    variants,
    why,
)
from app.outreach.compliance import DROPPED, PASSED, REASONS
from app.products import catalogue as products
from app.rules import conversions
from app.screens.outreach import batch_money
from app.screens.outreach import variants as texts
from app.screens.outreach.words import word
from app.segments.contacts import ANSWERED
from app.selection import Selection

SAMPLES = 5
#: characters of a script that are read out in a minute
SPOKEN_A_MINUTE = 240
_WAITING = {"queued", "sending"}
#: statuses of contacts with whom nothing is to be done next
_NOT_REACHED = {*_WAITING, "held", "dropped", "opt_out"}
#: states of batches that look like a state of other work
_PROGRESS_TAGS = {
    "checking": "running",
    "time": "queued",
    "hours": "queued",
    "paused": "held",
    "cancelled": "failed",
}


def sandbox_note(channel: str = "") -> str:
    """Return a warning when contacts reach nobody because no gateway is set up, else nothing."""
    channels = [channel] if channel else list(templates.CHANNELS)
    if not any(gateways.uses_sandbox(each) for each in channels):
        return ""
    return _("Sandbox: no gateway is set up, so nothing reaches a customer; replies are simulated.")


def preview(version: OutreachTemplateVersion, lead: Lead | None) -> dict[str, Any]:
    """Return the text with the masked values of a real customer, and its length."""
    text = templates.example(version, lead, clock.today(), settings.current().opt_out_sentence)
    return {
        "text": text,
        "length": templates.length(text) if version.template.channel == "sms" else None,
        "spoken": "" if version.template.channel == "sms" else spoken_text(text),
        "to": f"{lead.lead_no} {lead.phone_masked}" if lead is not None else "",
    }


def template_body(template: OutreachTemplate) -> str:
    """Return the text of the current version as it is typed."""
    return template.versions[0].body if template.versions else ""


def template_text(template: OutreachTemplate) -> str:
    """Return the text of the current version with its variables in words."""
    return templates.in_words(template_body(template))


def template_version(template: OutreachTemplate) -> str:
    """Return the number of the current version."""
    return f"v{template.versions[0].number}" if template.versions else ""


def template_length(template: OutreachTemplate) -> str:
    """Return about how long an SMS is with the opt-out sentence and a customer's values."""
    if template.channel != "sms" or not template.versions:
        return ""
    opt_out = settings.current().opt_out_sentence
    length = templates.length(templates.typical(template_body(template), template.channel, opt_out))
    return _("about %(chars)s characters, %(segments)s SMS", chars=length.chars, segments=length.segments)


def length_text(length: templates.Length) -> str:
    """Return a length as text."""
    return _(
        "%(chars)s characters, %(segments)s SMS (%(alphabet)s)",
        chars=length.chars,
        segments=length.segments,
        alphabet=length.alphabet,
    )


def spoken_text(text: str) -> str:
    """Return the length of a script and how long it takes to read out."""
    seconds = max(1, math.floor(60 * len(text) / SPOKEN_A_MINUTE + 0.5))
    return _("%(chars)s characters, about %(seconds)s seconds read out", chars=len(text), seconds=seconds)


def template_history(template: OutreachTemplate) -> Markup:
    """Return all versions with their authors."""
    line = Markup("<li>v{} · {} · {}<br>{}</li>")
    rows = [
        line.format(
            each.number,
            people.shown(each.created_by),
            formats.when(each.created_at),
            templates.in_words(each.body),
        )
        for each in template.versions
    ]
    return Markup("<ol class='plain-list versions'>{}</ol>").format(Markup("").join(rows))


def batch_template(batch: OutreachBatch) -> Any:
    """Return the template version of a batch; with letters when there are two."""
    line = Markup("<span class='text-line'>{}</span>")
    lines = [
        line.format(texts.with_letter(letter, _linked(version), share))
        for letter, version, share in variants.texts(batch)
    ]
    return Markup("<span>{}</span>").format(Markup("").join(lines))


def _linked(version: OutreachTemplateVersion) -> Any:
    if not may("can_show", "OutreachTemplateView"):
        return str(version)
    return Markup("<a href='{}'>{}</a>").format(
        url_for("OutreachTemplateView.show", pk=version.template_id), str(version)
    )


def conditions(batch: OutreachBatch) -> list[str]:
    """Return the filters that selected the batch's hits as text; nothing when the hits were ticked."""
    if "customers" in batch.selection:
        return selection.conditions(view_of_model(Customer), batch.selection["customers"])
    return selection.conditions(view_of_model(Hit), batch.selection.get("filters", ()))


def translated_conditions(batch: OutreachBatch) -> dict[str, list[str]]:
    """Return the same in every language, for the approver."""
    translated = {}
    for language in LANGUAGES:
        with force_locale(language):
            translated[language] = conditions(batch)
    return translated


def matching(hits: Selection) -> int | None:
    """Return the number of selected hits, None for invalid filters."""
    try:
        return candidates.count_of(hits)
    except DomainError:
        return None


def selection_text(batch: OutreachBatch) -> str:
    """Return how the batch's customers or hits were selected."""
    return batches.who(batch, conditions(batch))


def unapproved_today(batch: OutreachBatch) -> str:
    """Return how many contacts the creator confirmed today without a second approver, empty for none."""
    n = batches.confirmed_today(batch)
    if not n:
        return ""
    if g.user.id == batch.created_by_id:
        return _("You have confirmed %(n)s contacts today without a second approver.", n=f"{n:,}")
    return _(
        "%(person)s has confirmed %(n)s contacts today without a second approver.",
        person=name_of(batch.created_by),
        n=f"{n:,}",
    )


def load(rows: list[OutreachBatch]) -> None:
    """Count the contacts of a list's batches by status, and remember it for the request."""
    g.contacts_of_batches = candidates.by_status_of([batch.id for batch in rows if batch.confirmed_at])


def batch_counts(batch: OutreachBatch) -> str:
    """Return what came of the contacts of a confirmed batch, else how many there would be."""
    if batch.confirmed_at is not None:
        counts = g.get("contacts_of_batches", {}).get(batch.id)
        return _results(batch, candidates.by_status(batch) if counts is None else counts)
    if "go" not in batch.planned:
        return ""
    held = sum(batch.planned["held"].values())
    return _(
        "%(go)s customers to contact, %(held)s hits held back",
        go=f"{batch.planned['go']:,}",
        held=f"{held:,}",
    )


def _results(batch: OutreachBatch, counts: dict[str, int]) -> str:
    """Return the contacts by result, those that no contact has left out."""
    words = labels.contact_words(batch.channel)
    groups: list[tuple[Any, set[str]]] = [
        (words["queued"], _WAITING),
        (words["unknown"], {"unknown"}),
        (words["sent"], set(words) - {*_WAITING, "unknown", "failed", "held", "dropped"}),
        (STAGE[Stage.ANSWERED], set(ANSWERED)),
        (words["failed"], {"failed"}),
        (words["held"], {"held", "dropped"}),
    ]
    numbers = [(word, sum(counts.get(code, 0) for code in codes)) for word, codes in groups]
    return " · ".join(f"{word} {n:,}" for word, n in numbers if n)


def state_text(batch: OutreachBatch) -> str:
    """Return the state of a batch in the words of its channel, with the moment until which it waits."""
    state = labels.word(labels.batch_words(batch.channel), start_time.state_of(batch))
    moment = start_time.waits_until(batch)
    if moment is None:
        return state
    shape = "%H:%M" if moment.date() == clock.today() else "%m-%d %H:%M"
    return _("%(state)s (%(time)s)", state=state, time=f"{moment:{shape}}")


def batch_status(batch: OutreachBatch) -> Markup:
    """Return the state of a batch as a tag."""
    return Markup('<span class="tag tag-batch-{}">{}</span>').format(
        start_time.state_of(batch), state_text(batch)
    )


def confirm_word(batch: OutreachBatch) -> str:
    """Return what the button says that confirms a batch."""
    return _("Submit for approval") if batches.needs_approval(batch) else word(batch.channel, "confirm")


def confirmed(batch: OutreachBatch) -> str:
    """Return the message about a batch that was confirmed."""
    if moment := start_time.waits_until(batch):
        return _(
            "%(state)s: it starts at %(time)s. Until then you can cancel it.",
            state=labels.word(labels.OUTREACH_BATCH_STATUS, batch.waits_for),
            time=f"{moment:%Y-%m-%d %H:%M}",
        )
    return word(batch.channel, "going")


def confirmation(batch: OutreachBatch) -> dict[str, Any]:
    """Return what the page shows on which a batch is confirmed: texts, numbers, cost."""
    held = {code: n for code, n in batch.planned.get("held", {}).items() if n}
    reasons = [(str(text), held[code], code in DROPPED) for code, text in REASONS.items() if code in held]
    return {
        "batch": batch,
        "note": sandbox_note(batch.channel) if batch.gateway in ("", sandbox.NAME) else "",
        "texts": _texts(batch, {}),
        "go": batch.planned.get("go", 0),
        "held": [each[:2] for each in reasons if not each[2]],
        "dropped": [each[:2] for each in reasons if each[2]],
        "cost": yuan(cost.planned(batch)),
        "who": selection_text(batch),
        "unapproved": unapproved_today(batch),
        "needs_approval": batches.needs_approval(batch),
        "approval_above": settings.current().approval_above,
        "words": partial(word, batch.channel),
        "length_text": length_text,
    }


def _texts(batch: OutreachBatch, figures: dict[int, Any]) -> list[dict[str, Any]]:
    """Return the texts of a batch; figures of each only where there are two, else they are the batch's."""
    return [
        {
            "name": texts.with_letter(letter, _linked(version), share) if letter else "",
            "preview": preview(version, candidates.sample_lead(batch, version)),
            "facts": texts.plan(batch, version.id, figures.get(version.id)) if letter else [],
        }
        for letter, version, share in variants.texts(batch)
    ]


def batch_context(batch: OutreachBatch) -> dict[str, Any]:
    """Return what the template of a batch's page needs."""
    counts = candidates.by_status(batch)
    reasons = candidates.counts(batch)["held"]
    figures = comparison.by_text(batch)
    return {
        "batch": batch,
        "note": sandbox_note(batch.channel) if batch.gateway in ("", sandbox.NAME) else "",
        "texts": _texts(batch, figures),
        "words": partial(word, batch.channel),
        "measures": texts.measures(batch, figures),
        "relation": texts.relation(),
        "no_receipts": texts.no_receipts(figures),
        "money": batch_money.of_batch(batch),
        "stand_in": "" if conversions.judged_by_outcomes() else claims_stand_in(),
        "length_text": length_text,
        "statuses": [
            (said, counts[code], _rows(batch, "status", code), _customers(batch, code), _offer(code))
            for code, said in _statuses(batch.channel, counts)
        ],
        "reasons": [
            (str(word), reasons[code], _rows(batch, "reason", code))
            for code, word in REASONS.items()
            if code in reasons
        ],
        "samples": _samples(batch),
        "lead": table.related,
        "needs_approval": batch.status == OutreachBatchStatus.CHECKED and batches.needs_approval(batch),
        "approval_above": settings.current().approval_above,
        "unapproved": unapproved_today(batch) if batch.status == OutreachBatchStatus.CHECKED else "",
        "letter": lambda row: texts.letter_text(variants.letter(batch, row.version_id)),
        "outbox": url_for("SandboxMessageView.list") if may("can_list", "SandboxMessageView") else "",
        "when": formats.when,
        "reason_word": lambda code: labels.word(REASONS, code) if code else "",
        "status_tag": row_status,
    }


def _statuses(channel: str, counts: dict[str, int]) -> list[tuple[str, str]]:
    return [(code, str(word)) for code, word in labels.contact_words(channel).items() if code in counts]


def _rows(batch: OutreachBatch, column: str, value: str) -> str:
    if not may("can_list", "OutreachView"):
        return ""
    filters: dict[str, Any] = {"batch": batch.id, column: value}
    return list_url("OutreachView", **filters)


def _customers(batch: OutreachBatch, status: str) -> str:
    """Return the address of the customers with a status, to contact, assign, or export them."""
    if not may("can_list", "CustomerView"):
        return ""
    return list_url("CustomerView", batch=f"{batch.id}:{status}", state=ANY_STATE)


def _offer(status: str) -> str:
    """Return what the link to customers with a status says: nobody may contact some of them, or did yet."""
    return _("Show the customers") if status in _NOT_REACHED else _("Contact, assign, export")


def _samples(batch: OutreachBatch) -> list[Outreach]:
    """Return sample rows: some that will be contacted and some of every reason."""
    rows: list[Outreach] = []
    groups = (
        select(Outreach.reason)
        .where(Outreach.batch_id == batch.id)
        .group_by(Outreach.reason)
        .order_by("reason")
    )
    for reason in db.session.scalars(groups).all():
        query = select(Outreach).where(Outreach.batch_id == batch.id, Outreach.reason == reason)
        rows += db.session.scalars(query.order_by(Outreach.id).limit(SAMPLES if not reason else 2)).all()
    table.remember_scope(Lead, {each.lead_id for each in rows})
    return rows


def _waiting_note(batch: OutreachBatch) -> str:
    """Return what a confirmed batch is waiting for."""
    if batch.status != OutreachBatchStatus.RUNNING or batch.not_before is None:
        return ""
    until = f"{labels.local(batch.not_before):%Y-%m-%d %H:%M}"
    if batch.waits_for == start_time.CHOSEN:
        return _("It starts at %(time)s; all rules are checked again then.", time=until)
    if batch.waits_for == start_time.HOURS:
        return _("Outside contact hours: sending resumes at %(time)s.", time=until)
    return _("The gateway is not accepting contacts: the next attempt is at %(time)s.", time=until)


def progress(batch: OutreachBatch) -> dict[str, Any] | None:
    """Return the progress that the batch's page polls, None between check and confirmation."""
    status = start_time.state_of(batch)
    if status in (OutreachBatchStatus.CHECKED, OutreachBatchStatus.WAITING):
        return None
    counts = candidates.by_status(batch)
    total, done = _to_contact(counts)
    checking = status == OutreachBatchStatus.CHECKING
    if checking:
        total, done = batch.candidates, batch.rows_done
    share = done * 100 // total if total else 100
    return {
        "status": _PROGRESS_TAGS.get(status, status),
        "status_text": state_text(batch),
        "progress": min(share, 99 if checking else 100),
        "summary": str(batch.error or "") or _progress_text(batch, counts),
        "details": _waiting_note(batch),
        "done": batch.status not in (OutreachBatchStatus.CHECKING, OutreachBatchStatus.RUNNING),
    }


def _to_contact(counts: dict[str, int]) -> tuple[int, int]:
    """Return how many are or were to be contacted, held back ones left out, and how many of them were."""
    held = counts.get(OutreachStatus.HELD, 0) + counts.get(OutreachStatus.DROPPED, 0)
    left = sum(counts.get(each, 0) for each in _WAITING)
    return sum(counts.values()) - held, sum(counts.values()) - held - left


def _progress_text(batch: OutreachBatch, counts: dict[str, int]) -> str:
    if batch.status == OutreachBatchStatus.CHECKING:
        return _(
            "%(done)s of %(total)s hits checked; you may close this page.",
            done=f"{batch.rows_done:,}",
            total=f"{batch.candidates:,}",
        )
    total, done = _to_contact(counts)
    return _(
        "%(done)s of %(total)s contacted; %(held)s held back, %(unknown)s unclear",
        done=f"{done:,}",
        total=f"{total:,}",
        held=f"{sum(counts.values()) - total:,}",
        unknown=f"{counts.get(OutreachStatus.UNKNOWN, 0):,}",
    )


def reason(row: Outreach) -> str:
    """Return why the contact was held back or failed."""
    text = labels.word(REASONS, row.reason) if row.reason else ""
    told = _("Reported by another system") if row.reported_at else ""
    allowed = _("Allowed outside contact hours") if row.override_id else ""
    return " · ".join(map(str, filter(None, (text, told, allowed, row.note))))


#: what a statement counts, and what is to be 0 of it
STATEMENT = ("contacts", "outside_hours", "over_cap", "opted_out", "overrides", "reported")
_NEVER = ("outside_hours", "over_cap", "opted_out")


def statement_count(name: str) -> Callable[[ContactStatement], Any]:
    """Return a function that shows a number of a statement, linked to its contacts where a list has them.

    One that is to be 0 and is not stands out.
    """

    def shown(row: ContactStatement) -> Any:
        number = getattr(row, name)
        url = _contacts_of(row, name) if number and may("can_list", "OutreachView") else ""
        if url:
            return Markup("<a href='{}'>{}</a>").format(url, f"{number:,}")
        if name in _NEVER and number:
            return Markup("<span class='tag tag-colour-red'>{}</span>").format(f"{number:,}")
        return f"{number:,}"

    return shown


def _contacts_of(row: ContactStatement, name: str) -> str:
    if name == "contacts":
        return list_url("OutreachView", reserved_at__from=row.day, reserved_at__to=row.day)
    if name == "reported":
        return list_url("OutreachView", reported_at__from=row.day, reported_at__to=row.day)
    return ""


def statement_entry(row: ContactStatement) -> Any:
    """Return a link to the entry of the change log that seals a statement."""
    if not may("can_list", "ChangeLogView"):
        return ""
    url = list_url("ChangeLogView", row=f"contact_statement:{row.id}")
    return Markup("<a href='{}'>{}</a>").format(url, _("Entry"))


def row_status(row: Outreach) -> Markup:
    """Return the status of a contact as a tag, in the words of its channel."""
    return formats.contact_tag(row.channel, row.status)


def row_template(row: Outreach) -> Any:
    """Return the template of a contact, with its letter when the batch has two."""
    return texts.with_letter(variants.letter(row.batch, row.version_id), _linked(row.version))


def row_hit(row: Outreach) -> Any:
    """Return the hit of a contact, by rule and date; nothing when there is none."""
    if row.hit is None:
        return ""
    shown = f"{row.hit.rule.name} {row.hit.hit_date}"
    if not may("can_show", "HitView"):
        return shown
    return Markup("<a href='{}'>{}</a>").format(url_for("HitView.show", pk=row.hit_id), shown)


def of_lead(lead: Lead) -> dict[str, Any]:
    """Return the contact history of a customer, and what would happen if they were contacted now."""
    history = why.history(lead)
    table.remember_scope(OutreachBatch, [row.batch_id for row in history])
    return {
        "history": history,
        "verdicts": why.now(lead, g.user),
        "words": REASONS,
        "passed": PASSED,
        "channel": lambda code: labels.word(labels.OUTREACH_CHANNEL, code),
        "status_tag": row_status,
        "reason": reason,
        "when": formats.when,
        "template": lambda row: table.linked(row.batch, str(row.version)),
    }


def product_names(codes: list[str]) -> str:
    """Return the names of a template's products."""
    known = products.names() if codes else {}
    return labels.joined(known.get(code, code) for code in codes)


def setting_value(name: str) -> Callable[[OutreachSetting], str]:
    """Return a computed column: the value of one rule in a version of the settings."""
    return lambda row: settings.in_words(
        name, getattr(settings.OutreachSettings.model_validate(row.values), name)
    )


def message_lead(message: SandboxMessage) -> Any:
    """Return the lead that would have been contacted."""
    return table.related(message.outreach.lead) if message.outreach else _("Test SMS")


def message_state(message: SandboxMessage) -> Any:
    """Return the status of the contact."""
    return row_status(message.outreach) if message.outreach else ""


def test_state(test: OutreachTest) -> Markup:
    """Return the status of a test SMS, and why it failed."""
    return Markup("{} {}").format(formats.contact_tag("sms", test.status), str(test.note or ""))


def gateway_health(row: OutreachGateway) -> Any:
    """Return whether the gateway is accepting contacts."""
    if not row.active:
        return _("off")
    error = row.last_error or ""
    if row.open_until is not None and row.open_until > clock.now():
        until = f"{labels.local(row.open_until):%H:%M:%S}"
        return _("keeps failing, sending is paused until %(time)s: %(error)s", time=until, error=error)
    if row.failures:
        return _("%(n)s failures in a row: %(error)s", n=row.failures, error=error)
    return _("working")


def switch_message(row: OutreachGateway, approval: Approval | None) -> tuple[str, str]:
    """Return the message for the user who switched a gateway, and its category."""
    if approval is not None:
        return _("%(item)s has been submitted; another person must approve it.", item=row.name), "success"
    message = (
        _("%(gateway)s is switched on.", gateway=row.name)
        if row.active
        else _("%(gateway)s is switched off; the sandbox takes its place.", gateway=row.name)
    )
    unchecked = _("Nobody else can approve this: it took effect at once and was recorded as unchecked.")
    return f"{message} {unchecked}", "warning"


def gateway_settings(row: OutreachGateway) -> Markup:
    """Return the settings, one per line; of the secret only whether it is set."""
    line = Markup("<div><dt>{}</dt><dd>{}</dd></div>")
    set_here = {name: label for name, label in http_gateway.LABELS.items() if name in row.settings}
    values = [(label, _text(name, row.settings[name])) for name, label in set_here.items()]
    values.append((_("Secret"), _("stored, never shown") if row.secret_cipher else _("not set")))
    return Markup("<dl class='facts'>{}</dl>").format(Markup("").join(line.format(*each) for each in values))


def _text(name: str, value: Any) -> str:
    if name == "seconds":
        return _("%(n)s s", n=value)
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(value) if isinstance(value, list) else str(value) or "—"

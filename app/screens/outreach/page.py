"""Outreach as a person sees it: batches, contacts, templates, rules, gateways, and one customer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from flask import g, url_for
from flask_babel import force_locale
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select

from app import labels
from app.approvals.requests import LANGUAGES
from app.console import formats, selection, table
from app.console.access import may, view_of_model
from app.console.urls import list_url
from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.models import (
    Approval,
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
    SandboxMessage,
)
from app.outreach import (
    batches,
    candidates,
    comparison,
    gateways,
    http_gateway,
    sandbox,
    settings,
    templates,
    variants,
    why,
)
from app.outreach.compliance import PASSED, REASONS
from app.screens.outreach import variants as texts
from app.selection import Selection

SAMPLES = 5
_WAITING = {"queued", "sending"}


def sandbox_note(channel: str = "") -> str:
    """A warning where contacts reach nobody, empty where they reach customers."""
    channels = [channel] if channel else list(templates.CHANNELS)
    if not any(gateways.uses_sandbox(each) for each in channels):
        return ""
    return _("Sandbox: no gateway is set up, so nothing reaches a customer; replies are simulated.")


def preview(version: OutreachTemplateVersion, lead: Lead | None) -> dict[str, Any]:
    """What a customer reads, with the values of a real row, masked; and how long it is."""
    text = templates.example(version, lead, clock.today(), settings.current().opt_out_sentence)
    return {
        "text": text,
        "length": templates.length(text) if version.template.channel == "sms" else None,
        "to": f"{lead.lead_no} {lead.phone_masked}" if lead is not None else "",
    }


def template_text(template: OutreachTemplate) -> str:
    """What the version in use says."""
    return template.versions[0].body if template.versions else ""


def template_version(template: OutreachTemplate) -> str:
    """The number of the version in use."""
    return f"v{template.versions[0].number}" if template.versions else ""


def template_length(template: OutreachTemplate) -> str:
    """Length and segments of an SMS, with the opt-out sentence and without knowing the names."""
    if template.channel != "sms" or not template.versions:
        return ""
    length = preview(template.versions[0], None)["length"]
    return length_text(length)


def length_text(length: templates.Length) -> str:
    """A length in words."""
    return _(
        "%(chars)s characters, %(segments)s SMS (%(alphabet)s)",
        chars=length.chars,
        segments=length.segments,
        alphabet=length.alphabet,
    )


def template_history(template: OutreachTemplate) -> Markup:
    """Every version with who wrote it."""
    line = Markup("<li>v{} · {} · {}<br>{}</li>")
    rows = [
        line.format(each.number, each.created_by, formats.when(each.created_at), each.body)
        for each in template.versions
    ]
    return Markup("<ol class='plain-list versions'>{}</ol>").format(Markup("").join(rows))


def batch_template(batch: OutreachBatch) -> Any:
    """The template and its version; both with their letters when there are two."""
    line = Markup("<span class='text-line'>{}{}</span>")
    lines = [
        line.format(texts.letter_tag(letter, share), _linked(version))
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
    """The filters that chose the batch's hits, in words; nothing when they were ticked."""
    return selection.conditions(view_of_model(Hit), batch.selection.get("filters", ()))


def conditions_said(batch: OutreachBatch) -> dict[str, list[str]]:
    """The same in every language, for whoever decides about the batch."""
    found = {}
    for language in LANGUAGES:
        with force_locale(language):
            found[language] = conditions(batch)
    return found


def matching(hits: Selection) -> int | None:
    """How many hits are selected; None for filters that are none."""
    try:
        return candidates.count_of(hits)
    except DomainError:
        return None


def chosen(batch: OutreachBatch) -> str:
    """How the batch's hits were chosen."""
    if "filters" not in batch.selection:
        return _("%(n)s ticked hits", n=f"{len(batch.selection.get('ids', ())):,}")
    found = labels.enumerated(conditions(batch))
    return found or _("All hits that %(person)s may see", person=batch.created_by)


def alone_words(batch: OutreachBatch) -> str:
    """How many contacts the batch's maker let go today without a second person; empty for none."""
    alone = batches.confirmed_alone(batch)
    if not alone:
        return ""
    if g.user.id == batch.created_by_id:
        return _("You have confirmed %(n)s contacts today without a second approver.", n=f"{alone:,}")
    return _(
        "%(person)s has confirmed %(n)s contacts today without a second approver.",
        person=batch.created_by,
        n=f"{alone:,}",
    )


def batch_counts(batch: OutreachBatch) -> str:
    """How many were to go and how many were held."""
    if "go" not in batch.planned:
        return ""
    held = sum(batch.planned["held"].values())
    return _("%(go)s to contact, %(held)s held back", go=f"{batch.planned['go']:,}", held=f"{held:,}")


def card(batch: OutreachBatch) -> dict[str, Any]:
    """What the page of a batch shows below its facts."""
    found = candidates.by_status(batch)
    reasons = candidates.counts(batch)["held"]
    figures = comparison.by_text(batch)
    return {
        "batch": batch,
        "note": sandbox_note(batch.channel) if batch.gateway in ("", sandbox.NAME) else "",
        "texts": [
            {
                "letter": texts.letter_tag(letter, share),
                "name": _linked(version),
                "preview": preview(version, candidates.sample_lead(batch, version)),
                "facts": texts.plan(batch, version.id, figures.get(version.id)),
            }
            for letter, version, share in variants.texts(batch)
        ],
        "measures": texts.measures(batch, figures),
        "awaited": texts.awaited(figures),
        "length_text": length_text,
        "statuses": [
            (word, found[code], _rows(batch, "status", code))
            for code, word in _status_words(batch.channel, found)
        ],
        "reasons": [
            (str(word), reasons[code], _rows(batch, "reason", code))
            for code, word in REASONS.items()
            if code in reasons
        ],
        "samples": _samples(batch),
        "needs_approval": batch.status == OutreachBatchStatus.CHECKED and batches.needs_approval(batch),
        "approval_above": settings.current().approval_above,
        "alone": alone_words(batch) if batch.status == OutreachBatchStatus.CHECKED else "",
        "waits": _waits(batch) if batch.status == OutreachBatchStatus.CHECKED else "",
        "letter": lambda row: texts.letter_tag(variants.letter(batch, row.version_id)),
        "outbox": url_for("SandboxMessageView.list") if may("can_list", "SandboxMessageView") else "",
        "when": formats.when,
        "reason_word": lambda code: labels.word(REASONS, code) if code else "",
        "status_tag": row_status,
    }


def _status_words(channel: str, found: dict[str, int]) -> list[tuple[str, str]]:
    return [(code, str(word)) for code, word in labels.contact_words(channel).items() if code in found]


def _rows(batch: OutreachBatch, column: str, value: str) -> str:
    if not may("can_list", "OutreachView"):
        return ""
    chosen: dict[str, Any] = {"batch": batch.id, column: value}
    return list_url("OutreachView", **chosen)


def _samples(batch: OutreachBatch) -> list[Outreach]:
    """Some rows that go and some of every reason."""
    rows: list[Outreach] = []
    groups = (
        select(Outreach.reason)
        .where(Outreach.batch_id == batch.id)
        .group_by(Outreach.reason)
        .order_by("reason")
    )
    for reason in db.session.scalars(groups).all():
        some = select(Outreach).where(Outreach.batch_id == batch.id, Outreach.reason == reason)
        rows += db.session.scalars(some.order_by(Outreach.id).limit(SAMPLES if not reason else 2)).all()
    return rows


def _waits(batch: OutreachBatch) -> str:
    """What a batch waits for, or would wait for, in words."""
    if batch.status == OutreachBatchStatus.RUNNING and batch.not_before is not None:
        until = f"{labels.local(batch.not_before):%Y-%m-%d %H:%M}"
        if batch.waits_for == "hours":
            return _("Outside contact hours: sending resumes at %(time)s.", time=until)
        return _("The gateway is not accepting contacts: the next attempt is at %(time)s.", time=until)
    opens = batch.planned.get("open_at")
    if batch.status == OutreachBatchStatus.CHECKED and opens:
        moment = dt.datetime.fromisoformat(opens)
        if moment > batch.created_at + dt.timedelta(minutes=1):
            return _(
                "Outside contact hours: once confirmed, sending starts at %(time)s.",
                time=f"{moment:%Y-%m-%d %H:%M}",
            )
    return ""


def progress(batch: OutreachBatch) -> dict[str, Any] | None:
    """What the batch's page polls while it is checked or sent; None before it is confirmed."""
    status = OutreachBatchStatus(batch.status)
    if status in (OutreachBatchStatus.CHECKED, OutreachBatchStatus.WAITING):
        return None
    found = candidates.by_status(batch)
    total = sum(found.values())
    left = sum(found.get(each, 0) for each in _WAITING)
    done = total - left
    checking = status is OutreachBatchStatus.CHECKING
    if checking:
        total, done = batch.candidates, batch.rows_done
    return {
        "status": {"checking": "running", "paused": "held", "cancelled": "failed"}.get(status, status),
        "status_text": labels.word(labels.OUTREACH_BATCH_STATUS, status),
        "progress": min(done * 100 // total, 99 if checking else 100) if total else 0,
        "summary": str(batch.error or "") or _progress_words(batch, found, total, left),
        "details": _waits(batch),
        "done": status not in (OutreachBatchStatus.CHECKING, OutreachBatchStatus.RUNNING),
    }


def _progress_words(batch: OutreachBatch, found: dict[str, int], total: int, left: int) -> str:
    if batch.status == OutreachBatchStatus.CHECKING:
        return _(
            "%(done)s of %(total)s hits checked; you may close this page.",
            done=f"{batch.rows_done:,}",
            total=f"{batch.candidates:,}",
        )
    held = found.get("held", 0) + found.get("dropped", 0)
    return _(
        "%(done)s of %(total)s done: %(gone)s contacted, %(held)s held back, %(unknown)s unclear",
        done=f"{total - left:,}",
        total=f"{total:,}",
        gone=f"{total - left - held:,}",
        held=f"{held:,}",
        unknown=f"{found.get(OutreachStatus.UNKNOWN, 0):,}",
    )


def reason(row: Outreach) -> str:
    """Why it was held back or failed, in words."""
    said = labels.word(REASONS, row.reason) if row.reason else ""
    return " · ".join(map(str, filter(None, (said, row.note))))


def row_status(row: Outreach) -> Markup:
    """Where a contact stands, in the words of its channel."""
    return formats.contact_tag(row.channel, row.status)


def row_template(row: Outreach) -> Any:
    """The template of a contact, with its letter when its batch has two."""
    letter = texts.letter_tag(variants.letter(row.batch, row.version_id))
    return Markup("<span>{}{}</span>").format(letter, _linked(row.version))


def row_hit(row: Outreach) -> Any:
    """The hit that was contacted, by its rule and date."""
    shown = f"{row.hit.rule.name} {row.hit.hit_date}"
    if not may("can_show", "HitView"):
        return shown
    return Markup("<a href='{}'>{}</a>").format(url_for("HitView.show", pk=row.hit_id), shown)


def of_lead(lead: Lead) -> dict[str, Any]:
    """Why the customer was (not) contacted, and what would happen now."""
    return {
        "history": why.history(lead),
        "verdicts": why.now(lead, g.user),
        "words": REASONS,
        "passed": PASSED,
        "channel": lambda code: labels.word(labels.OUTREACH_CHANNEL, code),
        "status_tag": row_status,
        "reason": reason,
        "when": formats.when,
        "may_open": may("can_show", "OutreachBatchView"),
    }


def setting_value(name: str) -> Callable[[OutreachSetting], str]:
    """What a state of the settings says of one rule, as a computed column."""
    return lambda row: settings.said(
        name, getattr(settings.OutreachSettings.model_validate(row.values), name)
    )


def message_lead(message: SandboxMessage) -> Any:
    """The lead that would have been contacted."""
    return table.related(message.outreach.lead)


def message_state(message: SandboxMessage) -> Any:
    """What came of it so far."""
    return row_status(message.outreach)


def gateway_health(row: OutreachGateway) -> Any:
    """Whether the gateway takes what it is given."""
    if not row.active:
        return _("off")
    error = row.last_error or ""
    if row.open_until is not None and row.open_until > clock.now():
        until = f"{labels.local(row.open_until):%H:%M:%S}"
        return _("keeps failing, sending is paused until %(time)s: %(error)s", time=until, error=error)
    if row.failures:
        return _("%(n)s failures in a row: %(error)s", n=row.failures, error=error)
    return _("working")


def switched(row: OutreachGateway, asked: Approval | None) -> tuple[str, str]:
    """What to tell who asked for a gateway to be switched, and how important that is."""
    if asked is not None:
        return _("%(item)s has been submitted; another person must approve it.", item=row.name), "success"
    said = (
        _("%(gateway)s is switched on.", gateway=row.name)
        if row.active
        else _("%(gateway)s is switched off; the sandbox takes its place.", gateway=row.name)
    )
    return (
        f"{said} {_('Nobody else can approve this: it took effect at once and was recorded as unchecked.')}",
        "warning",
    )


def gateway_settings(row: OutreachGateway) -> Markup:
    """What is set, one line each; the secret is only there or not."""
    line = Markup("<div><dt>{}</dt><dd>{}</dd></div>")
    values = [(http_gateway.LABELS[name], _plain(value)) for name, value in row.settings.items()]
    values.append((_("Secret"), _("stored, never shown") if row.secret_cipher else _("not set")))
    return Markup("<dl class='facts'>{}</dl>").format(Markup("").join(line.format(*each) for each in values))


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)

"""Presentation of change log entries: the kind of action, its object, and each field from old to new."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cache
from pathlib import PurePath
from typing import Any

from flask import current_app, g, url_for
from flask_appbuilder import Model
from flask_appbuilder.security.sqla.models import Role
from flask_babel import get_locale, lazy_gettext, pgettext
from flask_babel import gettext as _
from markupsafe import Markup, escape
from sqlalchemy import DateTime, Integer, inspect, select

from app import labels
from app.access import people
from app.audit.history import last_title
from app.audit.tables import EXCLUDED
from app.channels import channels
from app.channels.base import Words
from app.console import filter_row, formats
from app.console.access import may
from app.console.theme import themes
from app.effect.labels import STAGE
from app.errors import Said
from app.extensions import db
from app.journeys.sentence import HAND_TO
from app.lib.row_id import row_id
from app.models import ChangeLog, Lead, Staff, UserName
from app.outreach import http_gateway
from app.outreach.compliance import REASONS
from app.outreach.settings import LABELS
from app.schedules.labels import DAY, HOLIDAYS, OUTCOME, PRESET, WEEKEND
from app.screens.audit.field_labels import FIELD
from app.screens.hits.labels import STEP
from app.screens.leads.segment_labels import COLOUR
from app.screens.leads.suppression_page import REASON
from app.screens.pushes.page import STOP_REASON

KIND = {
    "insert": lazy_gettext("Row added"),
    "update": lazy_gettext("Row changed"),
    "delete": lazy_gettext("Row deleted"),
    "truncate": lazy_gettext("Table emptied"),
    "log_in": lazy_gettext("Log-in"),
    "log_in_failed": lazy_gettext("Failed log-in"),
    "log_out": lazy_gettext("Log-out"),
    "password_chosen": lazy_gettext("Password chosen through a link"),
    "number_search": lazy_gettext("Search by number"),
    "logged_out_everywhere": lazy_gettext("Log-out everywhere"),
    "session_ended": lazy_gettext("End of a session"),
    "second_factor_added": lazy_gettext("Second factor added"),
    "second_factor_removed": lazy_gettext("Second factor removed"),
    "second_factor_reset": lazy_gettext("Second factor reset"),
    "second_factor_proven": lazy_gettext("Second factor proven"),
    "second_factor_failed": lazy_gettext("Second factor failed"),
    "recovery_codes_made": lazy_gettext("New recovery codes"),
    "denied": lazy_gettext("Access denied"),
    "download": lazy_gettext("Download"),
    "config_applied": lazy_gettext("Configuration applied"),
    "archived": lazy_gettext("Entries archived"),
    "store_adopted": lazy_gettext("Data folder adopted"),
    "permissions_seeded": lazy_gettext("Permissions set by an upgrade"),
    "retry": lazy_gettext("Mail retried"),
    "send": lazy_gettext("Report sent by e-mail"),
    "evaluate_again": lazy_gettext("Other dates of a run evaluated again"),
    "retry_now": lazy_gettext("Delivery retried now"),
    "replay": lazy_gettext("Delivery sent again"),
    "cancel": lazy_gettext("Delivery cancelled"),
    "secret": lazy_gettext("New secret for a target"),
}
SOURCE = {
    "screen": lazy_gettext("Screen"),
    "api": lazy_gettext("API call"),
    "job": lazy_gettext("Background job"),
    "cli": lazy_gettext("Command"),
    "setup": lazy_gettext("Set-up"),
    "sql": lazy_gettext("Direct SQL"),
}
#: tables that no screen names, and objects that are no table
OBJECT = {
    "account_taint": lazy_gettext("User with access to another account"),
    "password_link": lazy_gettext("Password link"),
    "ab_group": lazy_gettext("User group"),
    "ab_group_role": lazy_gettext("Role of a user group"),
    "ab_permission": lazy_gettext("Permission name"),
    "ab_permission_view": lazy_gettext("Permission"),
    "ab_permission_view_role": lazy_gettext("Permission of a role"),
    "ab_register_user": lazy_gettext("Registration of a user"),
    "ab_user_group": lazy_gettext("Group of a user"),
    "ab_user_role": lazy_gettext("Role of a user"),
    "ab_view_menu": lazy_gettext("Screen name"),
    "alembic_version": lazy_gettext("Database schema"),
    "app_clock": lazy_gettext("Clock"),
    "calendar_day": lazy_gettext("Published public holidays"),
    "change_log": lazy_gettext("Change log"),
    "config": lazy_gettext("Configuration file"),
    "contact_statement": lazy_gettext("Statement of contacts"),
    "delivery": lazy_gettext("Delivery"),
    "delivery_attempt": lazy_gettext("Delivery attempt"),
    "forbidden_word": lazy_gettext("Forbidden word"),
    "hit": lazy_gettext("Hit of a rule"),
    "hit_event": lazy_gettext("Follow-up step of a hit"),
    "holiday": lazy_gettext("Holiday or make-up working day"),
    "installation": lazy_gettext("Installation"),
    "lead_before": lazy_gettext("Values before an import"),
    "journey": lazy_gettext("Journey"),
    "journey_canary": lazy_gettext("Version tried out"),
    "journey_move": lazy_gettext("Move within a journey"),
    "journey_stop": lazy_gettext("Stop of journeys"),
    "journey_version": lazy_gettext("Journey version"),
    "lead_tag": lazy_gettext("Tag on a lead"),
    "log_correction": labels.APPROVAL_KIND["log_correction"],
    "outreach_event": lazy_gettext("Outcome of a contact"),
    "outreach_test": lazy_gettext("Test SMS"),
    "outreach_template_version": lazy_gettext("Version of a template"),
    "page": lazy_gettext("Page"),
    "preset_applied": lazy_gettext("Preset installed"),
    "push_hit": lazy_gettext("Hit in a push"),
    "report_mail": lazy_gettext("Weekly report e-mail"),
    "report_receiver": lazy_gettext("Weekly report recipient"),
    "report_setting": lazy_gettext("Weekly report settings"),
    "reminder_choice": lazy_gettext("E-mail reminder settings"),
    "reminder_mail": lazy_gettext("Reminder mail"),
    "reveal": lazy_gettext("Phone number viewed"),
    "rule_condition": lazy_gettext("Condition of a rule"),
    "saved_filter": lazy_gettext("Saved filter"),
    "saved_view": lazy_gettext("Saved view"),
    "schedule": lazy_gettext("Schedule"),
    "schedule_shortcut": lazy_gettext("Saved timing"),
    "schedule_version": lazy_gettext("Schedule version"),
    "strategy_row": lazy_gettext("Row of a strategy table"),
    "subject_request": lazy_gettext("Customer data request"),
    "work_setting": lazy_gettext("Hit follow-up settings"),
}
#: tables of jobs whose own row is written in one transaction with the many rows that they change
JOB_TABLES = ("import_batch", "bulk_job", "outreach_batch", "job_run")
#: how many fields of an entry the list shows, and how many characters of each value
SHOWN_FIELDS, SHOWN_CHARACTERS = 3, 60
#: changes of a new row that are not shown: the field stayed empty
EMPTY: tuple[Any, ...] = ([None, ""], [None, []], [None, {}])
_NOTHING = Markup('<span class="none">—</span>')

#: the keys of structured values that are shown as one value
_DIGEST, _MESSAGE = {"sha256"}, {"message", "values"}
#: the keys of a value that is stored in both languages
_LANGUAGES = {"en", "zh"}
#: fields that hold a path on the server, of which the reader needs the name
_FILES = {"error_file", "rejects_file", "path"}
#: where a value stands: the field, then the keys within it
Path = tuple[str, ...]


def objects() -> list[tuple[str, str]]:
    """Return every kind of object that the log can be about with its display name, sorted by display name."""
    names = (set(Model.metadata.tables) - set(EXCLUDED)) | {"change_log", "page", "config", "report_mail"}
    return sorted(((name, object_name(name)) for name in names if _has_name(name)), key=lambda pair: pair[1])


def _has_name(name: str) -> bool:
    return name in OBJECT or name in _titles()


def object_name(name: str) -> str:
    """Return the display name of a table's rows, or of an object that is no table."""
    return str(OBJECT.get(name) or _titles().get(name) or name)


def subject(entry: ChangeLog) -> Markup:
    """Return the object of an entry, as a link to its page when it has one."""
    name = entry.title or (f"#{entry.object_id}" if entry.object_id else "")
    if entry.object == Staff.__tablename__ and entry.title:
        name = _person(entry.title)
    if entry.object == Role.__tablename__ and entry.title:
        name = labels.word(labels.ROLE, entry.title)
    text = f"{object_name(entry.object)} {name}".strip()
    view = _view(entry.object)
    has_page = view is not None and row_id(entry.object_id) and entry.kind != "delete"
    if not has_page or view is None or not may("can_show", type(view).__name__):
        return escape(text)
    return Markup('<a href="{}">{}</a>').format(url_for(f"{view.endpoint}.show", pk=entry.object_id), text)


def summary(entry: ChangeLog) -> Markup | str:
    """Return the changes of an entry in one line: the first fields, each from old to new."""
    if entry.rows != 1:
        return _bulk_summary(entry)
    shown = changes(entry, short=True)
    parts = [Markup("{}{}{}").format(label, _(": "), value) for label, value in shown[:SHOWN_FIELDS]]
    if len(shown) > SHOWN_FIELDS:
        parts.append(
            Markup('<span class="muted">{}</span>').format(_("%(n)s more", n=len(shown) - SHOWN_FIELDS))
        )
    return Markup('<span class="changed">{}</span>').format(Markup(" · ").join(parts)) if parts else ""


def _bulk_summary(entry: ChangeLog) -> Markup | str:
    """Return how many rows a statement wrote, and the import, run or bulk change that it was part of."""
    if not entry.rows:
        return ""
    count = _("%(n)s rows in one statement", n=f"{entry.rows:,}")
    job = db.session.scalar(
        select(ChangeLog)
        .where(ChangeLog.xid == entry.xid, ChangeLog.object.in_(JOB_TABLES), ChangeLog.object_id.is_not(None))
        .order_by(ChangeLog.id)
        .limit(1)
    )
    if job is None:
        return f"{count} · {entry.request}" if entry.source == "job" and entry.request else count
    return Markup("{} · {}").format(count, subject(job))


def changes(entry: ChangeLog, *, short: bool = False) -> list[tuple[str, Markup]]:
    """Return the label and the change (old → new) of each changed field.

    ``short`` leaves out keys and shortens long values.
    """
    shown = [name for name in _shown_names(entry) if not (short and name == "id")]
    limit = SHOWN_CHARACTERS if short else None
    return [(field_label(entry.object, name), _change(entry, name, limit)) for name in shown]


def _shown_names(entry: ChangeLog) -> list[str]:
    # Users are stored by name and by id; the name is enough.
    without_ids = [
        name for name in entry.changes if name.removesuffix("_id") not in {*entry.changes} - {name}
    ]
    names = sorted(without_ids, key=lambda name: _order(entry.object, name))
    return [name for name in names if entry.changes[name] not in EMPTY]


def field_label(table: str, name: str) -> str:
    """Return the label of a field on its table's screen, else its name in FIELD, else its code."""
    view = _view(table)
    columns = view.label_columns if view is not None else {}
    # Flask-AppBuilder gives every column without a label a plain string made of its name; those don't count.
    own = [
        columns[each]
        for each in (name, name.removesuffix("_id"))
        if not isinstance(columns.get(each, ""), str)
    ]
    return str(
        own[0]
        if own
        else FIELD.get(name) or LABELS.get(name) or _KEYS.get(name) or _of_channels().get(name, name)
    )


@cache
def _of_channels() -> dict[str, Any]:
    """Return the labels of the settings of push targets."""
    fields = [pair for each in channels().values() for pair in each.settings.model_fields.items()]
    return {name: words.label for name, info in fields for words in info.metadata if isinstance(words, Words)}


def _order(table: str, name: str) -> tuple[int, str]:
    columns = list(Model.metadata.tables[table].columns.keys()) if table in Model.metadata.tables else []
    return (columns.index(name) if name in columns else 999, name)


def _change(entry: ChangeLog, name: str, limit: int | None) -> Markup:
    value = entry.changes[name]
    if not _is_pair(entry, value):
        return _value(entry.object, (name,), value, limit)
    parts = _parts(entry.object, name, *value)
    if len(parts) == 1 and parts[0][0] == (name,):
        return _from_to(entry, parts[0], limit)
    shown = parts if limit is None else parts[:SHOWN_FIELDS]
    told = [
        Markup("{}{}{}").format(
            part_label(entry.object, path[1:]), _(": "), _from_to(entry, (path, old, new), limit)
        )
        for path, old, new in shown
    ]
    more = len(parts) - len(shown)
    if more:
        told.append(Markup('<span class="muted">{}</span>').format(_("%(n)s more", n=more)))
    return Markup(" · ").join(told)


def _from_to(entry: ChangeLog, part: tuple[Path, Any, Any], limit: int | None) -> Markup:
    path, *values = part
    old, new = (_value(entry.object, path, each, limit) for each in values)
    if entry.kind == "insert":
        return new
    if entry.kind == "delete":
        return Markup('<span class="changes"><del>{}</del></span>').format(old)
    return formats.old_to_new(old, new)


def changes_table(entry: ChangeLog) -> Markup:
    """Return the changes as a table of fields, each part of a structured one in a row of its own."""
    both = entry.kind == "update"
    body = Markup("").join(_table_rows(entry, name, both=both) for name in _shown_names(entry))
    if not body:
        return Markup("")
    heads = [_("Item"), _("Before"), _("After")] if both else [_("Item"), _("Value")]
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(each) for each in heads)
    return Markup('<table class="changes"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>').format(
        head, body
    )


def _table_rows(entry: ChangeLog, name: str, *, both: bool) -> Markup:
    value = entry.changes[name]
    pair = value if _is_pair(entry, value) else [None, value]
    parts = [((name,), *pair)] if value == "changed" else _parts(entry.object, name, *pair)
    return Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            part_label(entry.object, path), _cells(entry, path, old, new, both=both)
        )
        for path, old, new in parts
    )


def _cells(entry: ChangeLog, path: Path, old: Any, new: Any, *, both: bool) -> Markup:
    one = _value(entry.object, path, old if entry.kind == "delete" else new, None)
    if not both or new == "changed":
        return Markup("<td{}>{}</td>").format(Markup(' colspan="2"') if both else "", one)
    before, after = (_value(entry.object, path, each, None) for each in (old, new))
    return Markup("<td><del>{}</del></td><td><ins>{}</ins></td>").format(before, after)


def _is_pair(entry: ChangeLog, value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and entry.kind in ("insert", "update", "delete")


def _parts(table: str, name: str, old: Any, new: Any) -> list[tuple[Path, Any, Any]]:
    """Return the parts of a field that differ, or the field itself when its values have no parts."""
    olds, news = dict(_leaves((name,), old)), dict(_leaves((name,), new))
    paths = [path for path in {**olds, **news} if olds.get(path) != news.get(path)]
    whole = [path for path in paths if path != (name,)] or [(name,)]
    return [(path, olds.get(path), news.get(path)) for path in whole]


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the values within a structured one, each with its place."""
    if isinstance(value, dict) and set(value) not in (_DIGEST, _MESSAGE):
        if set(value) == _LANGUAGES:
            value = {"": value[str(get_locale())[:2]]}
        for key, each in value.items():
            yield from _leaves((*path, key) if key else path, each)
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for place, each in enumerate(value, 1):
            yield from _leaves((*path, str(place)), each)
    else:
        yield path, value


def part_label(table: str, path: Path) -> str:
    """Return the label of a field or of a part within it, the outer ones first."""
    return " › ".join(_part_label(table, path[: n + 1]) for n in range(len(path)))


def _part_label(table: str, path: Path) -> str:
    within = [_WITHIN[each] for each in path[:-1] if each in _WITHIN]
    words = next((each[path[-1]] for each in within if path[-1] in each), None)
    return field_label(table, path[-1]) if words is None else str(words)


def _value(table: str, path: Path, value: Any, limit: int | None) -> Markup:
    name = path[-1]
    if value == "changed":
        return Markup('<span class="muted">{}</span>').format(_("changed; the content is not recorded"))
    if value is None or value in ("", [], {}):
        return _NOTHING
    if isinstance(value, bool):
        return escape(labels.yes_no(value))
    if isinstance(value, dict) and set(value) == _DIGEST:
        return Markup('<code class="plain" title="{}">SHA-256 {}…</code>').format(
            value["sha256"], value["sha256"][:12]
        )
    if isinstance(value, dict) and set(value) == _MESSAGE:
        return escape(_shorten(Said.of_json(value).text(), limit))
    if isinstance(value, dict):
        inner = [
            f"{part_label(table, part[len(path) :])}{_(': ')}{_text(table, part[-1], each)}"
            for part, each in _leaves(path, value)
        ]
        return escape(_shorten(" · ".join(inner), limit))
    return escape(_shorten(_text(table, name, value), limit))


def _text(table: str, name: str, value: Any) -> str:
    if name == "filters" and isinstance(value, list):
        return " · ".join(_filter(table, *map(str, each)) for each in value)
    if isinstance(value, list) and any(isinstance(each, list) for each in value):
        return " · ".join(_told(each) for each in value)
    if isinstance(value, list):
        return pgettext("enumeration", ", ").join(_text(table, name, each) for each in value)
    if isinstance(value, bool):
        return str(labels.yes_no(value))
    return _related(table, name, value) or _word(table, name, value)


def _filter(table: str, column: str, *rest: str) -> str:
    known = _FILTERED.get(column)
    words = [labels.word(known, each) if known else _word(table, column, each) for each in rest[-1:]]
    return f"{field_label(table, column)}{_(': ')}{''.join(words)}"


def _told(parts: Any) -> str:
    """Return a stored list of a name and its values in words."""
    first, *rest = [str(each) for each in parts] if isinstance(parts, list) else [str(parts)]
    values = " → ".join(each or "—" for each in rest)
    return f"{first}{_(': ')}{values}" if values else first


def _shorten(text: str, limit: int | None) -> str:
    return text if limit is None or len(text) <= limit else f"{text[:limit]}…"


def _word(table: str, name: str, value: Any) -> str:
    view, column = _view(table), _column(table, name)
    if column is not None and isinstance(column.type, DateTime):
        return _moment(str(value))
    if column is not None and isinstance(column.type, UserName):
        return people.name_of(str(value))
    if name == "kind" and value in channels() and column is None:
        return str(channels()[value].label)
    if name in _FILES:
        return PurePath(str(value)).name
    words = getattr(view, "filter_choices", {}).get(name) or WORDS.get(f"{table}.{name}") or _CODES.get(name)
    return labels.word(words, value) if words else str(value)


def _moment(text: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{labels.local(moment):%Y-%m-%d %H:%M:%S}"


def _related(table: str, name: str, value: Any) -> str | None:
    """Return the name of the row that a foreign key refers to, None for any other field."""
    column = _column(table, name)
    if column is None or not column.foreign_keys or not isinstance(value, int):
        return None
    target = next(iter(column.foreign_keys)).column.table.name
    return row_name(target, str(value))


def row_name(table: str, key: str) -> str:
    """Return the name of a row: its own, else the last one in the log, else its number."""
    known: dict[tuple[str, str], str] = g.setdefault("audit_names", {})
    if (table, key) not in known:
        row = _row(table, key)
        known[table, key] = (_name(row) if row is not None else "") or last_title(table, key) or f"#{key}"
    return known[table, key]


def _row(table: str, key: str) -> Any:
    model = _models().get(table)
    known = row_id(key)
    if model is None or known is None:
        return None
    own = inspect(model).primary_key
    return db.session.get(model, known) if len(own) == 1 and isinstance(own[0].type, Integer) else None


def _name(row: Any) -> str:
    """Return the row's own name, empty when it has none."""
    if isinstance(row, Lead):
        return row.lead_no
    if isinstance(row, Staff):
        return _person(row.username)
    named = type(row).__repr__ is not Model.__repr__
    return filter_row.name_of(row) if named else str(getattr(row, "name", "") or "")


def _person(username: str) -> str:
    """Return a person's name with the name for log-in, which tells namesakes apart."""
    name = people.name_of(username)
    return name if name == username else f"{name} ({username})"


def _column(table: str, name: str) -> Any:
    described = Model.metadata.tables.get(table)
    return described.columns.get(name) if described is not None else None


def _models() -> dict[str, Any]:
    # Staff shares its table with the class it extends; sorted after it, it takes its place in the dictionary.
    mappers = sorted(Model.registry.mappers, key=lambda mapper: len(mapper.class_.__mro__))  # type: ignore[attr-defined]
    return {mapper.local_table.name: mapper.class_ for mapper in mappers}


def _view(table: str) -> Any | None:
    return _views().get(table)


def _views() -> dict[str, Any]:
    """Return by table the screen that has a page for each of its rows."""
    if "audit_views" not in g:
        views = current_app.appbuilder.baseviews  # type: ignore[attr-defined]
        by_table: dict[str, Any] = {}
        for view in views:
            model = getattr(view, "model", None)
            if model is not None and "can_show" in view.base_permissions:
                by_table.setdefault(model.__tablename__, view)
        g.audit_views = by_table
    return dict(g.audit_views)


def _titles() -> dict[str, Any]:
    return {
        table: title for table, view in _views().items() if (title := getattr(type(view), "show_title", ""))
    }


#: display names of values, by table and field, for fields without filter choices on a screen
WORDS: dict[str, Any] = {
    "ab_user.language": {"zh": "中文", "en": "English"},
    "ab_user.theme": {each.name: each.text for each in themes()},
    "export_job.format": labels.EXPORT_FORMAT,
    "hit_event.kind": STEP,
    "holiday.kind": {
        "holiday": lazy_gettext("Public holiday"),
        "workday": lazy_gettext("Make-up working day"),
    },
    "job_run.kind": labels.RUN_KIND,
    "lead.status": labels.LEAD_STATUS,
    "hit.status": labels.ANY_HIT_STATUS,
    "hit_event.from_status": labels.ANY_HIT_STATUS,
    "hit_event.to_status": labels.ANY_HIT_STATUS,
    "rule.status": labels.VERSION_STATUS,
    "rule_version.status": labels.VERSION_STATUS,
    "import_batch.status": labels.BATCH_STATUS,
    "job_run.status": labels.RUN_STATUS,
    "export_job.status": labels.RUN_STATUS,
    "log_correction.status": labels.RUN_STATUS,
    "outreach.gateway": labels.GATEWAY,
    "push.outcome": OUTCOME,
    "strategy_row.channel": {**labels.OUTREACH_CHANNEL, "none": lazy_gettext("no contact")},
    "strategy_row.hand_to": HAND_TO,
    "suppression.reason": REASON,
    "tag.colour": COLOUR,
    "outreach_batch.gateway": labels.GATEWAY,
    "target.stop_reason": STOP_REASON,
    "subject_request.kind": labels.SUBJECT_KIND,
    "institution.category": labels.CATEGORY,
    "rule_condition.metric": labels.METRIC,
    "rule_condition.result": labels.RESULT,
    "rule_version.match": labels.MATCH,
}
#: words of keys within structured fields, which count or weigh by code
_KEYS: dict[str, Any] = {
    **labels.REJECT_REASON,
    **REASONS,
    **labels.EVENT_TYPE,
    **DAY,
    **STAGE,
    **http_gateway.LABELS,
    "now": lazy_gettext("This week"),
    "leads": lazy_gettext("Number of leads"),
    "curve": lazy_gettext("By threshold"),
    "threshold": lazy_gettext("Threshold"),
    "by_day": lazy_gettext("By day"),
    "base": lazy_gettext("Baseline"),
    "draft": lazy_gettext("This version"),
    "everybody": lazy_gettext("Leads evaluated"),
    "data_batch": lazy_gettext("Data batch"),
    "by_outcomes": lazy_gettext("Judged by outcomes"),
    "texts": lazy_gettext("Texts"),
    "go": lazy_gettext("To be contacted"),
    "held": lazy_gettext("Held back"),
    "ok": lazy_gettext("Unaltered"),
    "chain": lazy_gettext("Change log chain"),
    "checkpoint": lazy_gettext("Checkpoint"),
    "entries": lazy_gettext("Entries"),
    "how": lazy_gettext("How it is verified"),
    "seq": lazy_gettext("Link of the chain"),
    "first": lazy_gettext("First one"),
    "last": lazy_gettext("Last one"),
    "first_id": lazy_gettext("First entry"),
    "last_id": lazy_gettext("Last entry"),
    "time": lazy_gettext("Time"),
    "made_by": lazy_gettext("By"),
    "csv_sha256": lazy_gettext("SHA-256 of the file"),
    "file_digest": lazy_gettext("SHA-256 of the file"),
    "not_sealed": lazy_gettext("Entries not sealed yet"),
    "count": lazy_gettext("Count"),
}
#: words of keys that mean something else outside of the part around them, by that part
_WITHIN: dict[str, dict[str, Any]] = {
    "held": REASONS,
    "texts": {"segments": lazy_gettext("SMS segments")},
}
#: words of codes within structured fields
_CODES: dict[str, Any] = {
    "metric": labels.METRIC,
    "match": labels.MATCH,
    "result": labels.RESULT,
    "event_types": labels.EVENT_TYPE,
    "categories": labels.CATEGORY,
    "preset": PRESET,
    "holidays": HOLIDAYS,
    "weekend": WEEKEND,
    "roles": labels.ROLE,
    "excluded_hit_statuses": labels.HIT_STATUS,
    "excluded_lead_statuses": labels.LEAD_STATUS,
    "statuses": labels.LEAD_STATUS,
}
#: words of codes in stored filters of lists
_FILTERED: dict[str, Any] = {
    "status": {**labels.ANY_HIT_STATUS, **labels.LEAD_STATUS},
    "kind": KIND,
}

"""Data of the schedule editor: what its page is given, and the answers to previewing and saving."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from flask import current_app, url_for
from flask_babel import gettext as _
from flask_babel import pgettext
from sqlalchemy import select

from app import labels
from app.channels import channels
from app.console.access import may, me
from app.console.frame import weekday
from app.extensions import db
from app.lib.clock import today
from app.models import Schedule, ScheduleVersion, Target
from app.schedules import describe, presets
from app.schedules.calendar import DayKind, current
from app.schedules.check import ScheduleRefused, rule_names, typed_timing
from app.schedules.definition import DAYS, ScheduleDef
from app.schedules.labels import DAY as DAY_WORD
from app.schedules.labels import DAY_KIND, HOLIDAYS, LEVEL, OUTCOME, PRESET, WHY
from app.schedules.plan import DAY, Push, Stretch
from app.schedules.preview import Day, Preview, preview
from app.schedules.store import ScheduleChanged, mark
from app.schedules.versions import version_def
from app.screens.schedules.holidays import unknown_years_warning

#: How many pushes of a day are listed; the rest is only counted.
MAX_LISTED = 200
#: Silenced pushes in a row from this number on are one line of the preview.
FOLDED_FROM = 3
#: Pushes within the same five minutes share one mark on the timeline.
MARK_SECONDS = 300


#: Used for the defaults of the fields that a saved timing does not name.
_DEFAULTS = ScheduleDef(code="X", name="x", rules=["X"], preset="daily")


def page(
    schedule: Schedule | None, version: ScheduleVersion | None, definition: ScheduleDef | None
) -> dict[str, Any]:
    """Return everything that the editor's template needs, for a new schedule when no definition is given."""
    definition_json = _as_typed(definition) if definition else _blank()
    return {
        "schedule": schedule,
        "rules": [{"code": code, "name": name} for code, name in rule_names().items()],
        "presets": labels.choices(PRESET),
        "levels": levels(),
        "days": labels.choices(DAY_WORD),
        "holidays": labels.choices(HOLIDAYS),
        "date": today().isoformat(),
        "data": {
            "id": schedule.id if schedule else None,
            "seen": mark(version) if version else "",
            "definition": definition_json,
            "defaults": _as_typed(_DEFAULTS),
            "grids": {name: grid for name, (_word, grid) in presets.GRIDS.items()},
            "shortcuts": kept_shortcuts(),
            "words": _words(),
            "urls": {
                "save": url_for("ScheduleView.save_typed"),
                "preview": url_for("ScheduleView.preview"),
                "keep": url_for("ScheduleView.keep_shortcut"),
                "forget": url_for("ScheduleView.forget_shortcut", shortcut_id=0),
            },
        },
        "targets": targets(),
        "may_test": may("can_test", "ScheduleView"),
        "targets_url": url_for("TargetView.list") if may("can_list", "TargetView") else "",
        "grids": [(name, word) for name, (word, _grid) in presets.GRIDS.items()],
    }


def _as_typed(definition: ScheduleDef) -> dict[str, Any]:
    typed = definition.model_dump(mode="json", by_alias=True)
    typed["grid"] = {day: typed["grid"].get(day, "H" * 24) for day in DAYS}
    return typed


def _blank() -> dict[str, Any]:
    """Return a new schedule: every day at nine, silent at weekends and on holidays, quiet at night."""
    definition = ScheduleDef(
        code="NEW",
        name="new",
        rules=["NEW"],
        preset="daily",
        start_date=today(),
        weekend="silent",
        holidays="silent",
        quiet_hours=["20:00", "09:00"],
    )
    return _as_typed(definition) | {"code": "", "name": "", "rules": []}


def targets() -> list[dict[str, str]]:
    """Return all targets, sorted by name."""
    kinds = {kind: str(channel.label) for kind, channel in channels().items()}
    rows = db.session.scalars(select(Target).order_by(Target.name))
    return [
        {"code": row.code, "kind": row.kind, "text": f"{row.name} · {kinds.get(row.kind, row.kind)}"}
        for row in rows
    ]


def levels() -> list[tuple[str, str, str]]:
    """Return each level with the letter of its cells and its display name."""
    marks = {
        "H": pgettext("level", "H"),
        "M": pgettext("level", "M"),
        "L": pgettext("level", "L"),
        "S": pgettext("level", "S"),
    }
    return [(level, marks[level], str(word)) for level, word in LEVEL.items()]


def kept_shortcuts() -> list[dict[str, Any]]:
    """Return the saved timings; ``mine`` tells whether the user may remove one."""
    return [
        {
            "id": each.id,
            "name": each.name,
            "timing": each.timing,
            "mine": each.created_by == me() or may("can_delete", "ScheduleView"),
        }
        for each in presets.all_shortcuts()
    ]


def _words() -> dict[str, Any]:
    """Return the words that the page's script needs."""
    return {
        "levels": {level: [letter, word] for level, letter, word in levels()},
        "days": {day: str(word) for day, word in DAY_WORD.items()},
        "cell": _(
            "%(day)s, %(start)s to %(end)s o'clock: %(level)s",
            day="{day}",
            start="{start}",
            end="{end}",
            level="{level}",
        ),
        "painted": _("%(n)s cells set to %(level)s", n="{n}", level="{level}"),
        "copied": _("%(day)s copied", day="{day}"),
        "each": _("Show each time"),
        "unsaved": _("Not saved yet"),
        "saved": _("Saved"),
        "faulty": _("Correct the marked fields to continue the preview."),
        "failed": _("The server does not respond. Your input is still here; try again."),
        "forget": _("Remove “%(name)s”", name="{name}"),
    }


def problems_json(error: ScheduleRefused) -> list[dict[str, str]]:
    """Return each problem with its path in the definition."""
    return [{"path": each.path, "text": each.error.text()} for each in error.problems]


def preview_json(raw: Any, date_text: Any) -> dict[str, Any]:
    """Return what the typed schedule does on a date and in the seven days from it, or its problems."""
    date = _date(date_text)
    try:
        definition = typed_timing(raw)
    except ScheduleRefused as error:
        return {"problems": problems_json(error)}
    shown = preview(definition, date, current_app.config["SETTINGS"].zone, current())
    return {"problems": [], "sentence": describe.sentence(definition), **_preview_parts(shown)}


def _date(text: Any) -> dt.date:
    try:
        date = dt.date.fromisoformat(str(text)[:10])
    except ValueError:
        return today()
    # Planning looks at some weeks before and after a date, which must be valid dates too.
    return min(max(date, dt.date(2000, 1, 1)), dt.date(2100, 12, 31))


def _preview_parts(shown: Preview) -> dict[str, Any]:
    first = shown.days[0]
    lines = list(_stream(first))
    return {
        "date": first.date.isoformat(),
        "day": _day_words(first),
        "expected": _expected(first),
        "counts": _counts(first),
        "pushes": lines[:MAX_LISTED],
        "more": _("… and %(n)s more", n=more) if (more := len(lines) - MAX_LISTED) > 0 else "",
        "marks": _marks(first),
        "stretches": _stretches(shown.stretches),
        "week": [_summary(day) for day in shown.days],
        "warning": unknown_years_warning(shown.unknown_years),
    }


def _expected(day: Day) -> str:
    if day.date == today():
        return _("Simulated push stream of today (expected: %(n)s)", n=day.expected)
    return _("Simulated push stream of %(date)s (expected: %(n)s)", date=day.date, n=day.expected)


def _day_words(day: Day) -> str:
    if day.kind is not DayKind.PLAIN:
        return f"{weekday(day.date)} · {labels.word(DAY_KIND, day.kind)}"
    return weekday(day.date)


def _counts(day: Day) -> str:
    parts = [
        (_("%(n)s on time", n=day.sent), day.sent),
        (_("%(n)s delayed", n=day.delayed), day.delayed),
        (_("%(n)s silenced", n=day.silenced), day.silenced),
    ]
    return " · ".join(text for text, n in parts if n)


def _stream(day: Day) -> Iterator[dict[str, str]]:
    """Yield the lines of a day's pushes. Several silenced in a row for one reason are one line."""
    for why, run in groupby(day.pushes, key=lambda push: push.why if push.at is None else None):
        lines = [_push(push, day.date) for push in run]
        if why is None or len(lines) < FOLDED_FROM:
            yield from lines
            continue
        times = [line["time"] for line in lines]
        number = _("%(n)s silenced", n=len(lines))
        yield lines[0] | {"time": f"{times[0]}–{times[-1]}", "word": number, "times": " · ".join(times)}


def _push(push: Push, date: dt.date) -> dict[str, str]:
    return {
        "time": _clock(push.planned, date),
        "at": _clock(push.at, date) if push.at and push.at != push.planned else "",
        "outcome": push.outcome,
        "word": labels.word(OUTCOME, push.outcome),
        "why": _("%(why)s; its hits go with the next push", why=labels.word(WHY, push.why))
        if push.at is None
        else labels.word(WHY, push.why),
    }


def _clock(moment: dt.datetime, date: dt.date) -> str:
    shown = f"{moment:%H:%M:%S}".removesuffix(":00")
    return shown if moment.date() == date else f"{moment:%m-%d} {shown}"


def _marks(day: Day) -> list[dict[str, Any]]:
    """Return the marks of the timeline, placed in percent of the day."""
    marks = {
        (_second(push.at or push.planned) // MARK_SECONDS, push.outcome)
        for push in day.pushes
        if (push.at or push.planned).date() == day.date
    }
    return [
        {"left": round(slot * MARK_SECONDS * 100 / DAY, 2), "outcome": outcome}
        for slot, outcome in sorted(marks)
    ]


def _second(moment: dt.datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _stretches(stretches: tuple[Stretch, ...]) -> list[dict[str, Any]]:
    ends = [*(each.begin for each in stretches[1:]), DAY]
    return [
        {
            "left": round(each.begin * 100 / DAY, 2),
            "width": round((end - each.begin) * 100 / DAY, 2),
            "level": "S" if each.why else each.level,
        }
        for each, end in zip(stretches, ends, strict=True)
    ]


def _summary(day: Day) -> dict[str, Any]:
    return {
        "date": day.date.isoformat(),
        "short": f"{day.date:%m-%d}",
        "day": _day_words(day),
        "expected": _("pushes: %(n)s", n=day.expected),
        "counts": _counts(day),
        "kind": str(day.kind),
    }


def saved_json(version: ScheduleVersion) -> dict[str, Any]:
    """Return what the page needs to continue after saving."""
    return {
        "id": version.schedule_id,
        "seen": mark(version),
        "edit": url_for("ScheduleView.edit", pk=version.schedule_id),
        "submit": url_for("ScheduleVersionView.submit", pk=version.id),
    }


def changed_json(error: ScheduleChanged) -> dict[str, Any]:
    """Return who saved in the meantime, the stored definition, and the mark with which to save over it."""
    stored = version_def(error.version)
    return {
        "problems": [{"path": "", "text": error.text()}],
        "seen": mark(error.version),
        "stored": describe.sentence(stored),
    }


def week(version: ScheduleVersion) -> dict[str, Any]:
    """Return the data of a stored version's week grid and preview, for reading only."""
    return {
        "levels": levels(),
        "days": labels.choices(DAY_WORD),
        "date": today().isoformat(),
        "data": {
            "definition": _as_typed(version_def(version)),
            "words": _words(),
            "urls": {"preview": url_for("ScheduleView.preview")},
        },
    }

"""The schedule editor: what its page is given, and what its preview answers."""

from __future__ import annotations

import datetime as dt
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
from app.screens.schedules.holidays import unknown_years

#: A list of more pushes than this is nobody's reading; the rest is counted.
MAX_LISTED = 200
#: One mark on the timeline stands for pushes of the same five minutes.
MARK_SECONDS = 300


#: Only its defaults count: what a kept timing does not name.
_SAMPLE = ScheduleDef(code="X", name="x", rules=["X"], preset="daily")


def page(
    schedule: Schedule | None, version: ScheduleVersion | None, definition: ScheduleDef | None
) -> dict[str, Any]:
    """Everything the template of the editor needs; without a definition it begins a new schedule."""
    definition_json = _as_typed(definition) if definition else _fresh()
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
            "defaults": _as_typed(_SAMPLE),
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
        "targets_url": url_for("TargetView.list") if may("can_list", "TargetView") else "",
        "grids": [(name, word) for name, (word, _grid) in presets.GRIDS.items()],
    }


def _as_typed(definition: ScheduleDef) -> dict[str, Any]:
    found = definition.model_dump(mode="json", by_alias=True)
    found["grid"] = {day: found["grid"].get(day, "H" * 24) for day in DAYS}
    return found


def _fresh() -> dict[str, Any]:
    """A sensible new schedule: every day at nine, silent at weekends and on holidays, quiet at night."""
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
    """Everything that can be pushed to, by name."""
    kinds = {kind: str(channel.label) for kind, channel in channels().items()}
    rows = db.session.scalars(select(Target).order_by(Target.name))
    return [
        {"code": row.code, "kind": row.kind, "text": f"{row.name} · {kinds.get(row.kind, row.kind)}"}
        for row in rows
    ]


def levels() -> list[tuple[str, str, str]]:
    """The levels with the letter of a cell and the word."""
    marks = {
        "H": pgettext("level", "H"),
        "M": pgettext("level", "M"),
        "L": pgettext("level", "L"),
        "S": pgettext("level", "S"),
    }
    return [(level, marks[level], str(word)) for level, word in LEVEL.items()]


def kept_shortcuts() -> list[dict[str, Any]]:
    """The kept timings; who may not remove one sees no button for it."""
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
    """What the page's script says by itself."""
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
        "unsaved": _("Not saved yet"),
        "saved": _("Saved"),
        "faulty": _("Correct what is marked, then the preview goes on."),
        "failed": _("The server does not respond. Your input is still here; try again."),
        "forget": _("Remove “%(name)s”", name="{name}"),
    }


def problems_json(error: ScheduleRefused) -> list[dict[str, str]]:
    """What is wrong, place by place."""
    return [{"path": each.path, "text": each.error.text()} for each in error.problems]


def preview_json(raw: Any, date_text: Any) -> dict[str, Any]:
    """What the schedule as typed does on a date and in the week from it on."""
    date = _date(date_text)
    try:
        definition = typed_timing(raw)
    except ScheduleRefused as error:
        return {"problems": problems_json(error)}
    found = preview(definition, date, current_app.config["SETTINGS"].zone, current())
    return {"problems": [], "sentence": describe.sentence(definition), **_said(found)}


def _date(text: Any) -> dt.date:
    try:
        found = dt.date.fromisoformat(str(text)[:10])
    except ValueError:
        return today()
    # The plan looks some weeks around its dates.
    return min(max(found, dt.date(2000, 1, 1)), dt.date(2100, 12, 31))


def _said(found: Preview) -> dict[str, Any]:
    first = found.days[0]
    return {
        "date": first.date.isoformat(),
        "day": _day_words(first),
        "expected": _("Pushes expected: %(n)s", n=first.expected),
        "counts": _counts(first),
        "pushes": [_push(push, first.date) for push in first.pushes[:MAX_LISTED]],
        "more": _("… and %(n)s more", n=more) if (more := len(first.pushes) - MAX_LISTED) > 0 else "",
        "marks": _marks(first),
        "stretches": _stretches(found.stretches),
        "week": [_summary(day) for day in found.days],
        "warning": unknown_years(found.unknown_years),
    }


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
    """Where the timeline has marks, in percent of the day."""
    places = {
        (_second(push.at or push.planned) // MARK_SECONDS, push.outcome)
        for push in day.pushes
        if (push.at or push.planned).date() == day.date
    }
    return [
        {"left": round(place * MARK_SECONDS * 100 / DAY, 2), "outcome": outcome}
        for place, outcome in sorted(places)
    ]


def _second(moment: dt.datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _stretches(found: tuple[Stretch, ...]) -> list[dict[str, Any]]:
    ends = [*(each.begin for each in found[1:]), DAY]
    return [
        {
            "left": round(each.begin * 100 / DAY, 2),
            "width": round((end - each.begin) * 100 / DAY, 2),
            "level": "S" if each.why else each.level,
        }
        for each, end in zip(found, ends, strict=True)
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
    """What the page needs to go on after saving."""
    return {
        "id": version.schedule_id,
        "seen": mark(version),
        "edit": url_for("ScheduleView.edit", pk=version.schedule_id),
        "submit": url_for("ScheduleVersionView.submit", pk=version.id),
    }


def changed_json(error: ScheduleChanged) -> dict[str, Any]:
    """That somebody else saved in between: who, what is stored now, and the mark that lets this one stand."""
    stored = version_def(error.version)
    return {
        "problems": [{"path": "", "text": error.text()}],
        "seen": mark(error.version),
        "stored": describe.sentence(stored),
    }


def week(version: ScheduleVersion) -> dict[str, Any]:
    """A stored version's week grid and preview, to look at."""
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

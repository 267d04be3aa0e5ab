"""Schedules in words of the current language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flask_babel import gettext as _

from app import labels
from app.schedules.definition import DAYS, RangeDef, ScheduleDef
from app.schedules.labels import DAY, HOLIDAYS, LEVEL, PRESET, WEEKEND

Pairs = list[tuple[str, str]]


class Names(NamedTuple):
    """Names of rules and targets by code. Those that no longer exist are shown by their code."""

    rules: Mapping[str, str]
    targets: Mapping[str, str]


def sentence(schedule: ScheduleDef) -> str:
    """Describe when the schedule pushes, leaving out settings without effect."""
    parts = [_rhythm(schedule)]
    grid = grid_words(schedule.grid, silence_only=schedule.preset != "custom")
    if grid:
        parts.append(grid)
    parts += [_range(each) for each in schedule.ranges]
    if schedule.quiet_hours:
        parts.append(_("quiet from %(start)s to %(end)s", **_ends(schedule.quiet_hours)))
    if schedule.weekend != "normal":
        parts.append(_("weekends %(how)s", how=_weekend(schedule)))
    if schedule.holidays == "silent" or (schedule.holidays == "weekend" and schedule.weekend != "normal"):
        parts.append(_("public holidays %(how)s", how=labels.word(HOLIDAYS, schedule.holidays)))
    if schedule.min_gap_seconds:
        parts.append(_("at least %(gap)s between two pushes", gap=_span(schedule.min_gap_seconds)))
    text = _("; ").join(parts)
    return text[:1].upper() + text[1:]


def changes(old: ScheduleDef | None, new: ScheduleDef, names: Names) -> list[tuple[str, str, str]]:
    """Return (part, old, new) for each difference of two schedules, or for all parts without an old one."""
    before, after = dict(_parts(old, names) if old else ()), dict(_parts(new, names))
    pairs = [
        (part, before.get(part, ""), after.get(part, ""))
        for part in (*after, *(part for part in before if part not in after))
    ]
    return [each for each in (*pairs, *_grid_changes(old, new)) if each[1] != each[2]]


def _parts(schedule: ScheduleDef, names: Names) -> Pairs:
    codes = [each.target for each in schedule.channels]
    return [
        (_("Name"), schedule.name),
        (_("Rules"), labels.joined(f"{code} {names.rules.get(code, '')}".strip() for code in schedule.rules)),
        (_("Push frequency"), labels.word(PRESET, schedule.preset)),
        *_timing(schedule),
        (_("Time ranges"), _("; ").join(map(_range, schedule.ranges))),
        (_("Quiet hours"), " – ".join(schedule.quiet_hours or ())),
        (_("Weekends"), _weekend(schedule)),
        (_("Public holidays"), labels.word(HOLIDAYS, schedule.holidays)),
        (_("Minimum gap"), _span(schedule.min_gap_seconds)),
        (_("Channels"), labels.joined(names.targets.get(code, code) for code in codes)),
    ]


def _grid_changes(old: ScheduleDef | None, new: ScheduleDef) -> list[tuple[str, str, str]]:
    """Return the changes of the week grid, with days that change alike in one line."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, day in enumerate(DAYS):
        rows = [_row(_cells(each, day)) if each else "" for each in (old, new)]
        groups.setdefault((rows[0], rows[1]), []).append(place)
    return [
        (_("Week grid, %(days)s", days=_days(places)), then, now) for (then, now), places in groups.items()
    ]


def grid_words(grid: Mapping[Any, str], *, silence_only: bool = False) -> str:
    """Describe the week grid, grouping days that are alike. Empty when every cell is high.

    ``silence_only`` leaves out the other levels, which have no effect on fixed times.
    """
    groups: dict[str, list[int]] = {}
    for place, day in enumerate(DAYS):
        row = grid.get(day, "H" * 24)
        row = "".join("S" if cell == "S" else "H" for cell in row) if silence_only else row
        groups.setdefault(row, []).append(place)
    parts = [
        _("%(days)s: %(levels)s", days=_days(places), levels=_row(row))
        for row, places in groups.items()
        if row != "H" * 24
    ]
    return _("; ").join(parts)


def _timing(schedule: ScheduleDef) -> Pairs:
    if schedule.preset == "custom":
        return [
            (_("Default interval"), _("%(n)s min", n=schedule.interval_minutes)),
            (_("Medium factor"), f"× {schedule.medium_factor:g}"),
            (_("Low factor"), f"× {schedule.low_factor:g}"),
        ]
    if schedule.preset == "hourly":
        return []
    start = [(_("Start date"), str(schedule.start_date or ""))] if schedule.preset != "daily" else []
    return [(_("Push time"), schedule.at), *start]


def _rhythm(schedule: ScheduleDef) -> str:
    if schedule.preset == "custom":
        minutes = schedule.interval_minutes
        text = _("every %(n)s minutes", n=minutes)
        levels = set("".join(schedule.grid.values())) | {each.level for each in schedule.ranges}
        slower = [
            _("%(level)s every %(n)s", level=labels.word(LEVEL, level), n=f"{minutes * factor:g}")
            for level, factor in (("M", schedule.medium_factor), ("L", schedule.low_factor))
            if level in levels
        ]
        return f"{text} ({labels.joined(slower)})" if slower else text
    if schedule.preset == "hourly":
        return _("every hour on the hour")
    if schedule.preset == "daily":
        return _("every day at %(at)s", at=schedule.at)
    days = 7 if schedule.preset == "every_7_days" else 30
    return _("every %(n)s days from %(start)s, at %(at)s", n=days, start=schedule.start_date, at=schedule.at)


def _range(each: RangeDef) -> str:
    return _(
        "%(days)s %(start)s–%(end)s %(level)s",
        days=_days([DAYS.index(day) for day in each.days]),
        start=each.from_,
        end=each.to,
        level=labels.word(LEVEL, each.level),
    )


def _weekend(schedule: ScheduleDef) -> str:
    if isinstance(schedule.weekend, str):
        return labels.word(WEEKEND, schedule.weekend)
    # +200 % is an interval three times as long.
    return _("with intervals stretched by %(n)s%%", n=f"{(schedule.weekend - 1) * 100:g}")


def _ends(hours: Sequence[str]) -> dict[str, str]:
    return {"start": hours[0], "end": hours[1]}


def _days(places: Iterable[int]) -> str:
    """Return weekdays as ranges, such as Mon–Fri, Sun."""
    names = [labels.word(DAY, day) for day in DAYS]
    if len(set(places := list(places))) == len(DAYS):
        return _("every day")
    stretches: list[list[int]] = []
    for place in sorted(places):
        if stretches and stretches[-1][-1] == place - 1:
            stretches[-1].append(place)
        else:
            stretches.append([place])
    return labels.joined(
        names[each[0]] if len(each) == 1 else f"{names[each[0]]}–{names[each[-1]]}" for each in stretches
    )


def _cells(schedule: ScheduleDef, day: Any) -> str:
    return schedule.grid.get(day, "H" * 24)


def _row(row: str) -> str:
    """Return a day's cells as ranges of hours, such as 0–9 silent, 9–24 high."""
    stretches: list[tuple[int, int, str]] = []
    for hour, level in enumerate(row):
        if stretches and stretches[-1][2] == level:
            stretches[-1] = (stretches[-1][0], hour + 1, level)
        else:
            stretches.append((hour, hour + 1, level))
    if len(stretches) == 1:
        return labels.word(LEVEL, row[0])
    return labels.joined(f"{start}–{end} {labels.word(LEVEL, level)}" for start, end, level in stretches)


def _span(seconds: int) -> str:
    if seconds and seconds % 3600 == 0:
        return _("%(n)s h", n=seconds // 3600)
    if seconds and seconds % 60 == 0:
        return _("%(n)s min", n=seconds // 60)
    return _("%(n)s s", n=seconds)

"""Schedules in the configuration file. They become active at once, a changed one in a new version."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from sqlalchemy import select

from app.channels import targets
from app.extensions import db
from app.models import Rule, RuleStatus, Schedule
from app.rulesfile.kind import Kind
from app.schedules import approval, versions
from app.schedules.definition import ScheduleDef

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


def _active() -> list[Schedule]:
    in_force = (Schedule.active_version_id.is_not(None), Schedule.status == RuleStatus.ACTIVE)
    return list(db.session.scalars(select(Schedule).where(*in_force).order_by(Schedule.id)))


def _read() -> list[ScheduleDef]:
    return [versions.version_def(row.active_version) for row in _active() if row.active_version]


def _dormant() -> Collection[str]:
    return set(db.session.scalars(select(Schedule.code))) - {row.code for row in _active()}


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    rules = set(db.session.scalars(select(Rule.code))) | {rule.code for rule in config.rules}
    for number, schedule in enumerate(config.schedules):
        for place, code in enumerate(schedule.rules):
            if code not in rules:
                yield number, f".rules[{place}]: {code!r}: unknown rule code"
        for place, each in enumerate(schedule.channels):
            if problem := targets.problem_with(each.kind, each.target):
                yield number, f".channels[{place}]: {problem}"


def _apply(item: ScheduleDef, user: str, overwrite: bool) -> None:
    _apply_version(item, user, overwrite)
    targets.ensure(db.session, [(each.kind, each.target) for each in item.channels], user)


def _apply_version(item: ScheduleDef, user: str, overwrite: bool) -> None:
    schedule = db.session.scalar(select(Schedule).where(Schedule.code == item.code))
    if schedule is None:
        schedule = Schedule(code=item.code, name=item.name)
        db.session.add(schedule)
        db.session.flush()
    elif not overwrite:
        return
    current = schedule.active_version
    if current is not None and versions.version_def(current) == item:
        schedule.status = RuleStatus.ACTIVE
        return
    versions.activate(versions.add_version(schedule, item, user), user)


SCHEDULES = Kind(
    "schedules",
    read=_read,
    apply=_apply,
    problems=_problems,
    as_yaml=versions.schedule_spec,
    changes=approval.compare,
    dormant=_dormant,
)

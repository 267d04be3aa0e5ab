"""The universal control group 全局对照组: a stable share of all people left alone by marketing for a year.

A person belongs to it by a keyed hash of the year and the ID hash. Hits of members are held out, as those of
a rule's own holdout group are. The members of each year are stored, so that what the whole platform causes
can be measured.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Float, bindparam, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from app.extensions import db
from app.lib import clock
from app.models import ControlMember, Hit, HitStatus, Lead, OutreachSetting, VersionStatus
from app.rules.holdout import Lottery
from config import Settings

#: leads drawn in one transaction
CHUNK = 100_000


class ControlGroup:
    """The group of a year: who belongs to it while its share is what it is now."""

    def __init__(self, settings: Settings, year: int) -> None:
        self.year = year
        self.percent = share()
        # No rule's code contains a space, so the group never shares its draw with a rule.
        self._lottery = Lottery(settings, f"everybody {year}")

    def includes(self, id_hash: str) -> bool:
        """Return whether a person belongs to the group. A larger share contains every smaller one."""
        return bool(self.percent) and self._lottery.holds_out(id_hash, self.percent)


def share() -> float:
    """Return the percentage of people in the group, 0 while nobody has set one."""
    stored = OutreachSetting.values["control_percent"].astext.cast(Float)
    return db.session.scalar(select(stored).where(OutreachSetting.status == VersionStatus.ACTIVE)) or 0.0


def since() -> list[dt.date]:
    """Return the local days on which a share came into force where there had been none, oldest first."""
    percent = OutreachSetting.values["control_percent"].astext.cast(Float)
    rows = db.session.execute(
        select(OutreachSetting.activated_at, percent)
        .where(OutreachSetting.activated_at.is_not(None))
        .order_by(OutreachSetting.activated_at, OutreachSetting.id)
    )
    days, before = [], False
    for at, of_row in rows.tuples():
        if of_row and not before:
            days.append(clock.today(at))
        before = bool(of_row)
    return days


def draw(settings: Settings) -> int:
    """Store who of all leads belongs to this year's group. Return how many were added.

    Open hits of members that nobody works on are held out. Commits every chunk; may be repeated.
    """
    group = ControlGroup(settings, clock.today().year)
    if not group.percent:
        db.session.execute(delete(ControlMember).where(ControlMember.year == group.year))
        db.session.commit()
        return 0
    added, last = 0, 0
    while people := _after(last):
        members = [lead for lead, id_hash in people if group.includes(id_hash)]
        added += _store(group.year, last, people[-1][0], members)
        last = people[-1][0]
        db.session.commit()
    return added


def _after(lead_id: int) -> list[tuple[int, str]]:
    query = select(Lead.id, Lead.id_hash).where(Lead.id > lead_id).order_by(Lead.id).limit(CHUNK)
    return list(db.session.execute(query).tuples())


def _store(year: int, after: int, upto: int, members: list[int]) -> int:
    """Make these leads the year's only members among those above ``after`` up to ``upto``."""
    given = select(func.unnest(bindparam("members", members)).label("lead_id")).subquery()
    here = (ControlMember.year == year, ControlMember.lead_id > after, ControlMember.lead_id <= upto)
    no_more = delete(ControlMember).where(*here, ControlMember.lead_id.not_in(select(given.c.lead_id)))
    db.session.execute(no_more, execution_options={"synchronize_session": False})
    new = insert(ControlMember).from_select(["year", "lead_id"], select(literal(year), given.c.lead_id))
    added = db.session.execute(
        new.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True}
    ).rowcount  # type: ignore[attr-defined]
    untouched = (Hit.status == HitStatus.WAITING, Hit.owner_id.is_(None), Hit.holdout.is_(False))
    held = update(Hit).where(Hit.lead_id.in_(select(given.c.lead_id)), *untouched).values(holdout=True)
    db.session.execute(held, execution_options={"synchronize_session": False})
    return int(added)

"""In-app reminders: the number of new hits that each person may see, shown at the bell in the top bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from flask_appbuilder.security.sqla.models import Role
from flask_babel import LazyString, lazy_gettext
from pydantic import Field, field_validator
from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from app.access.scope import leads_visible_to
from app.channels.base import ChannelSettings, Limits, Message, Sent, Words
from app.errors import N_, FieldError, Said
from app.extensions import db
from app.labels import ROLE
from app.lib.pointers import to_rows
from app.models import Branch, Lead, Reminder, Staff
from app.permissions import STAFF_ROLES
from config import Settings

LEADS_A_QUERY = 10_000
NEW_HITS = lazy_gettext("%(schedule)s: %(n)s new high-potential leads")
TEST = lazy_gettext("Test of %(schedule)s: %(n)s sample leads, no real lead was touched")


class ReminderSettings(ChannelSettings):
    """The roles and the branch of the people to remind."""

    roles: Annotated[
        list[str],
        Field(min_length=1),
        Words(
            lazy_gettext("Roles"),
            lazy_gettext(
                "Each person is reminded of the leads they may see; those who see none get no reminder."
            ),
            choices=[(name, ROLE[name]) for name in STAFF_ROLES],
        ),
    ] = ["Marketer", "Manager"]
    branch: Annotated[
        str,
        Field(max_length=64),
        Words(
            lazy_gettext("Branch code"),
            lazy_gettext("Only staff of this branch and its sub-branches; leave empty for everybody."),
        ),
    ] = ""

    @field_validator("roles")
    @classmethod
    def _are_roles(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in STAFF_ROLES:
                raise FieldError("roles", "There is no such role: %(name)s", name=name[:40])
        return names

    @field_validator("branch")
    @classmethod
    def _is_a_branch(cls, code: str) -> str:
        if code and not db.session.scalar(select(Branch.id).where(Branch.code == code)):
            raise FieldError("branch", "There is no branch with the code %(code)s.", code=code)
        return code


class ReminderChannel:
    """Channel that creates reminders in the product."""

    kind = "reminder"
    label = lazy_gettext("In-app reminder")
    settings = ReminderSettings
    limits = Limits(hits=10_000, seconds=60.0)
    signs = False
    tells_status = False

    def send(self, message: Message, settings: ReminderSettings, secret: str, config: Settings) -> Sent:
        """Create a reminder for everybody who sees any of the hits. A retry reminds nobody twice."""
        with Session(db.engine) as session:
            leads = [hit.lead_id for hit in message.hits]
            counts = {
                person.id: count
                for person, count in _counts(session, _people(session, settings), leads, message.test)
            }
            rows = [_of_push(message, person_id, count) for person_id, count in counts.items() if count]
            _store(session, rows)
            session.commit()
        return Sent(Said(N_("%(n)s people reminded"), {"n": len(rows)}))


def _store(session: Session, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(Reminder).on_conflict_do_nothing(index_elements=["person_id", "source"]), rows)


def _of_push(message: Message, person_id: int, count: int) -> dict[str, Any]:
    return _row(
        person_id,
        message.id,
        kind="test" if message.test else "hits",
        message=TEST if message.test else NEW_HITS,
        values={"schedule": message.schedule_name, "n": count},
        opens=None if message.test else to_rows("hit", push=message.push_id),
    )


def _people(session: Session, settings: ReminderSettings) -> Sequence[Staff]:
    query = (
        select(Staff)
        .where(Staff.active.is_(True), Staff.roles.any(Role.name.in_(settings.roles)))
        .options(selectinload(Staff.roles), selectinload(Staff.branch))
        .order_by(Staff.id)
    )
    if settings.branch:
        top = session.scalar(select(Branch.path).where(Branch.code == settings.branch)) or "none"
        query = query.where(Staff.branch.has(Branch.path.startswith(top, autoescape=True)))
    return session.scalars(query).all()


def _counts(
    session: Session, people: Sequence[Staff], leads: list[int], test: bool
) -> list[tuple[Staff, int]]:
    """Return how many of the leads each person may see, counting once for people with the same scope."""
    known: dict[str, int] = {}
    counts = []
    for person in people:
        scope = leads_visible_to(person)
        key = str(scope.compile(compile_kwargs={"literal_binds": True}))
        if key not in known:
            known[key] = len(leads) if test else _visible(session, scope, leads)
        counts.append((person, known[key]))
    return counts


def _visible(session: Session, scope: ColumnElement[bool], leads: list[int]) -> int:
    seen: set[int] = set()
    for start in range(0, len(leads), LEADS_A_QUERY):
        part = Lead.id.in_(leads[start : start + LEADS_A_QUERY])
        seen.update(session.scalars(select(Lead.id).where(part, scope)))
    return sum(lead in seen for lead in leads)


def _row(person_id: int, source: str, *, message: LazyString, **columns: Any) -> dict[str, Any]:
    return {"person_id": person_id, "source": source, "message": message._args[0], **columns}


CHANNEL = ReminderChannel()

"""All tables of Lead Monitor and their enums, without queries.

Times are stored in UTC with their zone; dates are local dates of ``TIMEZONE``.
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any

from flask_appbuilder import Model
from flask_appbuilder.security.sqla.models import Role, User
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    Date,
    DateTime,
    FetchedValue,
    Float,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    String,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    and_,
    exists,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from app.errors import Said
from app.lib.clock import BEGAN
from app.lib.codes import new_code
from app.lib.said import SaidType


def _now() -> Mapped[dt.datetime]:
    return mapped_column(DateTime(timezone=True), server_default=text("app_now(now())"), nullable=False)


# --- Shared by several sections ---


class RunStatus(StrEnum):
    """Status of a background run.

    ``held`` waits for somebody to check incomplete data, ``asked`` for a second person's approval.
    """

    ASKED = "asked"
    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UserName(String):
    """The name for log-in of a person, which screens show as the person's name."""

    def __init__(self) -> None:
        super().__init__(128)


class Attempted:
    """Mix-in of work with a limited number of attempts, the last of which began at ``attempted_at``.

    An attempt ended by a restart of the database is not counted (app/jobs/leases.py).
    """

    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    attempted_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class Leased:
    """Mix-in of work leased to one worker at a time, until ``lease_until`` (app/jobs/leases.py)."""

    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class VersionStatus(StrEnum):
    """Status of a version of a rule, schedule or journey. A submitted one can't change until it is approved.

    A canary of a journey is in force for a share of its customers.
    """

    DRAFT = "draft"
    SUBMITTED = "submitted"
    CANARY = "canary"
    ACTIVE = "active"
    RETIRED = "retired"


class RuleStatus(StrEnum):
    """Status of a rule or schedule: a draft until a version is active; idle while paused or retired."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    RETIRED = "retired"


# --- Branches and log-ins ---


class Branch(Model):
    """A branch of the bank. ``path`` has the ids from the root down to the branch itself: ``/1/4/9/``."""

    __tablename__ = "branch"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("branch.id", ondelete="RESTRICT"), index=True)
    path: Mapped[str] = mapped_column(String(512), server_default="", index=True)
    parent: Mapped[Branch | None] = relationship("Branch", remote_side=[id])

    def __repr__(self) -> str:
        return self.name


class Staff(User):
    """A log-in of the bank's staff: Flask-AppBuilder's user with a branch, a language, a theme and perhaps
    a phone, to which they send test SMS.

    ``password_given``: somebody else set the current password, so the user must choose their own first.
    """

    __tablename__ = "ab_user"
    branch_id: Mapped[int | None] = mapped_column(ForeignKey("branch.id", ondelete="RESTRICT"), index=True)
    language: Mapped[str] = mapped_column(String(8), server_default="zh")
    password_given: Mapped[bool] = mapped_column(Boolean, server_default="false")
    phone_cipher: Mapped[bytes | None] = mapped_column(LargeBinary)
    phone_masked: Mapped[str] = mapped_column(String(32), server_default="")
    theme: Mapped[str] = mapped_column(String(8), server_default="system")
    #: whether the person has hidden the first-day list of home
    steps_hidden: Mapped[bool] = mapped_column(Boolean, server_default="false")
    branch: Mapped[Branch | None] = relationship("Branch", foreign_keys=[branch_id])

    def get_full_name(self) -> str:
        """Return the full name in the Chinese order: family name first, without a space."""
        return f"{self.last_name}{self.first_name}"


class AccountTaint(Model):
    """Another person who could act under an account: by setting it up, or changing its password or address.

    Until the owner has chosen a password through a mailed link, both count as one for approvals
    (app/access/taints.py). ``address_chosen``: this person alone set the account's current e-mail address, so
    that a link sent there does not prove that the owner used it.
    """

    __tablename__ = "account_taint"
    person_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), primary_key=True)
    by_id: Mapped[int] = mapped_column(
        ForeignKey("ab_user.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    kind: Mapped[str] = mapped_column(String(16))
    address_chosen: Mapped[bool] = mapped_column(Boolean, server_default="false")
    at: Mapped[dt.datetime] = _now()


class PasswordLink(Model):
    """A single-use mailed link for choosing a password, stored as a hash of its secret."""

    __tablename__ = "password_link"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    sent_to: Mapped[str] = mapped_column(String(320))
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    expires_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    used_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class LoginSession(Model):
    """A user's session in one browser.

    ``token_hash`` is the SHA-256 of the browser's cookie, ``data`` the session in the format of Flask's
    serializer. Triggers of the migration delete the sessions of a user whose password, roles, branch or
    activation change, however they are changed. ``verified_at`` is when the second factor was last proven.
    """

    __tablename__ = "login_session"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), index=True)
    data: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(String(64), server_default="")
    browser: Mapped[str] = mapped_column(String(256), server_default="")
    created_at: Mapped[dt.datetime] = _now()
    last_seen_at: Mapped[dt.datetime] = _now()
    verified_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    user: Mapped[Staff] = relationship("Staff")

    def __repr__(self) -> str:
        return f"#{self.id}"


class FactorKind(StrEnum):
    """Kind of a second factor: an authenticator app or a security key."""

    APP = "app"
    KEY = "key"


class SecondFactor(Model):
    """A second factor of a user.

    An app has a sealed secret; ``last_step`` is the step of its newest used code (RFC 6238). A key has the
    columns of WebAuthn.
    """

    __tablename__ = "second_factor"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(8), server_default=FactorKind.APP)
    name: Mapped[str] = mapped_column(String(64))
    secret_cipher: Mapped[bytes | None] = mapped_column(LargeBinary)
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    credential_id: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sign_count: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[dt.datetime] = _now()
    last_used_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class RecoveryCode(Model):
    """A code that stands in for a lost authenticator app once; only its keyed hash is kept."""

    __tablename__ = "recovery_code"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[dt.datetime] = _now()


class LoginDevice(Model):
    """A browser at which a user logged in that didn't know them.

    ``is_first`` is that of their first log-in.
    """

    __tablename__ = "login_device"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(64), server_default="")
    browser: Mapped[str] = mapped_column(String(256), server_default="")
    is_first: Mapped[bool] = mapped_column(Boolean, server_default="false")
    created_at: Mapped[dt.datetime] = _now()


class FormerPassword(Model):
    """The hash of a password that a user had before; the newest are kept (app/access/passwords.py)."""

    __tablename__ = "former_password"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), index=True)
    password: Mapped[str] = mapped_column(String(256))
    created_at: Mapped[dt.datetime] = _now()


# --- Leads ---


class BatchStatus(StrEnum):
    """Status of a lead import.

    Up to ``checked`` nothing has been imported: ``reading`` waits for the file to be read, ``checking`` for
    its dry run, the others for the user. ``undoing`` waits for the worker that undoes it.
    """

    READING = "reading"
    PREPARED = "prepared"
    CHECKING = "checking"
    CHECKED = "checked"
    CANCELLED = "cancelled"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class ImportBatch(Attempted, Model):
    """An import of a lead file, a do-not-disturb file or a file of facts, with the numbers of rows by result.

    For a do-not-disturb file, ``rows_created`` counts entries and ``rows_updated`` leads whose mark changed;
    for a file of facts, ``rows_created`` and ``rows_existing`` count values that were stored and unchanged;
    for outcomes, ``rows_updated`` counts corrections and ``rows_unmatched`` people who are not on the list.
    ``options`` are the user's answers: the ``reason`` of a do-not-disturb file, choices for unknown
    ``branches`` in a lead file (app/leads/branch_choices.py), ``as_of`` and ``backfill`` of facts.
    ``rows_restored`` and ``rows_left`` count the changed leads that undo restored or left as they are.
    ``upload`` is the path of an uploaded file until its import ends, or for some days if it is abandoned.
    ``preview`` is the masked extract shown on the screen, ``columns`` the matched fields with their
    positions, ``checked`` the result of the dry run. ``rows_done`` of ``rows_total`` is the progress of the
    pass that began at ``started_at`` and was requested at ``queued_at``. ``remarks`` count values that were
    left out of imported rows (app/leads/remarks.py).
    """

    __tablename__ = "import_batch"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('leads', 'suppressions', 'facts', 'outcomes')", name="ck_import_batch_kind"
        ),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), server_default="leads")
    file_name: Mapped[str] = mapped_column(String(255))
    file_digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), server_default=BatchStatus.RUNNING)
    update_existing: Mapped[bool] = mapped_column(Boolean, server_default="false")
    rows_read: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_created: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_updated: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_existing: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_unmatched: Mapped[int] = mapped_column(Integer, server_default="0")
    rejected: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    remarks: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    rows_deleted: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_kept: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_restored: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_left: Mapped[int] = mapped_column(Integer, server_default="0")
    undone_by: Mapped[str | None] = mapped_column(UserName)
    progress: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_done: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_total: Mapped[int | None] = mapped_column(Integer)
    upload: Mapped[str | None] = mapped_column(String(512))
    preview: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    columns: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    checked: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    cancel_requested: Mapped[bool] = mapped_column(Boolean, server_default="false")
    queued_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    error_file: Mapped[str | None] = mapped_column(String(512))
    error: Mapped[Said | None] = mapped_column(SaidType)
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def rows_rejected(self) -> int:
        """The number of rejected rows."""
        return sum((self.rejected or {}).values())

    def __repr__(self) -> str:
        return f"#{self.id} {self.file_name}"


LEAD_NO_SEQUENCE = Sequence("lead_no_seq", start=2000000, metadata=Model.metadata)


class LeadStatus(StrEnum):
    """Status of a lead as a customer, independent of its hits."""

    ACTIVE = "active"
    PAUSED = "paused"
    LOST = "lost"


class Lead(Model):
    """An existing customer on the imported list.

    The ID number is never stored, only ``id_hash`` (keyed hash, 64 hex digits). The phone is encrypted;
    ``phone_index`` is its blind index for exact search, ``phone_masked`` its form on screens.
    """

    __tablename__ = "lead"
    __table_args__ = (
        Index("ix_lead_live_id_hash", "id_hash", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_lead_live_no", "lead_no", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_lead_phone_index", "phone_index"),
        Index("ix_lead_deleted_id_hash", "id_hash", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("ix_lead_name", "name", postgresql_ops={"name": "text_pattern_ops"}),
        Index("ix_lead_live_name", "name", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_lead_live_created", "created_at", "id", postgresql_where=text("deleted_at IS NULL")),
        Index(
            *("ix_lead_live_branch", "branch_id", "created_at", "id"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            *("ix_lead_live_branch_name", "branch_id", "name", "id"),
            postgresql_ops={"name": "text_pattern_ops"},
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            *("ix_lead_live_source", "source", "status", "created_at", "id"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_lead_live_status", "status", "created_at", "id", postgresql_where=text("deleted_at IS NULL")
        ),
        Index("ix_lead_batch", "batch_id"),
        Index("ix_lead_opted_out", "id", postgresql_where=text("opted_out AND deleted_at IS NULL")),
        Index("ix_lead_deleted", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    lead_no: Mapped[str] = mapped_column(
        String(32), server_default=text("('L'::text || (nextval('lead_no_seq'::regclass))::text)")
    )
    name: Mapped[str] = mapped_column(String(128))
    id_hash: Mapped[str] = mapped_column(String(64))
    phone_cipher: Mapped[bytes] = mapped_column(LargeBinary)
    phone_index: Mapped[str] = mapped_column(String(64))
    phone_masked: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(64), server_default="")
    status: Mapped[str] = mapped_column(String(16), server_default=LeadStatus.ACTIVE)
    opted_out: Mapped[bool] = mapped_column(Boolean, server_default="false")
    branch_id: Mapped[int | None] = mapped_column(ForeignKey("branch.id", ondelete="RESTRICT"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id", ondelete="SET NULL"))
    created_at: Mapped[dt.datetime] = _now()
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )
    deleted_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    branch: Mapped[Branch | None] = relationship(Branch)
    batch: Mapped[ImportBatch | None] = relationship(ImportBatch)
    tags: Mapped[list[Tag]] = relationship("Tag", secondary="lead_tag", order_by="Tag.name")

    def __repr__(self) -> str:
        return f"{self.lead_no} {self.name}"


class LeadBefore(Model):
    """The values of a lead before an import changed it, and a digest of the editable values after it.

    Kept for the undo of the batch until retention deletes it. The phone is encrypted like the lead's own.
    """

    __tablename__ = "lead_before"
    __table_args__ = (Index("ix_lead_before_lead", "lead_id", "batch_id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batch.id", ondelete="CASCADE"))
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(128))
    phone_cipher: Mapped[bytes] = mapped_column(LargeBinary)
    phone_index: Mapped[str] = mapped_column(String(64))
    phone_masked: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(64))
    branch_id: Mapped[int | None] = mapped_column(Integer)
    after: Mapped[bytes] = mapped_column(LargeBinary)


class Tag(Model):
    """A coloured label for leads, from a managed list."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True, default=partial(new_code, "TAG"))
    name: Mapped[str] = mapped_column(String(32), unique=True)
    colour: Mapped[str] = mapped_column(String(16), server_default="blue")
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()

    def __repr__(self) -> str:
        return self.name


class LeadTag(Model):
    """A tag on a lead."""

    __tablename__ = "lead_tag"
    __table_args__ = (Index("ix_lead_tag_tag", "tag_id", "lead_id"),)
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True)


class Suppression(Model):
    """An entry of the do-not-disturb list 免打扰: a phone (blind index) or a person (ID hash), never both.

    It is in force from ``since``, when no contact was being judged without it, while ``removed_at`` is empty
    and ``expires_on`` has not passed. ``Lead.opted_out`` follows it.
    """

    __tablename__ = "suppression"
    __table_args__ = (
        Index("ix_suppression_phone", "phone_index"),
        Index("ix_suppression_person", "id_hash"),
        Index("ix_suppression_expiry", "expires_on", postgresql_where=text("removed_at IS NULL")),
        CheckConstraint("(phone_index IS NULL) <> (id_hash IS NULL)", name="ck_suppression_target"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    phone_index: Mapped[str | None] = mapped_column(String(64))
    id_hash: Mapped[str | None] = mapped_column(String(64))
    shown: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(255))
    expires_on: Mapped[dt.date | None] = mapped_column(Date)
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    since: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=text("app_now()"))
    removed_by: Mapped[str | None] = mapped_column(UserName)
    removed_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    removal_reason: Mapped[str | None] = mapped_column(String(255))


class Reveal(Model):
    """A reveal of one phone number in clear: by whom, of which lead, why, from which address."""

    __tablename__ = "reveal"
    __table_args__ = (
        Index("ix_reveal_lead", "lead_id"),
        Index("ix_reveal_at", "revealed_at"),
        Index("ix_reveal_by", "revealed_by", "revealed_at"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    reason: Mapped[str] = mapped_column(String(255))
    revealed_by: Mapped[str] = mapped_column(UserName)
    address: Mapped[str] = mapped_column(String(64))
    revealed_at: Mapped[dt.datetime] = _now()
    lead: Mapped[Lead] = relationship("Lead")


class SubjectRequest(Model):
    """A step in answering a customer's request about their data: who did what, when and why.

    ``kind`` is find, show, export or erase. Holds no personal data; ``lead_no`` outlives an erased lead.
    """

    __tablename__ = "subject_request"
    __table_args__ = (Index("ix_subject_request_at", "created_at"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    lead_no: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(255), server_default="")
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()


class BulkJob(Attempted, Leased, Model):
    """A bulk change of the leads that match ``filters`` (app/selection).

    ``rows`` counts the matching leads, first at the request and finally as processed; ``changed`` counts
    those that were different before.
    """

    __tablename__ = "bulk_job"
    __table_args__ = (
        CheckConstraint("kind IN ('tag', 'untag', 'delete')", name="ck_bulk_job_kind"),
        Index("ix_bulk_job_by", "requested_by"),
        Index("ix_bulk_job_open", "id", postgresql_where=text("status IN ('queued', 'running')")),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    tag_id: Mapped[int | None] = mapped_column(ForeignKey("tag.id", ondelete="SET NULL"), index=True)
    filters: Mapped[list[list[str]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    status: Mapped[str] = mapped_column(String(16), server_default=RunStatus.QUEUED)
    progress: Mapped[int] = mapped_column(Integer, server_default="0")
    rows: Mapped[int] = mapped_column(Integer, server_default="0")
    changed: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[Said | None] = mapped_column(SaidType)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, server_default="false")
    requested_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    tag: Mapped[Tag | None] = relationship("Tag")

    def __repr__(self) -> str:
        return f"#{self.id}"


# --- Facts ---


class FactDefinition(Model):
    """What a fact about leads is (``app.facts.definition``). Its values are stored under ``id``."""

    __tablename__ = "fact_definition"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('number', 'money', 'date', 'choice', 'flag', 'text')", name="ck_fact_definition_kind"
        ),
        CheckConstraint("purpose IN ('marketing', 'service', 'risk')", name="ck_fact_definition_purpose"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    name_en: Mapped[str] = mapped_column(String(128), server_default="")
    kind: Mapped[str] = mapped_column(String(16))
    unit: Mapped[str] = mapped_column(String(16), server_default="")
    purpose: Mapped[str] = mapped_column(String(16), server_default="marketing")
    sensitive: Mapped[bool] = mapped_column(Boolean, server_default="false")
    keep_days: Mapped[int] = mapped_column(Integer, server_default="1100")
    choices: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    round_to: Mapped[int] = mapped_column(Integer, server_default="1")
    updated_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )

    def __repr__(self) -> str:
        return self.name


# --- Products and outcomes ---


class Product(Model):
    """A product that the bank sells (``app.products.definition``)."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("margin_rate BETWEEN 0 AND 1", name="ck_product_margin_rate"),
        CheckConstraint("valid_until >= valid_from", name="ck_product_valid"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    line: Mapped[str] = mapped_column(String(64))
    margin_rate: Mapped[Decimal] = mapped_column(Numeric(7, 6), server_default="0.03")
    valid_from: Mapped[dt.date | None] = mapped_column(Date)
    valid_until: Mapped[dt.date | None] = mapped_column(Date)
    eligible: Mapped[dict[str, list[str]]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    updated_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )

    def __repr__(self) -> str:
        return self.name


class _Told:
    """Mix-in of what a delivery told of an outcome. Without a margin the product's rate counts."""

    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id", ondelete="RESTRICT"))
    on_date: Mapped[dt.date] = mapped_column(Date)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 4))
    margin: Mapped[Decimal | None] = mapped_column(Numeric(18, 4))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id", ondelete="SET NULL"))


class Outcome(_Told, Model):
    """What a customer bought, as the bank's own system last told it, known there as ``outcome_id``.

    Triggers keep ``Hit.outcome_on`` true. ``batch_id`` is None when it came by the API.
    """

    __tablename__ = "outcome"
    __table_args__ = (
        Index("ix_outcome_lead", "lead_id", "on_date"),
        Index("ix_outcome_date", "on_date", "id"),
        Index("ix_outcome_product", "product_id", "on_date", "id"),
        Index("ix_outcome_told", "told_at"),
        CheckConstraint("amount >= 0", name="ck_outcome_amount"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    outcome_id: Mapped[str] = mapped_column(String(128), unique=True)
    corrections: Mapped[int] = mapped_column(Integer, server_default="0")
    told_at: Mapped[dt.datetime] = _now()
    lead: Mapped[Lead] = relationship(Lead)
    product: Mapped[Product] = relationship(Product)

    def __repr__(self) -> str:
        return self.outcome_id


class OutcomeFormer(_Told, Model):
    """What was told of an outcome before a correction."""

    __tablename__ = "outcome_former"
    __table_args__ = (
        Index("ix_outcome_former_current", "current_id", "id"),
        Index("ix_outcome_former_lead", "lead_id"),
        Index("ix_outcome_former_product", "product_id"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    current_id: Mapped[int] = mapped_column(ForeignKey("outcome.id", ondelete="CASCADE"))
    told_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    corrected_at: Mapped[dt.datetime] = _now()
    lead: Mapped[Lead] = relationship(Lead)
    product: Mapped[Product] = relationship(Product)


# --- Segments ---


class Segment(Model):
    """A named filter over leads (``app.segments.definition``). A shared one is available to everybody."""

    __tablename__ = "segment"
    __table_args__ = (UniqueConstraint("owner", "name", name="segment_owner_name_key"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True, default=partial(new_code, "SEG"))
    name: Mapped[str] = mapped_column(String(64))
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    shared: Mapped[bool] = mapped_column(Boolean, server_default="false")
    owner: Mapped[str] = mapped_column(UserName, index=True)
    created_at: Mapped[dt.datetime] = _now()
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )

    def __repr__(self) -> str:
        return self.name


# --- Activity and T+1 runs ---


class Institution(Model):
    """An organisation whose calls appear in the logs. ``listed`` is false until somebody describes it."""

    __tablename__ = "institution"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(128), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    category: Mapped[str] = mapped_column(String(64), server_default="", index=True)
    region: Mapped[str] = mapped_column(String(64), server_default="", index=True)
    listed: Mapped[bool] = mapped_column(Boolean, server_default="true")
    first_seen: Mapped[dt.date | None] = mapped_column(Date)

    def __repr__(self) -> str:
        return f"{self.name} ({self.code})"


class IngestFile(Model):
    """A log file that was read: a copy of the activity store's journal for the screens.

    ``other_content`` counts the duplicates whose content was not that of the call stored before. A withdrawn
    file has no ``days``.
    """

    __tablename__ = "ingest_file"
    __table_args__ = (Index("ix_ingest_file_at", "ingested_at"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(512))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    rows_read: Mapped[int] = mapped_column(BigInteger)
    accepted: Mapped[int] = mapped_column(BigInteger)
    duplicates: Mapped[int] = mapped_column(BigInteger)
    other_content: Mapped[int] = mapped_column(BigInteger, server_default="0")
    rejected: Mapped[dict[str, int]] = mapped_column(JSONB)
    rejects_file: Mapped[str | None] = mapped_column(String(512))
    days: Mapped[dict[str, int]] = mapped_column(JSONB)
    ingested_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    withdrawn_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def rows_rejected(self) -> int:
        """The number of rejected rows."""
        return sum((self.rejected or {}).values())


class LogCorrection(Attempted, Leased, Model):
    """The withdrawal of a log file that was read, or its replacement by another (app/t1/corrections.py).

    ``replacement`` is the name of the other file, and ``digest`` that of its content, under which it is kept
    until it is read. ``by_command``: the operator of the machine applied it without a second person.
    ``result`` has ``withdrawn``, ``accepted`` and the ``days`` to evaluate again. ``hits`` counts the hits
    that were withdrawn because of it, and ``judged_at`` is when those of all its days were judged.
    """

    __tablename__ = "log_correction"
    __table_args__ = (
        CheckConstraint(
            "by_command OR approved_by IS NOT NULL OR status IN ('asked', 'failed')",
            name="ck_log_correction_approved",
        ),
        Index(
            "ix_log_correction_open",
            "file_id",
            unique=True,
            postgresql_where=text("status IN ('asked', 'queued', 'running')"),
        ),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("ingest_file.id", ondelete="RESTRICT"))
    reason: Mapped[str] = mapped_column(String(500))
    replacement: Mapped[str | None] = mapped_column(String(255))
    digest: Mapped[str | None] = mapped_column(String(64))
    by_command: Mapped[bool] = mapped_column(Boolean, server_default="false")
    status: Mapped[str] = mapped_column(String(16), server_default=RunStatus.ASKED)
    progress: Mapped[int] = mapped_column(Integer, server_default="0")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    hits: Mapped[int] = mapped_column(Integer, server_default="0")
    judged_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    error: Mapped[Said | None] = mapped_column(SaidType)
    requested_by: Mapped[str] = mapped_column(UserName)
    approved_by: Mapped[str | None] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))

    file: Mapped[IngestFile] = relationship()

    def __repr__(self) -> str:
        return f"#{self.id}"

    @property
    def source(self) -> str:
        """The source that the journal of the store names for it."""
        return f"correction {self.id}"


class InboxFile(Model):
    """The last observed state of a file in the inbox, and since when it is unchanged (app/t1/inbox.py).

    ``path`` is below DATA_DIR, in the bytes of its name. ``renamed``: it had a temporary name before.
    ``taken_at``: when a run read it in this state. Files moved by runs keep their row for a while.
    """

    __tablename__ = "inbox_file"
    path: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    inode: Mapped[str] = mapped_column(Text)
    since: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    renamed: Mapped[bool] = mapped_column(Boolean)
    taken_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class InstitutionDay(Model):
    """The events of an institution on a local date, copied from the activity store.

    ``source`` names the counted file of the store (app/t1/institution_days.py).
    """

    __tablename__ = "institution_day"
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    institution: Mapped[str] = mapped_column(Text, primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(255))


class JobRun(Attempted, Leased, Model):
    """A run of background work, such as the T+1 run of a day: unique, leased and resumable.

    ``steps`` is a list of ``{name, status, detail, started_at, finished_at}`` in order. ``counts`` has the
    results of each step and, under ``former``, those of the day's earlier runs.
    """

    __tablename__ = "job_run"
    __table_args__ = (
        UniqueConstraint("kind", "day"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="ck_job_run_progress"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    day: Mapped[dt.date] = mapped_column(Date)
    status: Mapped[str] = mapped_column(String(16), server_default=RunStatus.QUEUED)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    progress: Mapped[int] = mapped_column(Integer, server_default="0")
    note: Mapped[str | None] = mapped_column(Text)
    error: Mapped[Said | None] = mapped_column(SaidType)
    force: Mapped[bool] = mapped_column(Boolean, server_default="false")
    requested_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    started_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))

    def __repr__(self) -> str:
        return f"{self.kind} {self.day}"


class TickerStep(Model):
    """A step of the ticker that is failing or has failed before. Others have no row."""

    __tablename__ = "ticker_step"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    failing_since: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    last_error: Mapped[Said] = mapped_column(SaidType)
    last_ok_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


# --- Rules ---


class Rule(Model):
    """A rule 监控指标, defined by its versions; ``active_version`` is the one evaluated."""

    __tablename__ = "rule"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    description: Mapped[str] = mapped_column(Text, server_default="")
    status: Mapped[str] = mapped_column(String(16), server_default=RuleStatus.DRAFT)
    active_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("rule_version.id", use_alter=True, name="fk_rule_active_version")
    )
    created_at: Mapped[dt.datetime] = _now()
    versions: Mapped[list[RuleVersion]] = relationship(
        "RuleVersion",
        foreign_keys="RuleVersion.rule_id",
        back_populates="rule",
        order_by="RuleVersion.number",
        cascade="all, delete-orphan",
    )
    active_version: Mapped[RuleVersion | None] = relationship(
        "RuleVersion", foreign_keys=[active_version_id], post_update=True
    )

    def __repr__(self) -> str:
        return f"{self.name} ({self.code})"


class RuleVersion(Model):
    """A version of a rule. Only a draft may change; a hit refers to the version that created it.

    ``name`` and ``description`` become the rule's when the version is activated. ``lead_filter`` is the
    ``LeadFilterDef`` without its empty lists, ``products`` are the codes of those whose outcomes count (none:
    all). ``revision`` counts the saves of the draft, by which concurrent
    edits are noticed; ``editors`` are the user names of everybody who saved it.
    """

    __tablename__ = "rule_version"
    __table_args__ = (
        UniqueConstraint("rule_id", "number"),
        CheckConstraint("match IN ('all', 'any')", name="ck_rule_version_match"),
        CheckConstraint("cooldown_days >= 1", name="ck_rule_version_cooldown"),
        CheckConstraint("holdout_percent BETWEEN 0 AND 50", name="ck_rule_version_holdout"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("rule.id", ondelete="CASCADE"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16), server_default=VersionStatus.DRAFT)
    name: Mapped[str] = mapped_column(String(128))
    description: Mapped[str] = mapped_column(Text, server_default="")
    match: Mapped[str] = mapped_column(String(3), server_default="all")
    cooldown_days: Mapped[int] = mapped_column(Integer, server_default="7")
    half_life_days: Mapped[float] = mapped_column(Float, server_default="7")
    weights: Mapped[dict[str, float]] = mapped_column(JSONB)
    grade_bands: Mapped[dict[str, float]] = mapped_column(JSONB)
    lead_filter: Mapped[dict[str, list[str]]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    holdout_percent: Mapped[float] = mapped_column(Float, server_default="0")
    products: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    revision: Mapped[int] = mapped_column(Integer, server_default="1")
    editors: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    saved_by: Mapped[str | None] = mapped_column(UserName)
    saved_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    activated_by: Mapped[str | None] = mapped_column(UserName)
    activated_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    rule: Mapped[Rule] = relationship(Rule, foreign_keys=[rule_id], back_populates="versions")
    conditions: Mapped[list[RuleCondition]] = relationship(
        "RuleCondition",
        back_populates="version",
        order_by="RuleCondition.position",
        cascade="all, delete-orphan",
    )

    def __repr__(self) -> str:
        return f"{self.rule.name} v{self.number}" if self.rule else f"v{self.number}"


class RuleCondition(Model):
    """A condition of a rule version. Empty lists mean that the filter is not given.

    Metrics, operators and event types are defined in ``app.activity``.
    """

    __tablename__ = "rule_condition"
    __table_args__ = (
        UniqueConstraint("version_id", "position", deferrable=True, initially="DEFERRED"),
        CheckConstraint("value >= 0", name="ck_condition_value"),
        CheckConstraint("window_days BETWEEN 1 AND 366", name="ck_condition_window"),
        CheckConstraint(
            "hour_from BETWEEN 0 AND 23 AND hour_to BETWEEN 0 AND 24 AND hour_from <> hour_to",
            name="ck_condition_hours",
        ),
        CheckConstraint("result IN ('any', 'success')", name="ck_condition_result"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("rule_version.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(Integer, server_default="1")
    metric: Mapped[str] = mapped_column(String(64), server_default="calls")
    op: Mapped[str] = mapped_column(String(16), server_default=">=")
    value: Mapped[int] = mapped_column(Integer)
    window_days: Mapped[int] = mapped_column(Integer)
    hour_from: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    hour_to: Mapped[int] = mapped_column(SmallInteger, server_default="24")
    institutions: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    categories: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    regions: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    event_types: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    result: Mapped[str] = mapped_column(String(8), server_default="any")
    version: Mapped[RuleVersion] = relationship(RuleVersion, back_populates="conditions")

    def __repr__(self) -> str:
        return f"{self.metric} {self.op} {self.value} / {self.window_days}d"


class Backtest(Attempted, Leased, Model):
    """A back-test of a rule version on the days ``first_day`` to ``last_day`` (``app.rules.backtest``).

    ``digest`` identifies the tested definition, because a draft may have changed since. ``condition`` is the
    position, from 0, of the condition whose threshold was varied. A conversion may take ``days_after`` days.
    """

    __tablename__ = "backtest"
    __table_args__ = (
        CheckConstraint("first_day <= last_day AND days_after >= 1", name="ck_backtest_period"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="ck_backtest_progress"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("rule_version.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    first_day: Mapped[dt.date] = mapped_column(Date)
    last_day: Mapped[dt.date] = mapped_column(Date)
    days_after: Mapped[int] = mapped_column(Integer)
    condition: Mapped[int] = mapped_column(Integer, server_default="0")
    status: Mapped[str] = mapped_column(String(16), server_default=RunStatus.QUEUED)
    progress: Mapped[int] = mapped_column(Integer, server_default="0")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[Said | None] = mapped_column(SaidType)
    requested_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    started_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    version: Mapped[RuleVersion] = relationship(RuleVersion)


# --- Schedules ---


class Schedule(Model):
    """A schedule, defined by its versions: when the hits of which rules are pushed, and to whom.

    Columns of the ticker: slots up to ``pushed_until`` are done; ``next_due_at`` is the next one by the
    version ``due_version_id``, computed at ``looked_at``.
    """

    __tablename__ = "schedule"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(16), server_default=RuleStatus.DRAFT)
    active_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("schedule_version.id", use_alter=True, name="fk_schedule_active_version")
    )
    created_at: Mapped[dt.datetime] = _now()
    pushed_until: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    looked_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    next_due_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    due_version_id: Mapped[int | None] = mapped_column(Integer)
    versions: Mapped[list[ScheduleVersion]] = relationship(
        "ScheduleVersion",
        foreign_keys="ScheduleVersion.schedule_id",
        back_populates="schedule",
        order_by="ScheduleVersion.number",
        cascade="all, delete-orphan",
    )
    active_version: Mapped[ScheduleVersion | None] = relationship(
        "ScheduleVersion", foreign_keys=[active_version_id], post_update=True
    )

    def __repr__(self) -> str:
        return f"{self.name} ({self.code})"


class ScheduleVersion(Model):
    """A version of a schedule. ``spec`` is its ``ScheduleDef`` as in a file, without defaults."""

    __tablename__ = "schedule_version"
    __table_args__ = (UniqueConstraint("schedule_id", "number"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedule.id", ondelete="CASCADE"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16), server_default=VersionStatus.DRAFT)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_by: Mapped[str] = mapped_column(UserName)
    #: users who saved it since, the latest last
    edited_by: Mapped[list[str]] = mapped_column(ARRAY(String(128)), server_default="{}")
    created_at: Mapped[dt.datetime] = _now()
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )
    activated_by: Mapped[str | None] = mapped_column(UserName)
    activated_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    schedule: Mapped[Schedule] = relationship(Schedule, foreign_keys=[schedule_id], back_populates="versions")

    def __repr__(self) -> str:
        return f"{self.schedule.name} v{self.number}" if self.schedule else f"v{self.number}"


class Holiday(Model):
    """The bank's own public holiday or make-up working day, which overrides the published calendar."""

    __tablename__ = "holiday"
    __table_args__ = (CheckConstraint("kind IN ('holiday', 'workday')", name="ck_holiday_kind"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    date: Mapped[dt.date] = mapped_column(Date, unique=True)
    kind: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(255), server_default="")
    updated_by: Mapped[str] = mapped_column(UserName)
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )

    def __repr__(self) -> str:
        return f"{self.date} {self.name}"


class CalendarDay(Model):
    """A published public holiday, make-up working day or plain day; a date without a row is not known."""

    __tablename__ = "calendar_day"
    __table_args__ = (
        CheckConstraint("kind IN ('holiday', 'workday', 'plain')", name="ck_calendar_day_kind"),
    )
    date: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))


class ScheduleShortcut(Model):
    """A saved timing for the schedule editor; ``timing`` is the part of a ScheduleDef that it sets."""

    __tablename__ = "schedule_shortcut"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(32), unique=True)
    timing: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()

    def __repr__(self) -> str:
        return self.name


# --- Pushes ---


class TargetStatus(StrEnum):
    """Status of a target. Deliveries to a stopped one wait."""

    ACTIVE = "active"
    STOPPED = "stopped"


class StopReason(StrEnum):
    """Reason why a target is stopped: not set up, stopped by a user, failing for days, or gone."""

    NOT_SET_UP = "not_set_up"
    BY_HAND = "by_hand"
    FAILING = "failing"
    GONE = "gone"


class Target(Model):
    """A system, group of people or folder to which a channel sends, with its health.

    ``settings`` are validated by the channel, and empty for a target that a configuration file made.
    ``secret_cipher`` is the encrypted signing secret. ``failing_since`` is the time of the first of the
    current consecutive failures.
    """

    __tablename__ = "target"
    __table_args__ = (CheckConstraint("status IN ('active', 'stopped')", name="ck_target_status"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(128))
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    secret_cipher: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_made_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    status: Mapped[str] = mapped_column(String(16), server_default=TargetStatus.ACTIVE)
    stop_reason: Mapped[str | None] = mapped_column(String(16))
    stopped_by: Mapped[str | None] = mapped_column(UserName)
    stopped_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    failing_since: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    last_ok_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    last_error: Mapped[Said | None] = mapped_column(SaidType)
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()

    def __repr__(self) -> str:
        return f"{self.name} ({self.code})" if self.name != self.code else self.code


class PushStatus(StrEnum):
    """Status of a push: ``open`` while any delivery may still be sent, ``failed`` when one is dead."""

    EMPTY = "empty"
    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


class Push(Model):
    """A sending of hits by a schedule: its nominal slot, when it was sent, and its outcome.

    One of ``journey_version_id`` has customers instead of hits: those who came to a step of a journey.
    ``missed`` counts the earlier slots lost in an outage, whose hits went with it. A test has no hits, and
    its slot is only the time of sending.
    """

    __tablename__ = "push"
    __table_args__ = (
        Index(*("ix_push_slot", "schedule_id", "slot"), unique=True, postgresql_where=text("NOT is_test")),
        Index("ix_push_at", "at", "id"),
        Index("ix_push_open", "id", postgresql_where=text("status = 'open'")),
        CheckConstraint("status IN ('empty', 'open', 'done', 'failed')", name="ck_push_status"),
        CheckConstraint("outcome IN ('send', 'delayed')", name="ck_push_outcome"),
        CheckConstraint(
            "is_test OR version_id IS NOT NULL OR journey_version_id IS NOT NULL", name="ck_push_version"
        ),
        Index(
            "ix_push_journey", "journey_version_id", postgresql_where=text("journey_version_id IS NOT NULL")
        ),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    schedule_id: Mapped[int | None] = mapped_column(ForeignKey("schedule.id", ondelete="CASCADE"))
    version_id: Mapped[int | None] = mapped_column(
        ForeignKey("schedule_version.id", ondelete="CASCADE"), index=True
    )
    journey_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("journey_version.id", ondelete="CASCADE")
    )
    slot: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str] = mapped_column(String(16))
    why: Mapped[str] = mapped_column(String(128), server_default="")
    missed: Mapped[int] = mapped_column(Integer, server_default="0")
    hits: Mapped[int] = mapped_column(Integer, server_default="0")
    status: Mapped[str] = mapped_column(String(16), server_default=PushStatus.OPEN)
    is_test: Mapped[bool] = mapped_column(Boolean, server_default="false")
    requested_by: Mapped[str] = mapped_column(UserName, server_default="system")
    created_at: Mapped[dt.datetime] = _now()
    schedule: Mapped[Schedule | None] = relationship(Schedule)
    version: Mapped[ScheduleVersion | None] = relationship(ScheduleVersion)
    journey_version: Mapped[JourneyVersion | None] = relationship("JourneyVersion")

    def __repr__(self) -> str:
        return f"#{self.id}"


class PushHit(Model):
    """A hit that a schedule has pushed, which happens only once."""

    __tablename__ = "push_hit"
    __table_args__ = (Index("ix_push_hit_push", "push_id", "hit_id"), Index("ix_push_hit_hit", "hit_id"))
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedule.id", ondelete="CASCADE"), primary_key=True)
    hit_id: Mapped[int] = mapped_column(ForeignKey("hit.id", ondelete="CASCADE"), primary_key=True)
    push_id: Mapped[int] = mapped_column(ForeignKey("push.id", ondelete="CASCADE"))


class DeliveryStatus(StrEnum):
    """Status of a delivery. ``waiting`` is sent at ``next_at``, ``sending`` is leased to a worker."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Delivery(Leased, Model):
    """A message of a push to one target, with the hits ``first_hit`` to ``last_hit`` of the push.

    ``uid`` is the message's id for the receiver, the same for every attempt. The message is built from the
    hits when it is sent, so that no copy of customers' data is stored; that of a journey from the steps that
    name the delivery.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_due", "next_at", "id", postgresql_where=text("status = 'waiting'")),
        Index("ix_delivery_leased", "lease_until", postgresql_where=text("status = 'sending'")),
        Index("ix_delivery_dead", "id", postgresql_where=text("status = 'dead'")),
        Index("ix_delivery_push", "push_id"),
        Index("ix_delivery_target", "target_id", "id"),
        CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'dead', 'cancelled')", name="ck_delivery_status"
        ),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    uid: Mapped[str] = mapped_column(String(64), unique=True)
    idempotency_key: Mapped[str] = mapped_column(String(200), unique=True)
    push_id: Mapped[int] = mapped_column(ForeignKey("push.id", ondelete="CASCADE"))
    target_id: Mapped[int] = mapped_column(ForeignKey("target.id", ondelete="RESTRICT"))
    part: Mapped[int] = mapped_column(Integer, server_default="1")
    parts: Mapped[int] = mapped_column(Integer, server_default="1")
    hits: Mapped[int] = mapped_column(Integer, server_default="0")
    first_hit: Mapped[int | None] = mapped_column(BigInteger)
    last_hit: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16), server_default=DeliveryStatus.WAITING)
    #: attempts since the delivery was created or last replayed
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    answer: Mapped[Said | None] = mapped_column(SaidType)
    created_at: Mapped[dt.datetime] = _now()
    done_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    push: Mapped[Push] = relationship(Push)
    target: Mapped[Target] = relationship(Target)

    def __repr__(self) -> str:
        return f"#{self.id}"


class DeliveryAttempt(Model):
    """An attempt at a delivery, with its answer."""

    __tablename__ = "delivery_attempt"
    __table_args__ = (
        Index("ix_delivery_attempt", "delivery_id", "id"),
        CheckConstraint("outcome IN ('ok', 'temporary', 'permanent')", name="ck_attempt_outcome"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"))
    tried_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str] = mapped_column(String(16))
    http_status: Mapped[int | None] = mapped_column(Integer)
    answer: Mapped[Said | None] = mapped_column(SaidType)
    duration_ms: Mapped[int] = mapped_column(Integer)
    delivery: Mapped[Delivery] = relationship(Delivery)


# --- Hits ---


class ControlMember(Model):
    """A lead in the universal control group 全局对照组 of a year (``app.rules.control_group``)."""

    __tablename__ = "control_member"
    __table_args__ = (Index("ix_control_member_lead", "lead_id"),)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    lead_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("lead.id", ondelete="CASCADE"), primary_key=True
    )


class HitStatus(StrEnum):
    """待营销处理 / 营销进行中 / 营销已转化 / 已联系失效 / 已撤销 (after a correction of logs)."""

    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    CONVERTED = "converted"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


#: customers that wait for somebody or are worked
WORKABLE_CUSTOMER = "live AND state = 'open'"
OPEN_AND_OWNED = "owner_id IS NOT NULL AND status IN ('waiting', 'in_progress')"


class Hit(Model):
    """A lead that a rule version caught on a date.

    ``evidence`` is that of the hit date (by its newest evaluation); ``last_met_on`` is the newest date on
    which the rule was still met within the cooldown.

    Work on it goes through ``app.hits.steps`` only. ``owner``, ``claimed_at``, ``next_on`` and
    ``escalated_at`` of an open hit are copies of its customer's, maintained by triggers. ``converted_at`` is
    the day of the conversion that somebody marked, ``amount`` (in yuan) and ``product`` are what they named.

    ``outcome_on`` is the date of the first outcome, on or after the hit date, of the products that its
    version counts, and ``converted`` whether it is in time, both maintained by triggers. ``status`` and
    ``converted_at`` are what a marketer marked: a claim (app/rules/conversions.py).

    ``source``, ``branch_id`` (0: none) and ``live`` are copies of the lead's values, maintained by triggers,
    so that lists, row scope and HitCount agree; they are looked up for each row that is inserted without
    ``live``. ``made_on`` is the local date on which it was created.

    A hit that no longer holds after a ``correction`` of logs is withdrawn (app/rules/withdrawals.py): not
    ``live``, and counted nowhere. ``former_status`` is the one it has again if it becomes live.
    """

    __tablename__ = "hit"
    __table_args__ = (
        UniqueConstraint("rule_id", "lead_id", "hit_date"),
        Index("ix_hit_lead", "lead_id"),
        Index("ix_hit_date", "hit_date", "score", "id", postgresql_where=text("live")),
        Index("ix_hit_branch", "branch_id", "hit_date", "score", "id", postgresql_where=text("live")),
        Index("ix_hit_made", "made_on", "id", postgresql_where=text("live")),
        Index("ix_hit_score", "score", "id", postgresql_where=text("live")),
        Index(
            *("ix_hit_grade", "grade", text("hit_date DESC"), text("score DESC"), "id"),
            postgresql_where=text("live"),
        ),
        Index("ix_hit_status_date", "status", "hit_date"),
        Index("ix_hit_outcome", "hit_date", "id", postgresql_where=text("live AND converted")),
        Index("ix_hit_owner", "owner_id", "next_on", postgresql_where=text(OPEN_AND_OWNED)),
        Index(
            *("ix_hit_unclaimed", "grade", text("hit_date DESC"), text("score DESC"), "id"),
            postgresql_where=text("owner_id IS NULL AND status = 'waiting' AND NOT (opted_out OR holdout)"),
        ),
        Index("ix_hit_next", "next_on", postgresql_where=text(OPEN_AND_OWNED)),
        Index("ix_hit_blocked", "branch_id", postgresql_where=text("live AND (opted_out OR holdout)")),
        Index("ix_hit_escalated", "escalated_at", postgresql_where=text("escalated_at IS NOT NULL")),
        Index("ix_hit_close_reason", "close_reason_id", postgresql_where=text("close_reason_id IS NOT NULL")),
        Index("ix_hit_product", "product_id", postgresql_where=text("product_id IS NOT NULL")),
        CheckConstraint("amount >= 0", name="ck_hit_amount"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("rule.id", ondelete="RESTRICT"))
    version_id: Mapped[int] = mapped_column(ForeignKey("rule_version.id", ondelete="RESTRICT"), index=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    hit_date: Mapped[dt.date] = mapped_column(Date)
    made_on: Mapped[dt.date] = mapped_column(Date)
    source: Mapped[str] = mapped_column(String(64), server_default="")
    branch_id: Mapped[int] = mapped_column(Integer, server_default="0")
    live: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    values: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    score: Mapped[float] = mapped_column(Float)
    grade: Mapped[str] = mapped_column(String(1))
    status: Mapped[str] = mapped_column(String(16), server_default=HitStatus.WAITING)
    opted_out: Mapped[bool] = mapped_column(Boolean, server_default="false")
    holdout: Mapped[bool] = mapped_column(Boolean, server_default="false")
    outcome_on: Mapped[dt.date | None] = mapped_column(Date)
    converted: Mapped[bool | None] = mapped_column(
        Boolean, server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB)
    last_met_on: Mapped[dt.date] = mapped_column(Date)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    claimed_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    next_on: Mapped[dt.date | None] = mapped_column(Date)
    escalated_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    converted_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    product_id: Mapped[int | None] = mapped_column(ForeignKey("product.id", ondelete="RESTRICT"))
    close_reason_id: Mapped[int | None] = mapped_column(ForeignKey("close_reason.id", ondelete="RESTRICT"))
    withdrawn_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    former_status: Mapped[str | None] = mapped_column(String(16))
    correction_id: Mapped[int | None] = mapped_column(ForeignKey("log_correction.id", ondelete="RESTRICT"))
    created_at: Mapped[dt.datetime] = _now()
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )
    rule: Mapped[Rule] = relationship(Rule)
    version: Mapped[RuleVersion] = relationship(RuleVersion)
    lead: Mapped[Lead] = relationship(Lead)
    owner: Mapped[Staff | None] = relationship(Staff)
    product: Mapped[Product | None] = relationship(Product)
    close_reason: Mapped[CloseReason | None] = relationship("CloseReason")
    correction: Mapped[LogCorrection | None] = relationship(LogCorrection)

    def __repr__(self) -> str:
        return f"#{self.id}"

    @classmethod
    def barred(cls) -> ColumnElement[bool]:
        """Return the criterion for hits for which nobody may contact the customer."""
        return or_(cls.opted_out, cls.holdout, cls.converted.is_(True))

    @property
    def bought(self) -> bool:
        """Whether an outcome converted the hit although it is still open."""
        return bool(self.converted) and self.status in (HitStatus.WAITING, HitStatus.IN_PROGRESS)


class CustomerState(StrEnum):
    """可跟进 / 不可联系 / 已处理完."""

    OPEN = "open"
    BLOCKED = "blocked"
    DONE = "done"


class Customer(Model):
    """A lead that was hit: the unit of work, with its one owner. The key is the lead's.

    Only ``app.hits.owner`` writes the owner. ``asked_by`` asked the owner to hand the customer over. The
    other columns sum up the hits but withdrawn ones, maintained by triggers, as are the copies of owner,
    next contact and escalation on open hits; ``live``: the lead is on the list. ``grade`` is the best,
    ``score``, ``hit_date`` and ``hit`` are those of the newest hit, both among the hits that can be worked,
    else among the open ones, else among all.
    """

    __tablename__ = "customer"
    __table_args__ = (
        CheckConstraint("(owner_id IS NULL) = (owned_since IS NULL)", name="ck_customer_owned"),
        CheckConstraint("owner_id IS NULL OR open_hits > 0", name="ck_customer_owner_works"),
        CheckConstraint("state IN ('open', 'blocked', 'done')", name="ck_customer_state"),
        Index("ix_customer_newest", "hit_date", "score", "id", postgresql_where=text(WORKABLE_CUSTOMER)),
        Index(
            *("ix_customer_branch", "branch_id", "hit_date", "score", "id"),
            postgresql_where=text(WORKABLE_CUSTOMER),
        ),
        Index(
            *("ix_customer_grade", "grade", text("hit_date DESC"), text("score DESC"), "id"),
            postgresql_where=text(WORKABLE_CUSTOMER),
        ),
        Index(
            *("ix_customer_unclaimed", "branch_id", "grade"),
            *(text("hit_date DESC"), text("score DESC"), "id"),
            postgresql_where=text(f"{WORKABLE_CUSTOMER} AND owner_id IS NULL"),
        ),
        Index(
            *("ix_customer_rest", "state", "hit_date", "score", "id"),
            postgresql_where=text("live AND state <> 'open'"),
        ),
        Index("ix_customer_live", "hit_date", "score", "id", postgresql_where=text("live")),
        Index("ix_customer_owner", "owner_id", "next_on", postgresql_where=text("owner_id IS NOT NULL")),
        Index("ix_customer_next", "next_on", postgresql_where=text("owner_id IS NOT NULL")),
        Index("ix_customer_call_back", "call_back_at", postgresql_where=text("call_back_at IS NOT NULL")),
        Index("ix_customer_asked", "owner_id", postgresql_where=text("asked_by_id IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("lead.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    owned_since: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    next_on: Mapped[dt.date | None] = mapped_column(Date)
    #: when the customer asked to be called back
    call_back_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    escalated_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    asked_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(String(8), server_default=CustomerState.DONE)
    status: Mapped[str] = mapped_column(String(16), server_default=HitStatus.FAILED)
    grade: Mapped[str] = mapped_column(String(1), server_default="D")
    score: Mapped[float] = mapped_column(Float, server_default="0")
    hit_date: Mapped[dt.date | None] = mapped_column(Date)
    hit_id: Mapped[int | None] = mapped_column(BigInteger)
    hits: Mapped[int] = mapped_column(Integer, server_default="0")
    open_hits: Mapped[int] = mapped_column(Integer, server_default="0")
    source: Mapped[str] = mapped_column(String(64), server_default="")
    branch_id: Mapped[int] = mapped_column(Integer, server_default="0")
    live: Mapped[bool] = mapped_column(Boolean, server_default="false")
    lead: Mapped[Lead] = relationship(Lead)
    owner: Mapped[Staff | None] = relationship(Staff, foreign_keys=[owner_id])
    asked_by: Mapped[Staff | None] = relationship(Staff, foreign_keys=[asked_by_id])
    hit: Mapped[Hit | None] = relationship(
        Hit, primaryjoin="foreign(Customer.hit_id) == Hit.id", viewonly=True, uselist=False
    )

    def __repr__(self) -> str:
        return str(self.lead)


class WorkQueue(Model):
    """The customers of a list in the order in which a person saw them, for going from one to the next."""

    __tablename__ = "work_queue"
    __table_args__ = (Index("ix_work_queue_person", "person_id", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    #: path and query of the list
    address: Mapped[str] = mapped_column(Text)
    #: how many rows of the list come before the first of these customers, and how many rows it had
    first: Mapped[int] = mapped_column(Integer, server_default="0")
    total: Mapped[int] = mapped_column(Integer, server_default="0")
    customers: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    made_at: Mapped[dt.datetime] = _now()


class HitGate(Model):
    """A table without rows, whose locks serialise new hits with changes of their leads."""

    __tablename__ = "hit_gate"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)


class _HitKey:
    """Mix-in of the columns by which hits are counted, apart from dates."""

    rule_id: Mapped[int] = mapped_column(Integer)
    grade: Mapped[str] = mapped_column(String(1))
    source: Mapped[str] = mapped_column(String(64))
    branch_id: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16))
    converted: Mapped[bool] = mapped_column(Boolean, server_default="false")
    n: Mapped[int] = mapped_column(Integer)


class HitCount(_HitKey, Model):
    """The number of live hits by kind and date, to which HitDelta has to be added."""

    __tablename__ = "hit_count"
    __table_args__ = (
        PrimaryKeyConstraint(
            *("hit_date", "made_on", "rule_id", "grade", "source", "branch_id", "status", "converted"),
            name="hit_count_pkey",
        ),
        Index("ix_hit_count_made", "made_on"),
        Index("ix_hit_count_none", "hit_date", postgresql_where=text("n = 0")),
    )
    hit_date: Mapped[dt.date] = mapped_column(Date)
    made_on: Mapped[dt.date] = mapped_column(Date)


class HitTotal(_HitKey, Model):
    """The number of live hits by kind over all dates, to which HitDelta has to be added."""

    __tablename__ = "hit_total"
    __table_args__ = (
        PrimaryKeyConstraint(
            *("rule_id", "grade", "source", "branch_id", "status", "converted"), name="hit_total_pkey"
        ),
    )


class HitDelta(Model):
    """Changes of the counts since they were last folded (app/hits/counts.py).

    Written only by triggers, one row per statement and kind, so that writers never wait for each other.
    """

    __tablename__ = "hit_delta"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hit_date: Mapped[dt.date] = mapped_column(Date)
    made_on: Mapped[dt.date] = mapped_column(Date)
    rule_id: Mapped[int] = mapped_column(Integer)
    grade: Mapped[str] = mapped_column(String(1))
    source: Mapped[str] = mapped_column(String(64))
    branch_id: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16))
    converted: Mapped[bool] = mapped_column(Boolean, server_default="false")
    n: Mapped[int] = mapped_column(Integer)


class HitEvent(Model):
    """A step in the work on a hit. Append-only, deleted only together with its hit.

    ``person`` is the user name of who took the step (or ``system``), ``owner`` that of the owner after it.
    ``result`` says how the contact ended of which the step tells. ``before`` are the values of hit and
    customer that it changed; ``undoes_at`` is the moment of the steps that a later step took back.
    """

    __tablename__ = "hit_event"
    __table_args__ = (
        Index("ix_hit_event_hit", "hit_id", "id"),
        Index("ix_hit_event_at", "at"),
        Index("ix_hit_event_person", "person", "kind"),
        Index("ix_hit_event_undo", "hit_id", "undoes_at", postgresql_where=text("undoes_at IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hit_id: Mapped[int] = mapped_column(ForeignKey("hit.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    from_status: Mapped[str] = mapped_column(String(16))
    to_status: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str | None] = mapped_column(UserName)
    note: Mapped[str] = mapped_column(Text, server_default="")
    next_on: Mapped[dt.date | None] = mapped_column(Date)
    result_id: Mapped[int | None] = mapped_column(ForeignKey("contact_result.id", ondelete="RESTRICT"))
    person: Mapped[str] = mapped_column(UserName)
    at: Mapped[dt.datetime] = _now()
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    undoes_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    result: Mapped[ContactResult | None] = relationship("ContactResult")

    @classmethod
    def stands(cls) -> ColumnElement[bool]:
        """Return the criterion for steps that nobody took back and that take nothing back."""
        later = aliased(cls)
        taken_back = exists().where(later.hit_id == cls.hit_id, later.undoes_at == cls.at)
        return and_(cls.undoes_at.is_(None), ~taken_back)


class CloseReason(Model):
    """A reason for closing a hit without success, from a managed list. One in use can't be deleted."""

    __tablename__ = "close_reason"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    position: Mapped[int] = mapped_column(Integer, server_default="0")
    active: Mapped[bool] = mapped_column(Boolean, server_default="true")
    #: the customer refused, so that closing for it also offers the do-not-disturb list
    refusal: Mapped[bool] = mapped_column(Boolean, server_default="false")

    def __repr__(self) -> str:
        return self.name


class ResultKind(StrEnum):
    """What follows from a result: another contact, a call at an agreed time, or the end of the work."""

    NEXT = "next"
    CALL_BACK = "call_back"
    CLOSE = "close"


class ContactResult(Model):
    """How a contact with a customer ended, from a managed list. One in use can't be deleted.

    ``next_days`` is the suggested number of days until the next contact. ``close_reason`` is that of a result
    which closes; if it is a refusal, the customer is put on the do-not-disturb list as well. ``wrong_number``
    says that the number is not the customer's, which marks the customer.
    """

    __tablename__ = "contact_result"
    __table_args__ = (
        CheckConstraint("kind IN ('next', 'call_back', 'close')", name="ck_contact_result_kind"),
        CheckConstraint("next_days BETWEEN 0 AND 366", name="ck_contact_result_next_days"),
        CheckConstraint("(kind = 'close') = (close_reason_id IS NOT NULL)", name="ck_contact_result_reason"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    name_en: Mapped[str] = mapped_column(String(64), server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default=ResultKind.NEXT)
    next_days: Mapped[int] = mapped_column(Integer, server_default="3")
    close_reason_id: Mapped[int | None] = mapped_column(ForeignKey("close_reason.id", ondelete="RESTRICT"))
    position: Mapped[int] = mapped_column(Integer, server_default="0")
    active: Mapped[bool] = mapped_column(Boolean, server_default="true")
    wrong_number: Mapped[bool] = mapped_column(Boolean, server_default="false")
    close_reason: Mapped[CloseReason | None] = relationship(CloseReason)

    def __repr__(self) -> str:
        return self.name


class WorkSetting(Model):
    """Settings for assignment and escalation of hits: one row, or none while the defaults are unchanged."""

    __tablename__ = "work_setting"
    __table_args__ = (
        CheckConstraint("id = 1", name="ck_work_setting_one"),
        CheckConstraint("most_open BETWEEN 1 AND 1000", name="ck_work_setting_most_open"),
        CheckConstraint("respond_days BETWEEN 0 AND 30", name="ck_work_setting_respond"),
        CheckConstraint("overdue_days BETWEEN 0 AND 60", name="ck_work_setting_overdue"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, default=1)
    auto_assign: Mapped[bool] = mapped_column(Boolean, server_default="false")
    most_open: Mapped[int] = mapped_column(Integer, server_default="50")
    respond_days: Mapped[int] = mapped_column(Integer, server_default="1")
    overdue_days: Mapped[int] = mapped_column(Integer, server_default="2")
    updated_by: Mapped[str] = mapped_column(UserName)
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )


# --- Outreach ---


class OutreachTemplate(Model):
    """A text for SMS, or a script for calls, in versions; the newest version is the one in use."""

    __tablename__ = "outreach_template"
    __table_args__ = (CheckConstraint("channel IN ('sms', 'call')", name="ck_outreach_template_channel"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True, default=partial(new_code, "TPL"))
    channel: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(64), unique=True)
    products: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    active: Mapped[bool] = mapped_column(Boolean, server_default="true")
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    versions: Mapped[list[OutreachTemplateVersion]] = relationship(
        "OutreachTemplateVersion",
        back_populates="template",
        order_by="OutreachTemplateVersion.number.desc()",
        cascade="all, delete-orphan",
    )

    def __repr__(self) -> str:
        return self.name


class OutreachTemplateVersion(Model):
    """A version of a template's text."""

    __tablename__ = "outreach_template_version"
    __table_args__ = (UniqueConstraint("template_id", "number"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    template_id: Mapped[int] = mapped_column(ForeignKey("outreach_template.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    body: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    template: Mapped[OutreachTemplate] = relationship(OutreachTemplate, back_populates="versions")

    def __repr__(self) -> str:
        return f"{self.template} v{self.number}"


class ForbiddenWord(Model):
    """A word that no template may contain."""

    __tablename__ = "forbidden_word"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    word: Mapped[str] = mapped_column(String(32), unique=True)
    note: Mapped[str] = mapped_column(String(255), server_default="")
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()

    def __repr__(self) -> str:
        return self.word


class OutreachSetting(Model):
    """A version of the compliance rules, with ``values`` as in ``app.outreach.settings``.

    At most one row is active; a submitted one waits for approval; retired ones are the history. While
    ``recounted_at`` is None, conversions of hits have not been counted again with its conversion days.
    """

    __tablename__ = "outreach_setting"
    __table_args__ = (
        Index(
            "ix_outreach_setting_active", "status", unique=True, postgresql_where=text("status = 'active'")
        ),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    values: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(String(16), server_default=VersionStatus.DRAFT)
    reason: Mapped[str] = mapped_column(String(255), server_default="")
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    activated_by: Mapped[str | None] = mapped_column(UserName)
    activated_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    recounted_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))

    def __repr__(self) -> str:
        return f"#{self.id}"


class OutreachGateway(Model):
    """An external gateway for contacts: where to post, and how to read the answer.

    The sandbox is used while no gateway of a channel is ``active``. Consecutive ``failures`` open the circuit
    until ``open_until``; ``next_slot_at`` is when the rate limit allows the next message.
    """

    __tablename__ = "outreach_gateway"
    __table_args__ = (
        CheckConstraint("channel IN ('sms', 'call')", name="ck_outreach_gateway_channel"),
        Index("ix_outreach_gateway_active", "channel", unique=True, postgresql_where=text("active")),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    channel: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(64), unique=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    secret_cipher: Mapped[bytes | None] = mapped_column(LargeBinary)
    active: Mapped[bool] = mapped_column(Boolean, server_default="false")
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    open_until: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    next_slot_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    last_error: Mapped[Said | None] = mapped_column(SaidType)
    updated_by: Mapped[str] = mapped_column(UserName)
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )

    def __repr__(self) -> str:
        return self.name


class OutreachBatchStatus(StrEnum):
    """Status of an outreach batch: checked, then confirmed by its creator, or ``waiting`` for approval."""

    CHECKING = "checking"
    CHECKED = "checked"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class OutreachBatch(Attempted, Model):
    """An outreach batch: one template, or two to compare, for many hits. Checked, confirmed, then sent.

    ``selection`` is ``{"ids": …}`` of hits or ``{"filters": …}`` (app/selection); each selected hit is a row
    of ``Outreach``. ``share_b`` percent of the people, drawn at random, get ``version_b``. ``planned`` is the
    result of the check: the numbers to be sent, and held by reason, and the cost; ``rows_done`` is the
    progress of the check, ``attempts`` counts its attempts. ``send_at`` is the moment chosen for its start,
    None for at once. A waiting batch goes on at ``not_before``; ``waits_for`` is the reason. ``spent`` is the
    cost in yuan once the batch has ended.
    """

    __tablename__ = "outreach_batch"
    __table_args__ = (
        Index(
            *("ix_outreach_batch_open", "id"),
            postgresql_where=text("status IN ('checking', 'running', 'paused', 'waiting')"),
        ),
        Index("ix_outreach_batch_by", "created_by"),
        Index(
            *("ix_outreach_batch_journey", "journey_version_id", "name"),
            postgresql_where=text("journey_version_id IS NOT NULL"),
        ),
        CheckConstraint(
            "(version_b_id IS NULL AND share_b IS NULL)"
            " OR (version_b_id <> version_id AND share_b BETWEEN 1 AND 99)",
            name="ck_outreach_batch_share",
        ),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), server_default="")
    channel: Mapped[str] = mapped_column(String(8))
    version_id: Mapped[int] = mapped_column(ForeignKey("outreach_template_version.id", ondelete="RESTRICT"))
    version_b_id: Mapped[int | None] = mapped_column(
        ForeignKey("outreach_template_version.id", ondelete="RESTRICT")
    )
    share_b: Mapped[int | None] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16), server_default=OutreachBatchStatus.CHECKING)
    selection: Mapped[dict[str, Any]] = mapped_column(JSONB)
    candidates: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_done: Mapped[int] = mapped_column(Integer, server_default="0")
    planned: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    spent: Mapped[Decimal | None] = mapped_column(Numeric(12, 4))
    gateway: Mapped[str] = mapped_column(String(64), server_default="")
    send_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    not_before: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    waits_for: Mapped[str] = mapped_column(String(16), server_default="")
    error: Mapped[Said | None] = mapped_column(SaidType)
    created_by: Mapped[str] = mapped_column(UserName)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    created_at: Mapped[dt.datetime] = _now()
    confirmed_by: Mapped[str | None] = mapped_column(UserName)
    confirmed_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    journey_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("journey_version.id", ondelete="RESTRICT")
    )
    version: Mapped[OutreachTemplateVersion] = relationship(
        OutreachTemplateVersion, foreign_keys=[version_id]
    )
    version_b: Mapped[OutreachTemplateVersion | None] = relationship(
        OutreachTemplateVersion, foreign_keys=[version_b_id]
    )

    def __repr__(self) -> str:
        return f"#{self.id} {self.name}".rstrip()


class OutreachStatus(StrEnum):
    """Status of a contact. ``unknown``: the gateway gave no clear answer and will be asked again."""

    QUEUED = "queued"
    HELD = "held"
    DROPPED = "dropped"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    NO_ANSWER = "no_answer"
    ANSWERED = "answered"
    REFUSED = "refused"
    INTERESTED = "interested"
    OPT_OUT = "opt_out"
    CONVERTED = "converted"


class Outreach(Leased, Model):
    """A contact of a customer, or the reason why there was none.

    ``hit_id`` is the hit that it is about; there is none when a journey began without one.
    ``version_id`` is its text. ``segments`` (1 for a call) and ``cost`` in yuan are stored when it is handed
    over, at the prices of that moment, and cleared if the gateway did not accept it.
    ``key`` identifies it to the gateway, which accepts a key only once. From ``reserved_at`` on it counts
    against the caps of ``id_hash`` and ``phone_index``, unless it failed; the database stamps it when it lets
    the contact go to sending (app/outreach/guard.py). ``override_id`` is the step by which a manager allowed
    the call outside contact hours. ``reported_at``: another system told of the contact, which the product had
    not sent. After ``lease_until`` its worker is considered dead and the gateway is asked.
    """

    __tablename__ = "outreach"
    __table_args__ = (
        UniqueConstraint("batch_id", "hit_id"),
        Index("ix_outreach_batch_status", "batch_id", "status", "id"),
        Index("ix_outreach_lead", "lead_id", "id"),
        Index("ix_outreach_hit", "hit_id"),
        Index("ix_outreach_version", "version_id"),
        Index(
            *("ix_outreach_phone", "phone_index", "reserved_at"),
            postgresql_where=text("reserved_at IS NOT NULL"),
        ),
        Index(
            *("ix_outreach_id_hash", "id_hash", "reserved_at"),
            postgresql_where=text("reserved_at IS NOT NULL"),
        ),
        Index("ix_outreach_at", "at", "id"),
        Index("ix_outreach_unknown", "next_at", postgresql_where=text("status = 'unknown'")),
        Index("ix_outreach_leased", "lease_until", postgresql_where=text("status = 'sending'")),
        Index("ix_outreach_reserved", "reserved_at", postgresql_where=text("reserved_at IS NOT NULL")),
        Index("ix_outreach_reported", "reported_at", postgresql_where=text("reported_at IS NOT NULL")),
        Index("ix_outreach_override", "override_id", postgresql_where=text("override_id IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("outreach_batch.id", ondelete="CASCADE"))
    hit_id: Mapped[int | None] = mapped_column(ForeignKey("hit.id", ondelete="CASCADE"))
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    version_id: Mapped[int] = mapped_column(ForeignKey("outreach_template_version.id", ondelete="RESTRICT"))
    channel: Mapped[str] = mapped_column(String(8))
    key: Mapped[uuid.UUID] = mapped_column(Uuid, unique=True, server_default=text("gen_random_uuid()"))
    id_hash: Mapped[str] = mapped_column(String(64))
    phone_index: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), server_default=OutreachStatus.QUEUED)
    reason: Mapped[str] = mapped_column(String(16), server_default="")
    note: Mapped[Said | None] = mapped_column(SaidType)
    at: Mapped[dt.datetime] = _now()
    reserved_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    sent_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    reported_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    override_id: Mapped[int | None] = mapped_column(ForeignKey("hit_event.id", ondelete="SET NULL"))
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    gateway_ref: Mapped[str] = mapped_column(String(128), server_default="")
    segments: Mapped[int | None] = mapped_column(Integer)
    cost: Mapped[Decimal | None] = mapped_column(Numeric(10, 4))
    version: Mapped[OutreachTemplateVersion] = relationship(OutreachTemplateVersion)
    batch: Mapped[OutreachBatch] = relationship(OutreachBatch)
    hit: Mapped[Hit | None] = relationship(Hit)
    lead: Mapped[Lead] = relationship(Lead)

    def __repr__(self) -> str:
        return f"#{self.id}"


class OutreachEvent(Model):
    """An outcome of a contact, as reported by the gateway or a system of the bank."""

    __tablename__ = "outreach_event"
    __table_args__ = (
        UniqueConstraint("outreach_id", "outcome", "at"),
        Index("ix_outreach_event_received", "received_at"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    outreach_id: Mapped[int] = mapped_column(ForeignKey("outreach.id", ondelete="CASCADE"))
    outcome: Mapped[str] = mapped_column(String(16))
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    note: Mapped[str] = mapped_column(String(500), server_default="")
    source: Mapped[str] = mapped_column(String(128))
    received_at: Mapped[dt.datetime] = _now()


class ContactStatement(Model):
    """The statement of a local day: contacts against the rules, which are to be none, and exceptions.

    Counted from the rows the night after. ``outside_hours``, ``over_cap`` and ``opted_out`` are among
    ``contacts``, those that the product sent; ``overrides`` are calls outside contact hours that managers
    allowed, and ``reported`` contacts that other systems told of.
    """

    __tablename__ = "contact_statement"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, unique=True)
    contacts: Mapped[int] = mapped_column(Integer)
    outside_hours: Mapped[int] = mapped_column(Integer)
    over_cap: Mapped[int] = mapped_column(Integer)
    opted_out: Mapped[int] = mapped_column(Integer)
    overrides: Mapped[int] = mapped_column(Integer)
    reported: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[dt.datetime] = _now()

    def __repr__(self) -> str:
        return str(self.day)


class SandboxMessage(Model):
    """A contact accepted by the sandbox; ``answers`` are its future outcomes ``[[seconds, outcome], …]``.

    A test that somebody sent to their own phone has no ``outreach``.
    """

    __tablename__ = "sandbox_message"
    __table_args__ = (
        Index("ix_sandbox_message_due", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    outreach_id: Mapped[int | None] = mapped_column(ForeignKey("outreach.id", ondelete="CASCADE"), index=True)
    key: Mapped[uuid.UUID] = mapped_column(Uuid, unique=True)
    channel: Mapped[str] = mapped_column(String(8))
    phone_masked: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    accepted_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    answers: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    next_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    outreach: Mapped[Outreach | None] = relationship(Outreach)


class OutreachTest(Model):
    """An SMS that somebody sent to their own phone to read a text: ``body`` as typed, with its variables.

    ``segments`` and ``cost`` in yuan are stored before it is sent, and cleared if the gateway did not accept
    it.
    """

    __tablename__ = "outreach_test"
    __table_args__ = (Index("ix_outreach_test_at", "at", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    key: Mapped[uuid.UUID] = mapped_column(Uuid, unique=True, server_default=text("gen_random_uuid()"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    created_by: Mapped[str] = mapped_column(UserName)
    phone_masked: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), server_default=OutreachStatus.SENDING)
    segments: Mapped[int | None] = mapped_column(Integer)
    cost: Mapped[Decimal | None] = mapped_column(Numeric(10, 4))
    gateway: Mapped[str] = mapped_column(String(64))
    gateway_ref: Mapped[str] = mapped_column(String(128), server_default="")
    note: Mapped[Said | None] = mapped_column(SaidType)
    at: Mapped[dt.datetime] = _now()

    def __repr__(self) -> str:
        return f"#{self.id}"


# --- Journeys ---


class Journey(Model):
    """A journey 营销旅程, defined by its versions; customers enter the ``active_version``.

    Triggers up to ``entered_until`` have been looked at.
    """

    __tablename__ = "journey"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(16), server_default=RuleStatus.DRAFT)
    active_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("journey_version.id", use_alter=True, name="fk_journey_active_version")
    )
    entered_until: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[dt.datetime] = _now()
    versions: Mapped[list[JourneyVersion]] = relationship(
        "JourneyVersion",
        foreign_keys="JourneyVersion.journey_id",
        back_populates="journey",
        order_by="JourneyVersion.number",
        cascade="all, delete-orphan",
    )
    active_version: Mapped[JourneyVersion | None] = relationship(
        "JourneyVersion", foreign_keys=[active_version_id], post_update=True
    )

    def __repr__(self) -> str:
        return f"{self.name} ({self.code})"


class JourneyVersion(Model):
    """A version of a journey. ``spec`` is its ``JourneyDef`` as in a file, without defaults.

    From its submission on, strategy tables stand in it as the steps that they meant then; ``written`` is the
    journey as people wrote it, None when it names no table.
    """

    __tablename__ = "journey_version"
    __table_args__ = (UniqueConstraint("journey_id", "number"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journey.id", ondelete="CASCADE"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16), server_default=VersionStatus.DRAFT)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    written: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_by: Mapped[str] = mapped_column(UserName)
    #: users who saved it since, the latest last
    edited_by: Mapped[list[str]] = mapped_column(ARRAY(String(128)), server_default="{}")
    created_at: Mapped[dt.datetime] = _now()
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )
    activated_by: Mapped[str | None] = mapped_column(UserName)
    activated_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    journey: Mapped[Journey] = relationship(Journey, foreign_keys=[journey_id], back_populates="versions")

    def __repr__(self) -> str:
        return f"{self.journey.name} v{self.number}" if self.journey else f"v{self.number}"


class StrategyTable(Model):
    """A strategy table 决策表: what becomes of whom, by the first of its rows that matches.

    Rows with grades or products ask for hits of the last ``days`` days.
    """

    __tablename__ = "strategy_table"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True, default=partial(new_code, "ST"))
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(Text, server_default="")
    days: Mapped[int] = mapped_column(Integer, server_default="30")
    updated_by: Mapped[str] = mapped_column(UserName)
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )
    rows: Mapped[list[StrategyRow]] = relationship(
        "StrategyRow",
        back_populates="table",
        order_by="StrategyRow.position, StrategyRow.id",
        cascade="all, delete-orphan",
    )

    def __repr__(self) -> str:
        return self.name


class StrategyRow(Model):
    """A row of a strategy table, by codes; an empty list is any. ``template`` is empty without a contact."""

    __tablename__ = "strategy_row"
    __table_args__ = (
        CheckConstraint("channel IN ('sms', 'call', 'none')", name="ck_strategy_row_channel"),
        CheckConstraint("hand_to IN ('owner', 'branch', 'nobody')", name="ck_strategy_row_hand_to"),
        CheckConstraint("(channel = 'none') = (template = '')", name="ck_strategy_row_template"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    table_id: Mapped[int] = mapped_column(ForeignKey("strategy_table.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    segments: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    grades: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    products: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    channel: Mapped[str] = mapped_column(String(8), server_default="none")
    template: Mapped[str] = mapped_column(String(64), server_default="")
    hand_to: Mapped[str] = mapped_column(String(8), server_default="nobody")
    table: Mapped[StrategyTable] = relationship(StrategyTable, back_populates="rows")

    def __repr__(self) -> str:
        return f"{self.table} #{self.position}" if self.table else f"#{self.position}"


class EnrolmentStatus(StrEnum):
    """Whether a customer is under way in a journey, or how it ended for them."""

    UNDER_WAY = "under_way"
    ENDED = "ended"
    GOAL = "goal"
    LEFT = "left"


class JourneyEnrolment(Model):
    """A customer who goes through a version of a journey once 旅程参与; ``why`` they left.

    ``hit_id`` is the hit that started it. A customer is under way in a journey at most once at a time. Steps
    that fell due while the journey stood still are done at ``not_before`` at the earliest.
    """

    __tablename__ = "journey_enrolment"
    __table_args__ = (
        Index(
            *("ix_journey_enrolment_under_way", "journey_id", "lead_id"),
            unique=True,
            postgresql_where=text("status = 'under_way'"),
        ),
        Index("ix_journey_enrolment_entered", "journey_id", "lead_id", "entered_at", unique=True),
        Index("ix_journey_enrolment_lead", "lead_id"),
        Index("ix_journey_enrolment_time", "entered_at", "id"),
        *(
            Index(f"ix_journey_enrolment_{of}_time", f"{of}_id", "entered_at", "id")
            for of in ("journey", "version")
        ),
        Index(
            *("ix_journey_enrolment_now_time", "journey_id", "entered_at", "id"),
            postgresql_where=text("status = 'under_way'"),
        ),
        Index("ix_journey_enrolment_version", "version_id", "status"),
        Index("ix_journey_enrolment_hit", "hit_id", postgresql_where=text("hit_id IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journey.id", ondelete="CASCADE"))
    version_id: Mapped[int] = mapped_column(ForeignKey("journey_version.id", ondelete="RESTRICT"))
    lead_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("lead.id", ondelete="CASCADE"))
    hit_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("hit.id", ondelete="SET NULL"))
    status: Mapped[str] = mapped_column(String(16), server_default=EnrolmentStatus.UNDER_WAY)
    why: Mapped[str] = mapped_column(String(16), server_default="")
    entered_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    not_before: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    journey: Mapped[Journey] = relationship(Journey)
    version: Mapped[JourneyVersion] = relationship(JourneyVersion)
    lead: Mapped[Lead] = relationship("Lead")

    def __repr__(self) -> str:
        return f"#{self.id}"


class JourneyStepStatus(StrEnum):
    """Status of a step of an enrolment: one that somebody left before is skipped."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    HELD = "held"
    SKIPPED = "skipped"


class JourneyStep(Leased, Model):
    """A step that an enrolment came to at ``due_at``; ``number`` counts its steps.

    A waiting one is looked at again at ``next_at``. ``why`` is the way that was taken, or the reason.
    ``outreach_id`` is the contact that it asked for, ``delivery_id`` its message to a system of the bank. A
    contact of a paced journey waits for its slot ``slot_at``; when a cap refused it at ``refused_at``, for a
    later one until ``hold_until``. ``journey_id`` is that of the enrolment, so that the due ones of a journey
    are found beside any number that another one holds up; old steps that don't wait have none.
    """

    __tablename__ = "journey_step"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "number"),
        Index("ix_journey_step_due", "journey_id", "next_at", postgresql_where=text("status = 'waiting'")),
        CheckConstraint("journey_id IS NOT NULL OR status <> 'waiting'", name="ck_journey_step_waiting"),
        Index("ix_journey_step_leased", "lease_until", postgresql_where=text("status = 'working'")),
        Index("ix_journey_step_outreach", "outreach_id", postgresql_where=text("outreach_id IS NOT NULL")),
        Index("ix_journey_step_delivery", "delivery_id", postgresql_where=text("delivery_id IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("journey_enrolment.id", ondelete="CASCADE")
    )
    journey_id: Mapped[int | None] = mapped_column(Integer)
    number: Mapped[int] = mapped_column(Integer)
    step: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16), server_default=JourneyStepStatus.WAITING)
    why: Mapped[str] = mapped_column(String(40), server_default="")
    due_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    next_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    done_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    outreach_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("outreach.id", ondelete="SET NULL")
    )
    delivery_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("delivery.id", ondelete="SET NULL")
    )
    slot_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    refused_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    hold_until: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    enrolment: Mapped[JourneyEnrolment] = relationship(JourneyEnrolment)


class JourneySlots(Model):
    """How many contacts of a paced journey have a slot on a day: by a channel, or those of one marketer.

    ``user_id`` is 0 for those of a channel. All versions of a journey share them.
    """

    __tablename__ = "journey_slots"
    journey_id: Mapped[int] = mapped_column(ForeignKey("journey.id", ondelete="CASCADE"), primary_key=True)
    channel: Mapped[str] = mapped_column(String(8), primary_key=True)
    user_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    given: Mapped[int] = mapped_column(Integer)


class JourneySimulation(Attempted, Leased, Model):
    """A simulation of a version of a journey on past days, kept with it (``app.journeys.simulations``).

    ``digest`` identifies the simulated definition, because a draft may have changed since. ``result`` has the
    figures, and those of the version in force beside them. ``answers`` to contacts are assumed: none, all, or
    past. ``lead_numbers`` are the customers whose paths were asked for, ``calls_a_day`` is what a marketer
    can do. ``file`` has the steps of those drawn, until retention deletes it.
    """

    __tablename__ = "journey_simulation"
    __table_args__ = (
        CheckConstraint("first_day <= last_day", name="ck_journey_simulation_period"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="ck_journey_simulation_progress"),
        CheckConstraint("answers IN ('none', 'all', 'past')", name="ck_journey_simulation_answers"),
        Index("ix_journey_simulation_open", "id", postgresql_where=text("status IN ('queued', 'running')")),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("journey_version.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    first_day: Mapped[dt.date] = mapped_column(Date)
    last_day: Mapped[dt.date] = mapped_column(Date)
    answers: Mapped[str] = mapped_column(String(8))
    calls_a_day: Mapped[int | None] = mapped_column(Integer)
    lead_numbers: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default="{}")
    status: Mapped[str] = mapped_column(String(16), server_default=RunStatus.QUEUED)
    progress: Mapped[int] = mapped_column(Integer, server_default="0")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    file: Mapped[str | None] = mapped_column(String(255))
    error: Mapped[Said | None] = mapped_column(SaidType)
    requested_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    started_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    version: Mapped[JourneyVersion] = relationship(JourneyVersion)

    def __repr__(self) -> str:
        return f"#{self.id}"


class JourneySimulationPath(Model):
    """The path of one customer through a simulated journey, one of a small sample.

    ``kind`` and ``why`` say how it ended (``app.journeys.sample``); ``steps`` are lists of step, due, done,
    outcome and why, moments as ISO texts. ``asked_for``: the simulation was asked to keep this customer's.
    """

    __tablename__ = "journey_simulation_path"
    __table_args__ = (
        Index("ix_journey_simulation_path_simulation", "simulation_id", "kind"),
        Index("ix_journey_simulation_path_lead", "lead_id"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    simulation_id: Mapped[int] = mapped_column(ForeignKey("journey_simulation.id", ondelete="CASCADE"))
    lead_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("lead.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    why: Mapped[str] = mapped_column(String(40))
    asked_for: Mapped[bool] = mapped_column(Boolean, server_default="false")
    steps: Mapped[list[list[str | None]]] = mapped_column(JSONB)
    simulation: Mapped[JourneySimulation] = relationship(JourneySimulation)
    lead: Mapped[Lead] = relationship(Lead)


class JourneyStop(Model):
    """A time in which a journey stands still, or all of them where ``journey_id`` is empty 旅程总开关.

    What fell due meanwhile is made up in ``hours`` of contact hours from ``ended_at`` on; at ``spread_at``
    everybody had been given a moment.
    """

    __tablename__ = "journey_stop"
    __table_args__ = (
        Index(
            *("ix_journey_stop_open", text("coalesce(journey_id, 0)")),
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_journey_stop_unspread", "ended_at", postgresql_where=text("spread_at IS NULL")),
        Index("ix_journey_stop_journey", "journey_id", "ended_at"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    journey_id: Mapped[int | None] = mapped_column(ForeignKey("journey.id", ondelete="CASCADE"))
    reason: Mapped[str] = mapped_column(String(500))
    stopped_by: Mapped[str] = mapped_column(UserName)
    stopped_at: Mapped[dt.datetime] = _now()
    ended_by: Mapped[str | None] = mapped_column(UserName)
    ended_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    hours: Mapped[int | None] = mapped_column(Integer)
    spread_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))

    def __repr__(self) -> str:
        return f"{self.reason}"


class JourneyMove(Model):
    """The move of everybody under way on a version to another one 在途迁移, which a worker carries out.

    ``map`` has the step of the new version for each of the old one, None for out of the journey. Whoever has
    to be looked at again is given a moment in ``hours`` of contact from the beginning on.
    """

    __tablename__ = "journey_move"
    __table_args__ = (
        Index(
            *("ix_journey_move_open", "from_id"), unique=True, postgresql_where=text("finished_at IS NULL")
        ),
        Index("ix_journey_move_journey", "journey_id"),
        Index("ix_journey_move_to", "to_id"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journey.id", ondelete="CASCADE"))
    from_id: Mapped[int] = mapped_column(ForeignKey("journey_version.id", ondelete="CASCADE"))
    to_id: Mapped[int] = mapped_column(ForeignKey("journey_version.id", ondelete="CASCADE"))
    map: Mapped[dict[str, str | None]] = mapped_column(JSONB)
    hours: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    rows_total: Mapped[int | None] = mapped_column(Integer)
    rows_done: Mapped[int] = mapped_column(Integer, server_default="0")
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    source: Mapped[JourneyVersion] = relationship(JourneyVersion, foreign_keys=[from_id])
    target: Mapped[JourneyVersion] = relationship(JourneyVersion, foreign_keys=[to_id])

    def __repr__(self) -> str:
        return f"{self.source} → {self.target}"


class CanaryEnd(StrEnum):
    """What became of a canary: in force for all, or withdrawn by a person, a guardrail or another version."""

    IN_FORCE = "in_force"
    WITHDRAWN = "withdrawn"
    GUARDRAIL = "guardrail"
    REPLACED = "replaced"


class JourneyCanary(Model):
    """A version of a journey tried out on ``percent`` of its customers 灰度, beside the one in force.

    It is withdrawn by itself when more than ``opt_out_limit`` percent of its contacts opt out, or more than
    ``failure_limit`` percent fail. ``figures`` are the numbers when it ended.
    """

    __tablename__ = "journey_canary"
    __table_args__ = (
        Index(
            *("ix_journey_canary_open", "journey_id"),
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_journey_canary_version", "version_id"),
        CheckConstraint("percent BETWEEN 1 AND 99", name="ck_journey_canary_percent"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journey.id", ondelete="CASCADE"))
    version_id: Mapped[int] = mapped_column(ForeignKey("journey_version.id", ondelete="CASCADE"))
    against_id: Mapped[int] = mapped_column(ForeignKey("journey_version.id", ondelete="CASCADE"))
    percent: Mapped[int] = mapped_column(Integer)
    opt_out_limit: Mapped[float] = mapped_column(Float)
    failure_limit: Mapped[float] = mapped_column(Float)
    started_by: Mapped[str] = mapped_column(UserName)
    started_at: Mapped[dt.datetime] = _now()
    ended_by: Mapped[str | None] = mapped_column(UserName)
    ended_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str] = mapped_column(String(16), server_default="")
    reason: Mapped[str] = mapped_column(String(500), server_default="")
    figures: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    version: Mapped[JourneyVersion] = relationship(JourneyVersion, foreign_keys=[version_id])
    against: Mapped[JourneyVersion] = relationship(JourneyVersion, foreign_keys=[against_id])

    def __repr__(self) -> str:
        return f"{self.version}"


# --- Approvals ---


class ApprovalStatus(StrEnum):
    """Status of an approval request. ``unchecked``: there was nobody else who could decide."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    UNCHECKED = "unchecked"


class Approval(Model):
    """A request for a second person's approval, with its decision.

    ``kind`` is the kind of request (``app.approvals``), ``subject_id`` the row it is about. ``changes`` is
    the difference in words at the time of the request, ``{language: [[what, old, new], …]}``; ``state`` is a
    digest of the subject at that time, and a later change voids the request. ``makers`` are the user names
    of everybody who edited the subject; none of them may decide.
    """

    __tablename__ = "approval"
    __table_args__ = (
        Index(
            *("ix_approval_waiting", "kind", "subject_id"),
            unique=True,
            postgresql_where=text("status = 'waiting'"),
        ),
        Index("ix_approval_requested_at", "requested_at"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[int] = mapped_column(BigInteger)
    title: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(String(500))
    changes: Mapped[dict[str, list[list[str]]]] = mapped_column(JSONB)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    state: Mapped[str] = mapped_column(String(64))
    makers: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    status: Mapped[str] = mapped_column(String(16), server_default=ApprovalStatus.WAITING)
    requested_by: Mapped[str] = mapped_column(UserName)
    requested_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    requested_at: Mapped[dt.datetime] = _now()
    expires_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    decided_by: Mapped[str | None] = mapped_column(UserName)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    decided_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    note: Mapped[str] = mapped_column(String(500), server_default="")

    def __repr__(self) -> str:
        return f"#{self.id} {self.title}"


# --- Change log ---


class ChangeLog(Model):
    """An entry of the change log 变更日志: who did what to which row, old → new. Written by triggers.

    ``changes`` is ``{field: [old, new]}``, or ``"changed"`` for a secret field; for a statement on many rows,
    ``rows`` is their number and ``digest`` identifies the written values. ``xid`` is the transaction. Nobody
    can change or delete an entry (app/audit). The table is partitioned by month and keyed by id and time.
    """

    __tablename__ = "change_log"
    __table_args__ = (
        Index("ix_change_log_xid", "xid", "id"),
        Index("ix_change_log_time", "time", "id"),
        Index("ix_change_log_actor", "actor", "time", "id"),
        Index("ix_change_log_object", "object", "object_id", "time", "id"),
        Index("ix_change_log_kind", "kind", "time", "id"),
        Index("ix_change_log_source", "source", "time", "id"),
        # An index for each filter, and for each pair of person, object and kind, in the order of the list, so
        # that rare values are found as fast as frequent ones.
        Index("ix_change_log_about", "object", "time", "id"),
        Index("ix_change_log_object_kind", "object", "kind", "time", "id"),
        Index("ix_change_log_actor_object", "actor", "object", "time", "id"),
        Index("ix_change_log_actor_kind", "actor", "kind", "time", "id"),
        {"postgresql_partition_by": "RANGE (time)"},
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    time: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()")
    )
    xid: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    object: Mapped[str] = mapped_column(String(64))
    object_id: Mapped[str | None] = mapped_column(String(128))
    title: Mapped[str | None] = mapped_column(String(128))
    actor: Mapped[str] = mapped_column(UserName)
    source: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(64))
    request: Mapped[str] = mapped_column(String(64))
    db_user: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int | None] = mapped_column(BigInteger, server_default="1")
    digest: Mapped[str | None] = mapped_column(String(64))
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))


class ChangeSeal(Model):
    """A link of the sealed hash chain: the entries of some transactions in order, each with its hash.

    It covers the entries above ``floor_id`` with transactions from ``from_xid`` to below ``to_xid``.
    ``hashes`` has 32 bytes per entry, the last of which are ``head``. ``total`` counts all entries so far.
    """

    __tablename__ = "change_seal"
    __table_args__ = (Index("ix_change_seal_end", "floor_id", "to_xid"),)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    floor_id: Mapped[int] = mapped_column(BigInteger)
    from_xid: Mapped[int] = mapped_column(BigInteger)
    to_xid: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    entries: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    hashes: Mapped[bytes] = mapped_column(LargeBinary)
    head: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class ChangeFacet(Model):
    """A combination of values that occurs in the change log, with its first and last time.

    Stored when entries are sealed, so that the log's filters can skip combinations without entries.
    """

    __tablename__ = "change_facet"
    actor: Mapped[str] = mapped_column(UserName, primary_key=True)
    object: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    first: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    last: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))


class AuditJob(Attempted, Leased, Model):
    """A background verification of the change log, or an export of its entries with proof.

    ``filters`` (app/selection) select the entries; ``result`` is the verdict, or the proof of an export.
    """

    __tablename__ = "audit_job"
    __table_args__ = (
        CheckConstraint("kind IN ('verify', 'export')", name="ck_audit_job_kind"),
        Index("ix_audit_job_open", "id", postgresql_where=text("status IN ('queued', 'running')")),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    filters: Mapped[list[list[str]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    status: Mapped[str] = mapped_column(String(16), server_default=RunStatus.QUEUED)
    progress: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    rows_total: Mapped[int | None] = mapped_column(BigInteger)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    file: Mapped[str | None] = mapped_column(String(255))
    error: Mapped[Said | None] = mapped_column(SaidType)
    requested_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class SavedView(Model):
    """A way to look at a list under a name: filters (app/selection), order, columns and density.

    It is private, or shared with the people of ``role``. ``sort`` is a column and its direction, None for the
    list's own order; no ``columns`` means the list's own.
    """

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("owner", "view", "name", name="saved_view_owner_name_key"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    view: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(64))
    filters: Mapped[list[list[str]]] = mapped_column(JSONB)
    sort: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    columns: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    density: Mapped[str] = mapped_column(String(16), server_default="standard")
    owner: Mapped[str] = mapped_column(UserName)
    role_id: Mapped[int | None] = mapped_column(ForeignKey("ab_role.id", ondelete="SET NULL"))
    created_at: Mapped[dt.datetime] = _now()
    role: Mapped[Role | None] = relationship(Role)

    def __repr__(self) -> str:
        return self.name


class ListLayout(Model):
    """The columns and density that a person chose for a list; no ``columns`` means the list's own."""

    __tablename__ = "list_layout"
    person_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), primary_key=True)
    view: Mapped[str] = mapped_column(String(64), primary_key=True)
    columns: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    density: Mapped[str] = mapped_column(String(16), server_default="standard")


# --- Exports ---


class ExportJob(Attempted, Leased, Model):
    """A background export of the rows that match ``filters`` (app/selection), with columns for some facts.

    ``rows`` and ``file`` are known at the end; retention deletes the file and empties ``file``. Phones are
    masked unless ``clear``, which requires a second person's approval (``approved_by``).
    """

    __tablename__ = "export_job"
    __table_args__ = (
        CheckConstraint("kind IN ('leads', 'hits', 'customers')", name="ck_export_job_kind"),
        CheckConstraint("format IN ('xlsx', 'csv')", name="ck_export_job_format"),
        CheckConstraint(
            "NOT clear OR approved_by IS NOT NULL OR status IN ('asked', 'failed')",
            name="ck_export_job_clear",
        ),
        Index("ix_export_job_by", "requested_by"),
        Index("ix_export_job_open", "id", postgresql_where=text("status IN ('queued', 'running')")),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    format: Mapped[str] = mapped_column(String(8))
    filters: Mapped[list[list[str]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    facts: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    clear: Mapped[bool] = mapped_column(Boolean, server_default="false")
    approved_by: Mapped[str | None] = mapped_column(UserName)
    status: Mapped[str] = mapped_column(String(16), server_default=RunStatus.QUEUED)
    progress: Mapped[int] = mapped_column(Integer, server_default="0")
    rows: Mapped[int | None] = mapped_column(Integer)
    file: Mapped[str | None] = mapped_column(String(255))
    error: Mapped[Said | None] = mapped_column(SaidType)
    requested_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))

    def __repr__(self) -> str:
        return f"#{self.id}"


# --- Reminders and reports ---


class ReminderChoice(Model):
    """The kinds of reminders that a person also gets by e-mail: ``{kind: "at_once" | "daily"}``.

    Reminders from before ``since`` are not mailed. The daily mail is sent after ``daily_at``, local time.
    """

    __tablename__ = "reminder_choice"
    person_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), primary_key=True)
    kinds: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    daily_at: Mapped[dt.time] = mapped_column(Time, server_default="08:30")
    since: Mapped[dt.datetime] = _now()
    last_daily_on: Mapped[dt.date | None] = mapped_column(Date)
    person: Mapped[Staff] = relationship(Staff)


class Reminder(Model):
    """A reminder shown at a person's bell. ``message`` is a msgid with ``values``.

    There is one reminder per person and ``source``, which rings again when its ``mark`` grows. ``opens`` is
    the pointer to what it is about (app/lib/pointers.py), ``mail_id`` the mail in which it was sent.
    """

    __tablename__ = "reminder"
    __table_args__ = (
        UniqueConstraint("person_id", "source"),
        Index("ix_reminder_person", "person_id", "created_at", "id"),
        Index("ix_reminder_unread", "person_id", "id", postgresql_where=text("read_at IS NULL")),
        Index(
            *("ix_reminder_unmailed", "person_id", "created_at"),
            postgresql_where=text("read_at IS NULL AND mail_id IS NULL"),
        ),
        Index("ix_reminder_mail", "mail_id", postgresql_where=text("mail_id IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(String(255))
    values: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    opens: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    mark: Mapped[int] = mapped_column(BigInteger, server_default="0")
    mail_id: Mapped[int | None] = mapped_column(ForeignKey("mail.id", ondelete="SET NULL"))
    created_at: Mapped[dt.datetime] = _now()
    read_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class ReportSetting(Model):
    """Settings of the weekly report's mails: one row, or none while the defaults are unchanged.

    ``weekday`` is 1 for Monday, ``at`` is local time. Reports due before ``since`` are no longer sent;
    ``planned_week`` is the Monday of the newest week whose mails were planned.
    """

    __tablename__ = "report_setting"
    __table_args__ = (
        CheckConstraint("id = 1", name="ck_report_setting_one"),
        CheckConstraint("weekday BETWEEN 1 AND 7", name="ck_report_setting_weekday"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, default=1)
    active: Mapped[bool] = mapped_column(Boolean, server_default="false")
    weekday: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    at: Mapped[dt.time] = mapped_column(Time)
    since: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    planned_week: Mapped[dt.date | None] = mapped_column(Date)
    updated_by: Mapped[str] = mapped_column(UserName)
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("app_now(now())"), onupdate=BEGAN
    )


class ReportReceiver(Model):
    """A recipient of the weekly report by e-mail."""

    __tablename__ = "report_receiver"
    person_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), primary_key=True)
    added_by: Mapped[str] = mapped_column(UserName)
    added_at: Mapped[dt.datetime] = _now()


class WeeklyReport(Attempted, Model):
    """The report of a week (its Monday) for a branch with those below it, or for the whole bank.

    ``content`` has the figures as of ``made_at``, without words or personal data. It is empty until a worker
    has created the report, in the row scope of ``person_id``.
    """

    __tablename__ = "weekly_report"
    __table_args__ = (
        UniqueConstraint(
            "week", "branch_id", name="weekly_report_week_branch_key", postgresql_nulls_not_distinct=True
        ),
        Index("ix_weekly_report_open", "id", postgresql_where=text("made_at IS NULL")),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    week: Mapped[dt.date] = mapped_column(Date)
    branch_id: Mapped[int | None] = mapped_column(ForeignKey("branch.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    content: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[Said | None] = mapped_column(SaidType)
    requested_by: Mapped[str] = mapped_column(UserName)
    created_at: Mapped[dt.datetime] = _now()
    made_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    branch: Mapped[Branch | None] = relationship(Branch)
    person: Mapped[Staff | None] = relationship(Staff)

    def __repr__(self) -> str:
        return f"{self.week} {self.branch or ''}".strip()


class MailKind(StrEnum):
    """Kind of a mail: a person's reminders, or a weekly report."""

    REMINDERS = "reminders"
    REPORT = "report"


class MailStatus(StrEnum):
    """Status of a mail. ``dropped``: nothing was left to send, or there is no recipient any more."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


class Mail(Attempted, Leased, Model):
    """A mail to a person; its row is authoritative on whether it was sent.

    ``key`` is its id for all attempts. It is sent at ``next_at``, which is empty until its report exists.
    ``reminders`` counts the reminders in it. A weekly report is mailed once per week and person, and as a
    test any number of times.
    """

    __tablename__ = "mail"
    __table_args__ = (
        Index("ix_mail_due", "next_at", postgresql_where=text("status IN ('waiting', 'sending')")),
        Index("ix_mail_person", "person_id", "created_at"),
        Index("ix_mail_report", "report_id", postgresql_where=text("report_id IS NOT NULL")),
        Index(
            *("ix_mail_report_once", "week", "person_id"),
            unique=True,
            postgresql_where=text("kind = 'report' AND NOT is_test"),
        ),
        CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'failed', 'dropped')", name="ck_mail_status"
        ),
        CheckConstraint(
            "kind = 'reminders' AND report_id IS NULL OR kind = 'report' AND report_id IS NOT NULL",
            name="ck_mail_kind",
        ),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    person_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(
        String(64), unique=True, server_default=text("(gen_random_uuid())::text")
    )
    reminders: Mapped[int] = mapped_column(Integer, server_default="0")
    report_id: Mapped[int | None] = mapped_column(ForeignKey("weekly_report.id", ondelete="CASCADE"))
    week: Mapped[dt.date | None] = mapped_column(Date)
    is_test: Mapped[bool] = mapped_column(Boolean, server_default="false")
    status: Mapped[str] = mapped_column(String(16), server_default=MailStatus.WAITING)
    next_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    answer: Mapped[Said | None] = mapped_column(SaidType)
    created_at: Mapped[dt.datetime] = _now()
    done_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    person: Mapped[Staff] = relationship(Staff)
    report: Mapped[WeeklyReport | None] = relationship(WeeklyReport)

    def __repr__(self) -> str:
        return f"#{self.id}"


# --- The installation ---


class PresetApplied(Model):
    """A cold-start preset that was applied once and is never applied again."""

    __tablename__ = "preset_applied"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    code: Mapped[str] = mapped_column(String(128), primary_key=True)
    applied_at: Mapped[dt.datetime] = _now()


class Installation(Model):
    """The DATA_DIR to which this database belongs; its file ``installation`` has the id of the only row.

    ``place`` is the host and folder at the time the two were linked.
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="installation_is_one"),)
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, server_default="1")
    code: Mapped[str] = mapped_column(String(36))
    place: Mapped[str] = mapped_column(Text)
    since: Mapped[dt.datetime] = _now()


class AppClock(Model):
    """The clock of the installation: ``app_now()`` is ``ahead`` of the server's. One row.

    Only the role that owns the table may change it. ``production`` is never taken back, and the clock of a
    production database can't be moved. ``zone`` is the setting TIMEZONE, in which contact hours are judged.
    """

    __tablename__ = "app_clock"
    __table_args__ = (CheckConstraint("id = 1", name="app_clock_is_one"),)
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, server_default="1")
    ahead: Mapped[dt.timedelta] = mapped_column(Interval, server_default=text("'00:00:00'::interval"))
    production: Mapped[bool] = mapped_column(Boolean, server_default="false")
    zone: Mapped[str] = mapped_column(String(64), server_default="Asia/Shanghai")

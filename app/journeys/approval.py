"""Approval of versions of journeys by a second person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flask_babel import gettext as _

from app import approvals
from app.approvals import Change
from app.approvals.versions import VersionKind
from app.errors import N_, DomainError
from app.journeys import canary, check, differences, versions
from app.journeys import moves as moving
from app.journeys.canary import Terms
from app.journeys.moves import Move
from app.journeys.sentence import read_names, table_sentence
from app.journeys.strategy_tables import read_tables
from app.models import Approval, JourneyVersion, Staff, VersionStatus
from app.rules.definition import canonical

KIND = "journey_version"


def submit(
    version: JourneyVersion,
    user: Staff,
    reason: str,
    moves: Sequence[Move] = (),
    tried: Terms | None = None,
) -> Approval:
    """Submit a draft or a former version for approval. Does not commit.

    A former version is copied, so that a roll-back is a version of its own. ``moves`` say where those under
    way on other versions go; with ``tried`` it is tried out first. Raises DomainError when the version
    equals the one in force, can't run, is already submitted, or when those can't be.
    """
    if version.status == VersionStatus.RETIRED:
        former, written = versions.stored_def(version), versions.written_def(version)
        version = versions.add_version(version.journey, former, user.username, written)
    payload: dict[str, Any] = {}
    if moves:
        payload["moves"] = [each.as_json() for each in moves]
    if tried is not None:
        payload["canary"] = asdict(tried)
    return approvals.submit(KIND, version.id, user, reason, payload)


def changes(version: JourneyVersion) -> list[Change]:
    """Return the differences between a version and the one in force, strategy tables by what they mean.

    Of a draft whose tables can't be used they stand as they are.
    """
    before = version.journey.active_version
    old = versions.journey_def(before) if before else None
    try:
        new = versions.journey_def(version)
    except DomainError:
        new = versions.stored_def(version)
    found = differences.changes(old, new)
    return [*_tables(version), *found] if found else []


def _tables(version: JourneyVersion) -> list[Change]:
    """Return in words what strategy tables say whose steps a version has, unless they changed since."""
    codes = set(versions.written_def(version).tables().values())
    if not codes or versions.has_other_tables(version):
        return []
    names = read_names()
    return [
        Change(_("Strategy table “%(name)s”", name=table.name), "", table_sentence(table, names))
        for table in read_tables()
        if table.code in codes
    ]


def require_sound(version: JourneyVersion) -> None:
    """Raise DomainError for a version that can't run."""
    for each in check.problems(versions.stored_def(version), check.read_known()):
        raise each.error


class _JourneyVersionKind(VersionKind[JourneyVersion]):
    name = KIND
    permission = ("can_submit", "JourneyVersionView")
    model = JourneyVersion
    gone = N_("The version of the journey no longer exists.")

    def title(self, subject_id: int) -> str:
        return str(self.version(subject_id))

    def state(self, subject_id: int) -> str:
        version = self.version(subject_id)
        return f"{version.journey.active_version_id} {canonical(versions.journey_def(version))}"

    def makers(self, subject_id: int) -> set[str]:
        version = self.version(subject_id)
        return {version.created_by, *version.edited_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        version = self.version(subject_id)
        found = changes(version)
        if "canary" in payload:
            found.append(_share(Terms(**payload["canary"])))
        return [*found, *moving.in_words(version, moving.of_json(payload.get("moves", [])))]

    def submitted(self, approval: Approval) -> None:
        super().submitted(approval)
        versions.settle(self.version(approval.subject_id))
        self._check_around(approval)

    def returned(self, approval: Approval) -> None:
        super().returned(approval)
        versions.unsettle(self.version(approval.subject_id))

    def check(self, version: JourneyVersion) -> None:
        super().check(version)
        require_sound(version)

    def apply(self, approval: Approval, user: str) -> None:
        version = self.version(approval.subject_id)
        require_sound(version)
        self._check_around(approval)
        if "canary" in approval.payload:
            canary.start(version, Terms(**approval.payload["canary"]), user)
            return
        canary.publish(version, user)
        moving.begin(version, moving.of_json(approval.payload.get("moves", [])), user)

    def _check_around(self, approval: Approval) -> None:
        """Raise DomainError for moves, or a share of customers, that are not possible."""
        version, payload = self.version(approval.subject_id), approval.payload
        if "canary" in payload:
            if payload.get("moves"):
                raise DomainError("Nobody is moved to a version that is tried out.")
            canary.check(version, Terms(**payload["canary"]))
        moving.check(version, moving.of_json(payload.get("moves", [])))


def _share(terms: Terms) -> Change:
    words = _(
        "%(n)s%% of the customers; withdrawn by itself above %(out)s%% opt-outs or %(failed)s%% failures",
        n=terms.percent,
        out=f"{terms.opt_out_limit:g}",
        failed=f"{terms.failure_limit:g}",
    )
    return Change(_("Tried out on"), "", words)


approvals.register(_JourneyVersionKind())

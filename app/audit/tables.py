"""What the change log records of each table: everything, except what is named here with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: table → why it has no entries in the log
EXCLUDED = {
    "change_log": "the log itself",
    "control_member": "drawn by a keyed hash; the share is recorded with the outreach rules",
    "change_seal": "the chain of the log, checked by `flask audit verify`",
    "change_facet": "the values that occur in the log, derived from it",
    "customer": "sums up hits; its owner and dates are recorded with its open hits, asking with their steps",
    "delivery": "outgoing messages: the push is recorded, and what people do with a delivery is an event",
    "delivery_attempt": "itself a record of every attempt, written by workers only",
    "push_hit": "itself a record of the hits of each push, written by the ticker only",
    "reminder": "copies for the people reminded of what is recorded elsewhere",
    "mail": "outgoing mails: what people do with one is an event",
    "inbox_file": "what the ticker saw in the inbox; the outcome of a file is on its run",
    "institution_day": "counts of the activity store, copied by T+1 runs",
    "journey_enrolment": "itself a record of who went through a journey, written by workers only",
    "journey_step": "itself a record of every step of those, written by workers only",
    "journey_slots": "how many contacts a day has, written by workers only",
    "journey_simulation_path": "a sample of a simulation's result, written by workers only",
    "lead_before": "copies of leads that an import changed, for its undo; the change itself is recorded",
    "outcome_former": "itself a record of what corrections of outcomes replaced; the correction is recorded",
    "sandbox_message": "stands for another system; what it was sent is in `outreach`",
    "hit_count": "counts of hits, derived by triggers",
    "hit_delta": "counts of hits, derived by triggers",
    "hit_total": "counts of hits, derived by triggers",
    "hit_gate": "never has a row",
    "installation": "written once; what `flask store adopt` does is an event",
    "list_layout": "which columns a person likes to see",
    "former_password": "hashes of earlier passwords; the change of a password is recorded",
    "recovery_code": "hashes of codes that stand in for a second factor; their use is an event",
    "second_factor": "sealed secrets of authenticator apps; adding, using and removing one are events",
    "login_device": "browsers that people logged in at; logging in is an event",
    "login_session": "sessions: logging in and out are events",
    "work_queue": "the order of a list that somebody goes through; the newest few are kept",
    "ticker_step": "the state of the ticker's steps, written by the ticker only",
}
#: columns of progress and leases, and what triggers derive; a change of these alone leaves no entry
QUIET = frozenset(
    {
        "attempted_at",
        "attempts",
        "changed_on",
        "checked",
        "converted",
        "counts",
        "due_version_id",
        "entered_until",
        "fail_login_count",
        "failing_since",
        "failures",
        "last_daily_on",
        "last_error",
        "last_login",
        "last_ok_at",
        "last_used_on",
        "lease_owner",
        "lease_until",
        "login_count",
        "looked_at",
        "next_at",
        "next_due_at",
        "next_slot_at",
        "outcome_on",
        "preview",
        "progress",
        "pushed_until",
        "recounted_at",
        "rows_done",
        "rows_total",
        "spread_at",
        "steps",
        "updated_at",
        "upload",
    }
)
#: columns whose values are kept out of the log: personal data, its hashes, passwords and keys
SECRET = re.compile(
    r"password|secret|token|cipher|phone|id_hash|key_hash|lookup_hash|^key$|_key$|evidence|^latest$"
)
#: columns of which the log shows the first character only
MASKED = {"lead": ("name",), "lead_before": ("name",)}
#: the column that gives an entry its title: the first of these that the table has
NAMES = ("lead_no", "code", "username", "title", "name", "file_name", "shown", "number")


@dataclass(frozen=True)
class AuditedTable:
    """A table that the log covers, with what its triggers need to read its rows."""

    table: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    #: columns of bytes: ciphers and digests, which mean nothing to a reader
    binary: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, str, str, str, str]:
        """Return the arguments of the trigger functions: key, title, quiet, secret and masked columns."""
        masked = MASKED.get(self.table, ())
        hidden = [name for name in self.columns if SECRET.search(name) or name in self.binary]
        named = [name for name in NAMES if name in self.columns and name not in (*hidden, *masked)]
        return (
            _array(self.keys),
            named[0] if named else "",
            _array(name for name in self.columns if name in QUIET),
            _array(hidden),
            _array(masked),
        )


def _array(names: Iterable[str]) -> str:
    return "{" + ",".join(names) + "}"

"""What the change log notes of which table: everything, but for what is named here with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: table → why it has no entries in the log
EXCLUDED = {
    "change_log": "the log itself",
    "change_seal": "the chain of the log, checked by `flask audit verify`",
    "change_facet": "what there is to find in the log, derived from it",
    "delivery": "messages under way: the push is noted, and what people do with a delivery is an event",
    "delivery_attempt": "a record of its own of every try, written by workers only",
    "push_hit": "which hits went with a push: a record of its own, written by the ticker only",
    "reminder": "copies for the people reminded of what is noted elsewhere",
    "mail": "mails under way: what people do with one is an event",
    "inbox_file": "what the ticker saw in the inbox; what becomes of a file is on its run",
    "institution_day": "counts of the activity store, copied by T+1 runs",
    "lead_before": "copies of leads that an import changed, for its undo; the change itself is noted",
    "sandbox_message": "stands for another system; what it was sent is in `outreach`",
    "hit_count": "counts of hits, derived by triggers",
    "hit_delta": "counts of hits, derived by triggers",
    "hit_total": "counts of hits, derived by triggers",
    "hit_gate": "never has a row",
    "installation": "written once; what `flask store adopt` does is an event",
    "login_session": "log-ins under way: who logs in and out is an event",
    "ticker_step": "how the steps of the ticker go, written by it alone",
}
#: columns that tell how far work is and who holds it; a change of nothing else leaves no entry
QUIET = frozenset(
    {
        "attempted_at",
        "attempts",
        "changed_on",
        "checked",
        "counts",
        "due_version_id",
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
        "preview",
        "progress",
        "pushed_until",
        "rows_done",
        "rows_total",
        "steps",
        "updated_at",
        "upload",
    }
)
#: columns of which the log says only that they changed: personal data, its hashes, passwords and keys
SECRET = re.compile(
    r"password|secret|token|cipher|phone|id_hash|key_hash|lookup_hash|^key$|_key$|evidence|^latest$"
)
#: columns of which the log shows the first character
MASKED = {"lead": ("name",), "lead_before": ("name",)}
#: the column that says what a row is called: the first of these that the table has
NAMES = ("lead_no", "code", "username", "title", "name", "file_name", "shown", "number")


@dataclass(frozen=True)
class Noted:
    """How the triggers of a table read its rows."""

    table: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    #: columns of bytes: ciphers and digests, which say nothing to a reader
    binary: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, str, str, str, str]:
        """What the trigger functions are given: key, name, quiet, secret and masked columns."""
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

"""The SQL of an import: accepted rows are copied to a temporary table, and merged from there as a set.

Everything runs in the connection's transaction, and the temporary table is dropped with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from app.errors import N_
from app.leads.branch_choices import MAX_NAMES, NO_BRANCHES, BranchChoices, NamedBranch, UnknownBranches
from app.leads.errors import LeadsError
from app.leads.row_checker import StagedLead

_COLUMN_TYPES = dict.fromkeys(StagedLead._fields, "text") | {"row": "int8", "phone_cipher": "bytea"}
_CREATE = (
    "CREATE TEMP TABLE lead_staging ("
    + ", ".join(f'"{name}" {kind} NOT NULL' for name, kind in _COLUMN_TYPES.items())
    + ") ON COMMIT DROP"
)
# A table lock instead of an advisory one, because screens that add a lead must wait, too: otherwise a person
# or a number could be taken between the look-up and the insert. Readers and foreign keys are not blocked.
_LOCK = text("LOCK TABLE lead IN SHARE ROW EXCLUSIVE MODE")

_UNKNOWN = text("""
    SELECT named.branch, named.rows, count(*) OVER () AS names, (sum(named.rows) OVER ())::int8 AS all_rows
    FROM (SELECT branch, count(*) AS rows FROM lead_staging WHERE branch <> '' GROUP BY branch) AS named
    WHERE NOT EXISTS (SELECT FROM branch b WHERE b.code = named.branch)
      AND NOT EXISTS (SELECT FROM branch b WHERE b.name = named.branch)
    ORDER BY named.rows DESC, named.branch LIMIT :most
""")
_CREATE_BRANCHES = text("""
    INSERT INTO branch (code, name)
    SELECT named, named FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS wanted (named, place)
    ORDER BY place
    ON CONFLICT (code) DO NOTHING
    RETURNING id, code
""")
_PLACE_BRANCHES = text("""
    UPDATE branch SET parent_id = above.id, path = coalesce(above.path, '/') || branch.id || '/'
    FROM unnest(CAST(:ids AS int[]), CAST(:parents AS int[])) AS made (id, parent)
    LEFT JOIN branch above ON above.id = made.parent
    WHERE branch.id = made.id
""")
_BRANCH_OF = """
    branch_of AS MATERIALIZED (
        SELECT named.branch,
               (SELECT b.id FROM branch b WHERE named.branch IN (b.code, b.name)
                ORDER BY (b.code = named.branch) DESC, b.id LIMIT 1) AS branch_id
        FROM (SELECT DISTINCT branch FROM lead_staging WHERE branch <> '') AS named
    )
"""
# The staged people who are on the list already, with old and new values. The statements below are formatted
# with constants only.
_CHANGES = f"""
    {_BRANCH_OF},
    given AS (
        SELECT l.id, l.status, l.phone_cipher, l.phone_masked,
               l.name AS old_name, s.name AS new_name,
               l.phone_index AS old_index, s.phone_index AS new_index,
               l.source AS old_source, coalesce(nullif(s.source, ''), l.source) AS new_source,
               l.branch_id AS old_branch, coalesce(n.branch_id, l.branch_id) AS new_branch,
               s.branch <> '' AND n.branch_id IS NULL AS new_one
        FROM lead_staging s
        JOIN lead l ON l.id_hash = s.id_hash AND l.deleted_at IS NULL
        LEFT JOIN branch_of n USING (branch)
    ),
    changes AS (
        SELECT * FROM given
        WHERE (old_name, old_index, old_source) <> (new_name, new_index, new_source)
           OR old_branch IS DISTINCT FROM new_branch OR new_one
    )
"""  # noqa: S608
#: a digest of the editable columns of a lead, from the given columns or expressions
EDITABLE = "sha256(convert_to(concat_ws(chr(31), {}, {}, {}, {}, coalesce({}, 0)::text), 'UTF8'))"
_COUNT_CHANGES = text(f"WITH {_CHANGES} SELECT count(*) FROM changes")  # noqa: S608
_STORE_OLD_VALUES = text(f"""
    WITH {_CHANGES}
    INSERT INTO lead_before
        (batch_id, lead_id, name, phone_cipher, phone_index, phone_masked, source, branch_id, after)
    SELECT :batch, id, old_name, phone_cipher, old_index, phone_masked, old_source, old_branch,
           {EDITABLE.format("new_name", "new_index", "new_source", "status", "new_branch")}
    FROM changes
""")  # noqa: S608
_UPDATE = text(f"""
    WITH {_BRANCH_OF},
    given AS (SELECT s.*, n.branch_id FROM lead_staging s LEFT JOIN branch_of n USING (branch))
    UPDATE lead SET
        name = given.name,
        phone_cipher = CASE WHEN lead.phone_index = given.phone_index
                            THEN lead.phone_cipher ELSE given.phone_cipher END,
        phone_index = given.phone_index,
        phone_masked = given.phone_masked,
        source = coalesce(nullif(given.source, ''), lead.source),
        branch_id = coalesce(given.branch_id, lead.branch_id),
        updated_at = app_now(now())
    FROM given, lead_before AS before
    WHERE lead.id_hash = given.id_hash AND lead.deleted_at IS NULL
      AND before.lead_id = lead.id AND before.batch_id = :batch
""")  # noqa: S608
# Look-ups row by row: a join would read the whole list for each part of a file.
_DROP_KNOWN = text("""
    DELETE FROM lead_staging s
    WHERE (SELECT true FROM lead l WHERE l.id_hash = s.id_hash AND l.deleted_at IS NULL)
""")
# The sequence must be ahead of the file's numbers of our own form, or it would assign them again. Longer
# numbers are out of its reach and must not advance it.
_ADVANCE_NUMBERS = text("""
    SELECT setval('lead_no_seq', brought.highest)
    FROM (SELECT max(substr(lead_no, 2)::bigint) AS highest
          FROM lead_staging WHERE lead_no ~ '^L[0-9]{1,9}$') AS brought, lead_no_seq
    WHERE brought.highest > lead_no_seq.last_value
""")
_INSERT = text(f"""
    WITH {_BRANCH_OF},
    numbered AS (
        SELECT s.*, s.lead_no <> ''
               AND row_number() OVER (PARTITION BY s.lead_no ORDER BY s.row) = 1
               AND (SELECT true FROM lead l
                    WHERE l.lead_no = s.lead_no AND l.deleted_at IS NULL) IS NULL AS number_free
        FROM lead_staging s
    ),
    fresh AS (
        SELECT * FROM numbered LEFT JOIN branch_of USING (branch)
        WHERE number_free OR :any_number ORDER BY row
    )
    INSERT INTO lead (lead_no, name, id_hash, phone_cipher, phone_index, phone_masked, source,
                      branch_id, batch_id)
    SELECT CASE WHEN number_free THEN lead_no ELSE 'L' || nextval('lead_no_seq') END, name, id_hash,
           phone_cipher, phone_index, phone_masked, source, branch_id, :batch
    FROM fresh
""")  # noqa: S608
_COUNT = text("SELECT count(*) FROM lead_staging")
_COUNT_BRANCHES = text("""
    SELECT branch.code, count(*) FROM lead JOIN branch ON branch.id = lead.branch_id
    WHERE lead.batch_id = :batch AND branch.code = ANY(:names) GROUP BY branch.code
""")
#: rows that are written to the database at once, while the next are read
PART_ROWS = 25_000


class MergeResult(NamedTuple):
    """Numbers of staged people who were created, changed, or already on the list and left unchanged.

    ``branches`` are those that were or would be created; ``unmatched`` counts rows about nobody on the list.
    """

    created: int
    updated: int
    existing: int
    branches: UnknownBranches = NO_BRANCHES
    unmatched: int = 0


class Merge:
    """Stages the rows of one file and merges them into the list.

    A branch that is unknown is created at the top of the tree, or as ``choices`` say.
    """

    def __init__(self, choices: BranchChoices | None = None) -> None:
        self._choices = choices
        self._created = self._known = 0
        self._new_branches: dict[str, int] = {}

    def stage(
        self, connection: Connection, rows: Iterable[StagedLead], adds_to: int | None, *, brings_numbers: bool
    ) -> None:
        """Copy rows into the temporary table ``lead_staging`` as they come.

        With ``adds_to``, those people are added to the batch of this id who keep the number that the file
        gives them, or all if the file ``brings_numbers`` to nobody. Raises LeadsError as ``finish`` does.
        """
        connection.exec_driver_sql(_CREATE)

        def write(part: list[StagedLead]) -> None:
            _copy(connection, part)
            if adds_to is not None and len(part) == PART_ROWS:
                self._add(connection, adds_to, any_number=not brings_numbers)

        # The database works on a part while this thread reads and checks the next one.
        with ThreadPoolExecutor(1) as database:
            writing = database.submit(write, [])
            for part in _parts(rows):
                writing.result()
                writing = database.submit(write, part)
            writing.result()
        # Temporary tables are not analysed automatically, and the query plans depend on statistics.
        connection.exec_driver_sql("ANALYZE lead_staging")

    def finish(self, connection: Connection, batch: int, *, update: bool) -> MergeResult:
        """Merge the people who are left. Raises LeadsError when the choices leave a branch undecided."""
        connection.execute(_LOCK)
        updated = 0
        if update:
            self._create_unknown_branches(connection)
            connection.execute(_STORE_OLD_VALUES, {"batch": batch})
            connection.exec_driver_sql("ANALYZE lead_before")
            updated = connection.execute(_UPDATE, {"batch": batch}).rowcount
        self._add(connection, batch, any_number=True)
        if self._new_branches and not update:
            rows = connection.execute(_COUNT_BRANCHES, {"batch": batch, "names": list(self._new_branches)})
            self._new_branches |= dict(rows.tuples().all())
        named = [NamedBranch(*each) for each in self._new_branches.items()]
        named.sort(key=lambda each: (-each.rows, each.name))
        branches = UnknownBranches(named, len(named), sum(each.rows for each in named))
        return MergeResult(self._created, updated, self._known - updated, branches)

    def _add(self, connection: Connection, batch: int, *, any_number: bool) -> None:
        """Add the staged people, or only those whose number is free, and leave the others staged."""
        connection.execute(_LOCK)
        self._known += connection.execute(_DROP_KNOWN).rowcount
        self._create_unknown_branches(connection)
        connection.execute(_ADVANCE_NUMBERS)
        created = connection.execute(_INSERT, {"batch": batch, "any_number": any_number}).rowcount
        self._created += created
        if created == connection.scalar(_COUNT):
            connection.exec_driver_sql("TRUNCATE lead_staging")
        else:
            connection.execute(_DROP_KNOWN)

    def _create_unknown_branches(self, connection: Connection) -> None:
        """Create the unknown branches of the staged rows. Raises LeadsError for an undecided one."""
        unknown = unknown_branches(connection).named
        if not unknown:
            return
        names = sorted(each.name for each in unknown)
        parents = dict.fromkeys(names) if self._choices is None else self._choices.parents(names)
        if parents.keys() != set(names):
            raise LeadsError(
                "branches_undecided", N_("The branches have changed meanwhile; check the file again")
            )
        made = connection.execute(_CREATE_BRANCHES, {"names": names}).all()
        values = {"ids": [row.id for row in made], "parents": [parents[row.code] for row in made]}
        connection.execute(_PLACE_BRANCHES, values)
        self._new_branches |= {each.name: each.rows for each in unknown}


def _parts(rows: Iterable[StagedLead]) -> Iterator[list[StagedLead]]:
    iterator = iter(rows)
    while part := list(islice(iterator, PART_ROWS)):
        yield part


def _copy(connection: Connection, rows: Iterable[StagedLead]) -> None:
    raw: Any = connection.connection.driver_connection
    columns = ", ".join(f'"{name}"' for name in _COLUMN_TYPES)
    into = f"COPY lead_staging ({columns}) FROM STDIN (FORMAT BINARY)"
    with raw.cursor() as cursor, cursor.copy(into) as copy:
        copy.set_types(list(_COLUMN_TYPES.values()))
        for row in rows:
            copy.write_row(row)


def preview(connection: Connection, *, update: bool) -> MergeResult:
    """Return what ``merge`` would do. The caller rolls the transaction back."""
    updated = 0
    if update:
        unknown = unknown_branches(connection, MAX_NAMES)
        updated = connection.scalar(_COUNT_CHANGES) or 0
    known = connection.execute(_DROP_KNOWN).rowcount
    if not update:
        unknown = unknown_branches(connection, MAX_NAMES)
    return MergeResult(connection.scalar(_COUNT) or 0, updated, known - updated, unknown)


def unknown_branches(connection: Connection, most: int | None = None) -> UnknownBranches:
    """Return the branch names of staged rows that match neither the code nor the name of a branch."""
    rows = connection.execute(_UNKNOWN, {"most": most}).all()
    named = [NamedBranch(row.branch, row.rows) for row in rows]
    return UnknownBranches(named, rows[0].names if rows else 0, rows[0].all_rows if rows else 0)

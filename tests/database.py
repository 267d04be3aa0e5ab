"""The tests' database: emptying, snapshots and restoring them."""

from __future__ import annotations

import functools

import psycopg
from sqlalchemy import URL, Connection, Engine, text

from app.embedded.postgres import SUPERUSER
from app.permissions import ROLES

#: filled by migrations and seeding; everything else is emptied before each test
SEEDED = (
    "alembic_version",
    "ab_permission",
    "ab_view_menu",
    "ab_permission_view",
    "ab_permission_view_role",
    "ab_role",
    "app_clock",
    "calendar_day",
)
#: the change log, whose numbering is never reset
LOG = ("change_log", "change_seal")
BUILTIN = (*ROLES.values(), "Public")
#: each table, with its sequence if it has one
_TABLES = """
SELECT one.relname, sequence.oid::regclass::text
FROM pg_class AS one
LEFT JOIN (pg_depend JOIN pg_class AS sequence ON sequence.oid = objid AND sequence.relkind = 'S')
    ON refobjid = one.oid AND refobjsubid > 0 AND classid = 'pg_class'::regclass
WHERE one.relnamespace = 'public'::regnamespace AND one.relkind IN ('r', 'p')
"""
#: Small tables are emptied faster row by row. Their sequences start at 1 again.
_EMPTY = f"""
DO $$
DECLARE
    held text;
    numbers regclass;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR held, numbers IN {_TABLES} AND one.relname NOT IN {SEEDED} LOOP
        IF pg_relation_size(held::regclass) > 4000000 THEN
            EXECUTE format('TRUNCATE %I CASCADE', held);
        ELSE
            EXECUTE format('DELETE FROM %I', held);
        END IF;
        IF pg_sequence_last_value(numbers) IS NOT NULL AND held NOT IN {LOG} THEN
            PERFORM setval(numbers, 1, false);
        END IF;
    END LOOP;
    PERFORM setval('lead_no_seq', seqstart, false) FROM pg_sequence WHERE seqrelid = 'lead_no_seq'::regclass;
    UPDATE app_clock SET production = false WHERE production;
    DELETE FROM ab_permission_view_role
    WHERE role_id IN (SELECT id FROM ab_role WHERE name NOT IN {BUILTIN});
    DELETE FROM ab_role WHERE name NOT IN {BUILTIN};
END $$
"""


_RIGHTS = """
SELECT r.name, p.name, v.name FROM ab_permission_view_role
JOIN ab_role AS r ON r.id = role_id
JOIN ab_permission_view AS pv ON pv.id = permission_view_id
JOIN ab_permission AS p ON p.id = pv.permission_id
JOIN ab_view_menu AS v ON v.id = pv.view_menu_id
"""


def empty(engine: Engine) -> None:
    """Empty every table, except for what migrations and seeding create.

    Only the superuser can switch off the triggers that note every change and keep the log as it is.
    """
    superuser_of(engine).execute(_EMPTY)


@functools.cache
def superuser_of(engine: Engine) -> psycopg.Connection:
    """Return a superuser's connection to the engine's database, open until the end."""
    return psycopg.connect(libpq(engine.url.set(username=SUPERUSER)), autocommit=True)


def rights_of_roles(connection: Connection) -> set[tuple[str, ...]]:
    """Return the rights of roles: role, permission and view."""
    found = connection.execute(text(_RIGHTS))
    return {tuple(each) for each in found}


def unguarded(engine: Engine, statement: str, **values: object) -> None:
    """Run a statement without any trigger: what nobody but a superuser can do."""
    with superuser_of(engine).transaction():
        superuser_of(engine).execute("SET LOCAL session_replication_role = replica")
        superuser_of(engine).execute(statement, values)


def superuser(url: URL) -> psycopg.Connection:
    """Return a superuser's connection to a database."""
    return psycopg.connect(libpq(url.set(username=SUPERUSER)))


def libpq(url: URL) -> str:
    """Return the address in libpq's form."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def is_empty(engine: Engine) -> bool:
    """Return whether the database holds only what migrations and seeding create."""
    known = (*SEEDED, "installation")
    names = [name for name, _numbers in superuser_of(engine).execute(_TABLES) if name not in known]
    found = " OR ".join(f'EXISTS (SELECT FROM public."{name}")' for name in names)
    return superuser_of(engine).execute(f"SELECT {found}").fetchone() == (False,)


#: the columns of a table that are not computed from others
_STORED = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = '{}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


class Snapshot:
    """A copy of the rows in the engine's database, except for what migrations and seeding create."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.schema = f"kept_{id(self)}"
        self._statements = ["SET LOCAL session_replication_role = replica"]
        with superuser_of(engine).transaction():
            self._run(f"CREATE SCHEMA {self.schema}")
            for name, numbers in self._run(_TABLES).fetchall():
                # The next test has another DATA_DIR.
                if name not in (*SEEDED, "installation") or name == "ab_role":
                    self._keep(name, numbers)

    def put_back(self) -> bool:
        """Restore the rows into the emptied database. Return whether all of them fit."""
        try:
            with superuser_of(self.engine).transaction():
                self._run(";\n".join(self._statements))
        except psycopg.errors.UniqueViolation:
            return False
        return True

    def _keep(self, name: str, numbers: str | None) -> None:
        copy, table = f'{self.schema}."{name}"', f'public."{name}"'
        only = f"WHERE name NOT IN {BUILTIN}" if name == "ab_role" else ""
        [columns] = self._run(_STORED.format(table)).fetchone() or [""]
        if self._run(f"CREATE TABLE {copy} AS SELECT {columns} FROM {table} {only}").rowcount:
            self._statements.append(f"INSERT INTO {table} ({columns}) SELECT * FROM {copy}")
            if numbers and name not in (*LOG, *SEEDED):
                self._statements.append(f"""SELECT setval('{numbers}', max(id)) FROM {copy}""")

    def _run(self, statement: str) -> psycopg.Cursor:
        return superuser_of(self.engine).execute(statement)

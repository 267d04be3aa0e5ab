"""one clock for processes and SQL: app_now(), which only the owner can move, and never in production"""

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

#: the log bears the server's own time
REAL = ("change_log", "change_seal", "alembic_version")
#: A body of one expression is put in place of the call: asking costs what now() costs. It is written anew when the
#: clock is moved.
BODY = """
CREATE OR REPLACE FUNCTION public.app_now(of timestamptz DEFAULT clock_timestamp()) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE RETURN {};
"""
KEEP = f"""
CREATE FUNCTION public.app_clock_keep() RETURNS trigger LANGUAGE plpgsql AS $keep$
BEGIN
    IF NOT pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        RAISE EXCEPTION 'only the owner of the database sets its clock' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION 'the clock of the installation has one row' USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.production AND NOT NEW.production THEN
        RAISE EXCEPTION 'a production database stays one' USING ERRCODE = 'check_violation';
    END IF;
    -- Hours, not days, which would depend on the time zone of the session.
    NEW.ahead := make_interval(secs => extract(epoch FROM NEW.ahead)::double precision);
    IF NEW.production AND NEW.ahead <> interval '0' THEN
        RAISE EXCEPTION 'the clock of a production database is never moved' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = NEW.zone) THEN
        RAISE EXCEPTION 'the database does not know the time zone %', NEW.zone USING ERRCODE = 'check_violation';
    END IF;
    EXECUTE format($body${BODY.format("%s")}$body$, CASE WHEN NEW.ahead = interval '0' THEN 'of'
        ELSE format('of + %L::interval', NEW.ahead) END);
    RETURN NEW;
END $keep$;
CREATE TRIGGER app_clock_keep BEFORE INSERT OR UPDATE OR DELETE ON public.app_clock
    FOR EACH ROW EXECUTE FUNCTION public.app_clock_keep();
CREATE TRIGGER app_clock_keep_all BEFORE TRUNCATE ON public.app_clock
    FOR EACH STATEMENT EXECUTE FUNCTION public.app_clock_keep();
"""
COLUMNS = """
    SELECT quote_ident(c.relname), quote_ident(a.attname) FROM pg_attrdef d
    JOIN pg_class c ON c.oid = d.adrelid
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
      AND pg_get_expr(d.adbin, d.adrelid) = '{}'
    ORDER BY 1, 2
"""


def _defaults(before: str, now: str) -> None:
    for table, column in op.get_bind().exec_driver_sql(COLUMNS.format(before)).fetchall():
        if table not in REAL:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {now}")


def upgrade() -> None:
    op.create_table(
        "app_clock",
        sa.Column("id", sa.SmallInteger(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("ahead", sa.Interval(), server_default=sa.text("'00:00:00'::interval"), nullable=False),
        sa.Column("production", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("zone", sa.String(64), server_default="Asia/Shanghai", nullable=False),
        sa.CheckConstraint("id = 1", name="app_clock_is_one"),
        sa.PrimaryKeyConstraint("id"),
    )
    for statement in (BODY.format("of"), KEEP):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
    op.execute("INSERT INTO app_clock DEFAULT VALUES")
    _defaults("now()", "app_now(now())")


def downgrade() -> None:
    _defaults("app_now(now())", "now()")
    op.drop_table("app_clock")
    op.execute("DROP FUNCTION app_clock_keep()")
    op.execute("DROP FUNCTION app_now(timestamptz)")

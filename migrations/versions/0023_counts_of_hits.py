"""counts of hits, kept exact by the database

A hit carries what it is counted by: source and branch of its lead, and whether that is on the list. The
triggers keep this and the counts true whoever writes, so that lists, row scope and counts can't disagree.
"""

import sqlalchemy as sa
from alembic import op
from flask import current_app


revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None

KEYS = "hit_date, made_on, rule_id, grade, source, branch_id, status"
WITHOUT_DATES = "rule_id, grade, source, branch_id, status"


def upgrade() -> None:
    op.add_column('hit', sa.Column('made_on', sa.Date(), nullable=True))
    op.add_column('hit', sa.Column('source', sa.String(length=64), server_default='', nullable=False))
    op.add_column('hit', sa.Column('branch_id', sa.Integer(), server_default='0', nullable=False))
    op.add_column('hit', sa.Column('live', sa.Boolean(), server_default='true', nullable=False))
    zone = current_app.config["SETTINGS"].timezone
    op.execute(sa.text("""
        UPDATE hit h SET made_on = (h.created_at AT TIME ZONE :zone)::date, source = l.source,
            branch_id = coalesce(l.branch_id, 0), live = l.deleted_at IS NULL
        FROM lead l WHERE l.id = h.lead_id
    """).bindparams(zone=zone))
    op.alter_column('hit', 'made_on', nullable=False, server_default=sa.text("CURRENT_DATE"))
    op.drop_index('ix_hit_date', table_name='hit')
    op.create_index('ix_hit_date', 'hit', ['hit_date', 'score', 'id'], postgresql_where=sa.text('live'))
    op.create_index('ix_hit_branch', 'hit', ['branch_id', 'hit_date', 'score', 'id'], postgresql_where=sa.text('live'))
    op.create_index('ix_hit_made', 'hit', ['made_on', 'id'], postgresql_where=sa.text('live'))
    op.create_table('hit_gate', sa.Column('id', sa.Integer(), nullable=False), sa.PrimaryKeyConstraint('id'))
    _tables()
    _functions()
    op.execute(f"INSERT INTO hit_count ({KEYS}, n) SELECT {KEYS}, count(*) FROM hit WHERE live GROUP BY {KEYS}")
    op.execute(f"INSERT INTO hit_total ({WITHOUT_DATES}, n) SELECT {WITHOUT_DATES}, sum(n) FROM hit_count GROUP BY {WITHOUT_DATES}")


def _tables() -> None:
    dates = lambda: [sa.Column('hit_date', sa.Date(), nullable=False), sa.Column('made_on', sa.Date(), nullable=False)]
    keys = lambda: [
        sa.Column('rule_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('grade', sa.String(length=1), nullable=False),
        sa.Column('source', sa.String(length=64), nullable=False),
        sa.Column('branch_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('status', sa.String(length=16), nullable=False),
    ]
    op.create_table('hit_count', *dates(), *keys(), sa.Column('n', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('hit_date', 'made_on', 'rule_id', 'grade', 'source', 'branch_id', 'status'))
    op.create_index('ix_hit_count_made', 'hit_count', ['made_on'])
    op.create_index('ix_hit_count_none', 'hit_count', ['hit_date'], postgresql_where=sa.text('n = 0'))
    op.create_table('hit_total', *keys(), sa.Column('n', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('rule_id', 'grade', 'source', 'branch_id', 'status'))
    op.create_table('hit_delta', sa.Column('id', sa.BigInteger(), nullable=False), *dates(), *keys(),
        sa.Column('n', sa.Integer(), nullable=False), sa.PrimaryKeyConstraint('id'))


def _functions() -> None:
    # A lead's move and new hits of it must not pass each other unseen: those who insert hits let each other
    # in, so do those who change leads, but the two kinds wait for each other.
    op.execute("""
        CREATE FUNCTION hit_gate_hits() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN LOCK TABLE hit_gate IN ROW EXCLUSIVE MODE; RETURN NULL; END $$
    """)
    op.execute("""
        CREATE FUNCTION hit_gate_leads() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN LOCK TABLE hit_gate IN SHARE MODE; RETURN NULL; END $$
    """)
    op.execute("""
        CREATE FUNCTION hit_follows_lead() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            SELECT l.source, coalesce(l.branch_id, 0), l.deleted_at IS NULL
            INTO NEW.source, NEW.branch_id, NEW.live FROM lead l WHERE l.id = NEW.lead_id;
            NEW.source := coalesce(NEW.source, ''); NEW.branch_id := coalesce(NEW.branch_id, 0);
            NEW.live := coalesce(NEW.live, false);
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION lead_moves_hits() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE hit h SET source = n.source, branch_id = coalesce(n.branch_id, 0), live = n.deleted_at IS NULL
            FROM new_rows n JOIN old_rows o ON o.id = n.id
            WHERE h.lead_id = n.id
              AND (n.source, n.branch_id, n.deleted_at IS NULL) IS DISTINCT FROM (o.source, o.branch_id, o.deleted_at IS NULL);
            RETURN NULL;
        END $$
    """)
    op.execute(f"""
        CREATE FUNCTION hit_counted() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO hit_delta ({KEYS}, n)
                SELECT {KEYS}, count(*) FROM new_rows WHERE live GROUP BY {KEYS};
            ELSIF TG_OP = 'DELETE' THEN
                INSERT INTO hit_delta ({KEYS}, n)
                SELECT {KEYS}, -count(*) FROM old_rows WHERE live GROUP BY {KEYS};
            ELSE
                INSERT INTO hit_delta ({KEYS}, n)
                SELECT {KEYS}, sum(n) FROM (
                    SELECT {KEYS}, 1 AS n FROM new_rows WHERE live
                    UNION ALL SELECT {KEYS}, -1 FROM old_rows WHERE live
                ) c GROUP BY {KEYS} HAVING sum(n) <> 0;
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION hit_counts_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN DELETE FROM hit_delta; DELETE FROM hit_count; DELETE FROM hit_total; RETURN NULL; END $$
    """)
    for statement in (
        "CREATE TRIGGER hit_gate BEFORE INSERT ON hit FOR EACH STATEMENT EXECUTE FUNCTION hit_gate_hits()",
        "CREATE TRIGGER hit_follows_lead BEFORE INSERT OR UPDATE OF lead_id ON hit FOR EACH ROW EXECUTE FUNCTION hit_follows_lead()",
        "CREATE TRIGGER hit_counted_in AFTER INSERT ON hit REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION hit_counted()",
        "CREATE TRIGGER hit_counted_on AFTER UPDATE ON hit REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION hit_counted()",
        "CREATE TRIGGER hit_counted_out AFTER DELETE ON hit REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION hit_counted()",
        "CREATE TRIGGER hit_counts_emptied AFTER TRUNCATE ON hit FOR EACH STATEMENT EXECUTE FUNCTION hit_counts_emptied()",
        "CREATE TRIGGER hit_gate BEFORE UPDATE OF source, branch_id, deleted_at ON lead FOR EACH STATEMENT EXECUTE FUNCTION hit_gate_leads()",
        "CREATE TRIGGER lead_moves_hits AFTER UPDATE ON lead REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION lead_moves_hits()",
    ):
        op.execute(statement)


def downgrade() -> None:
    for name, table in (
        ('lead_moves_hits', 'lead'), ('hit_gate', 'lead'), ('hit_counts_emptied', 'hit'), ('hit_counted_out', 'hit'),
        ('hit_counted_on', 'hit'), ('hit_counted_in', 'hit'), ('hit_follows_lead', 'hit'), ('hit_gate', 'hit'),
    ):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in ('hit_counts_emptied', 'hit_counted', 'lead_moves_hits', 'hit_follows_lead', 'hit_gate_leads', 'hit_gate_hits'):
        op.execute(f"DROP FUNCTION {name}")
    for table in ('hit_delta', 'hit_total', 'hit_count', 'hit_gate'):
        op.drop_table(table)
    for name in ('ix_hit_made', 'ix_hit_branch', 'ix_hit_date'):
        op.drop_index(name, table_name='hit', postgresql_where=sa.text('live'))
    op.create_index('ix_hit_date', 'hit', ['hit_date', 'score', 'id'])
    for name in ('live', 'branch_id', 'source', 'made_on'):
        op.drop_column('hit', name)

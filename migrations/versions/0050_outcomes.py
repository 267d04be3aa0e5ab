"""outcomes, and the conversions of hits that follow from them

A hit carries the date of the first outcome that counts for its rule on or after its own date, kept by triggers
whoever writes, and is counted as converted when that lies within 30 days.
"""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

KEYS = "hit_date, made_on, rule_id, grade, source, branch_id, status"
CONVERTED = "(outcome_on IS NOT NULL) AND (outcome_on <= (hit_date + 30))"
#: the first outcome of the products that a rule version counts, on or after a date
PRODUCTS = """
    SELECT v.id AS version_id, p.id AS product_id
    FROM rule_version v JOIN product p ON v.products = '{}' OR p.code = ANY (v.products)
"""
#: new dates of the hits of some leads
FIND = f"""
    UPDATE hit h SET outcome_on = found.on_date
    FROM (
        SELECT k.id, min(o.on_date) AS on_date
        FROM (%s) touched
        JOIN hit k ON k.lead_id = touched.lead_id
        LEFT JOIN (outcome o JOIN ({PRODUCTS}) counted ON counted.product_id = o.product_id)
            ON o.lead_id = k.lead_id AND o.on_date >= k.hit_date AND counted.version_id = k.version_id
        GROUP BY k.id
    ) found
    WHERE h.id = found.id AND h.outcome_on IS DISTINCT FROM found.on_date
"""
FOLLOW = """
    SELECT l.source, coalesce(l.branch_id, 0), l.deleted_at IS NULL
    INTO NEW.source, NEW.branch_id, NEW.live FROM lead l WHERE l.id = NEW.lead_id;
    NEW.source := coalesce(NEW.source, ''); NEW.branch_id := coalesce(NEW.branch_id, 0);
    NEW.live := coalesce(NEW.live, false);
"""
FIRST = """
    NEW.outcome_on := (
        SELECT min(o.on_date) FROM outcome o
        WHERE o.lead_id = NEW.lead_id AND o.on_date >= NEW.hit_date AND EXISTS (
            SELECT FROM rule_version v JOIN product p ON v.products = '{}' OR p.code = ANY (v.products)
            WHERE v.id = NEW.version_id AND p.id = o.product_id));
"""


def upgrade() -> None:
    _tables()
    op.add_column("import_batch", sa.Column("rows_unmatched", sa.Integer(), server_default="0", nullable=False))
    _allow("'leads', 'suppressions', 'facts', 'outcomes'")
    op.add_column("hit", sa.Column("outcome_on", sa.Date(), nullable=True))
    op.add_column("hit", sa.Column("converted", sa.Boolean(), sa.Computed(CONVERTED, persisted=True), nullable=True))
    op.create_index(
        "ix_hit_outcome", "hit", ["hit_date", "id"], postgresql_where=sa.text("live AND converted")
    )
    for table in ("hit_count", "hit_total", "hit_delta"):
        op.add_column(table, sa.Column("converted", sa.Boolean(), server_default="false", nullable=False))
    _key("converted")
    _counted(f"{KEYS}, converted")
    _follow(FOLLOW + FIRST)
    op.execute(f"""
        CREATE FUNCTION outcome_moves_hits() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            -- EXECUTE plans for the rows there are (see 0033).
            IF TG_OP = 'INSERT' THEN
                EXECUTE $find${FIND % "SELECT DISTINCT lead_id FROM new_rows"}$find$;
            ELSIF TG_OP = 'DELETE' THEN
                EXECUTE $find${FIND % "SELECT DISTINCT lead_id FROM old_rows"}$find$;
            ELSE
                EXECUTE $find${FIND % "SELECT lead_id FROM new_rows UNION SELECT lead_id FROM old_rows"}$find$;
            END IF;
            RETURN NULL;
        END $$
    """)
    for statement in (
        # New hits and new outcomes must not pass each other unseen, as hits and moves of leads (see 0023).
        "CREATE TRIGGER hit_gate BEFORE INSERT OR UPDATE ON outcome FOR EACH STATEMENT"
        " EXECUTE FUNCTION hit_gate_leads()",
        "CREATE TRIGGER outcome_moves_hits_in AFTER INSERT ON outcome REFERENCING NEW TABLE AS new_rows"
        " FOR EACH STATEMENT EXECUTE FUNCTION outcome_moves_hits()",
        "CREATE TRIGGER outcome_moves_hits_on AFTER UPDATE ON outcome REFERENCING OLD TABLE AS old_rows"
        " NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION outcome_moves_hits()",
        "CREATE TRIGGER outcome_moves_hits_out AFTER DELETE ON outcome REFERENCING OLD TABLE AS old_rows"
        " FOR EACH STATEMENT EXECUTE FUNCTION outcome_moves_hits()",
    ):
        op.execute(statement)


def downgrade() -> None:
    _follow(FOLLOW)
    for name in ("hit_gate", "outcome_moves_hits_in", "outcome_moves_hits_on", "outcome_moves_hits_out"):
        op.execute(f"DROP TRIGGER {name} ON outcome")
    op.execute("DROP FUNCTION outcome_moves_hits")
    _counted(KEYS)
    _merge("hit_count", "hit_date, made_on, rule_id, grade, source, branch_id, status")
    _merge("hit_total", "rule_id, grade, source, branch_id, status")
    _key()
    for table in ("hit_count", "hit_total", "hit_delta"):
        op.drop_column(table, "converted")
    op.drop_index("ix_hit_outcome", table_name="hit")
    op.drop_column("hit", "converted")
    op.drop_column("hit", "outcome_on")
    op.execute("DELETE FROM import_batch WHERE kind = 'outcomes'")
    _allow("'leads', 'suppressions', 'facts'")
    op.drop_column("import_batch", "rows_unmatched")
    op.drop_table("outcome_former")
    op.drop_table("outcome")


def _tables() -> None:
    told = lambda: [
        sa.Column("lead_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(18, 4), nullable=False),
        sa.Column("margin", sa.Numeric(18, 4), nullable=True),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"], ondelete="SET NULL"),
    ]
    moment = lambda name: sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
    )
    op.create_table(
        "outcome",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("outcome_id", sa.String(128), nullable=False),
        *told(),
        sa.Column("corrections", sa.Integer(), server_default="0", nullable=False),
        moment("told_at"),
        sa.CheckConstraint("amount >= 0", name="ck_outcome_amount"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("outcome_id"),
    )
    op.create_index("ix_outcome_lead", "outcome", ["lead_id", "on_date"])
    op.create_index("ix_outcome_date", "outcome", ["on_date", "id"])
    op.create_index("ix_outcome_product", "outcome", ["product_id", "on_date", "id"])
    op.create_table(
        "outcome_former",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("current_id", sa.BigInteger(), nullable=False),
        *told(),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        moment("corrected_at"),
        sa.ForeignKeyConstraint(["current_id"], ["outcome.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outcome_former_current", "outcome_former", ["current_id", "id"])
    op.create_index("ix_outcome_former_lead", "outcome_former", ["lead_id"])
    op.create_index("ix_outcome_former_product", "outcome_former", ["product_id"])


def _allow(kinds: str) -> None:
    op.drop_constraint("ck_import_batch_kind", "import_batch", type_="check")
    op.create_check_constraint("ck_import_batch_kind", "import_batch", f"kind IN ({kinds})")


def _key(*more: str) -> None:
    for table, columns in (
        ("hit_count", ("hit_date", "made_on", "rule_id", "grade", "source", "branch_id", "status")),
        ("hit_total", ("rule_id", "grade", "source", "branch_id", "status")),
    ):
        op.drop_constraint(f"{table}_pkey", table, type_="primary")
        op.create_primary_key(f"{table}_pkey", table, [*columns, *more])


def _merge(table: str, columns: str) -> None:
    op.execute(f"CREATE TEMP TABLE merged ON COMMIT DROP AS SELECT {columns}, sum(n) AS n FROM {table} GROUP BY {columns}")
    op.execute(f"DELETE FROM {table}")
    op.execute(f"INSERT INTO {table} ({columns}, n) SELECT {columns}, n FROM merged")
    op.execute("DROP TABLE merged")


def _follow(body: str) -> None:
    op.execute(f"""
        CREATE OR REPLACE FUNCTION hit_follows_lead() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {body} RETURN NEW; END $$
    """)


def _counted(keys: str) -> None:
    op.execute(f"""
        CREATE OR REPLACE FUNCTION hit_counted() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO hit_delta ({keys}, n)
                SELECT {keys}, count(*) FROM new_rows WHERE live GROUP BY {keys};
            ELSIF TG_OP = 'DELETE' THEN
                INSERT INTO hit_delta ({keys}, n)
                SELECT {keys}, -count(*) FROM old_rows WHERE live GROUP BY {keys};
            ELSE
                INSERT INTO hit_delta ({keys}, n)
                SELECT {keys}, sum(n) FROM (
                    SELECT {keys}, 1 AS n FROM new_rows WHERE live
                    UNION ALL SELECT {keys}, -1 FROM old_rows WHERE live
                ) c GROUP BY {keys} HAVING sum(n) <> 0;
            END IF;
            RETURN NULL;
        END $$
    """)

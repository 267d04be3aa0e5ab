"""customers: one owner a lead, held by one row, with what lists of customers are filtered and sorted by

Owner, next contact and escalation move from the hits to the customer. The columns of open hits become copies,
kept by triggers, so that going back loses nothing but the rows of this table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

OPEN = "('waiting', 'in_progress')"
WORKABLE = f"h.live AND h.status IN {OPEN} AND NOT (h.opted_out OR h.holdout OR l.opted_out)"
#: the hits that can be worked come first, then open ones, then the rest
RANK = f"CASE WHEN {WORKABLE} THEN 2 WHEN h.status IN {OPEN} THEN 1 ELSE 0 END"
NEWEST = f"ORDER BY {RANK} DESC, h.hit_date DESC, h.score DESC, h.id DESC"
#: the summary of hits by lead, as columns of the customer
SUMMARY = f"""
    SELECT h.lead_id,
        CASE WHEN bool_or({WORKABLE}) THEN 'open' WHEN bool_or(h.status IN {OPEN}) THEN 'blocked' ELSE 'done' END AS state,
        CASE WHEN bool_or(h.status = 'in_progress') THEN 'in_progress' WHEN bool_or(h.status = 'waiting') THEN 'waiting'
             WHEN bool_or(h.status = 'converted') THEN 'converted' ELSE 'failed' END AS status,
        (array_agg(h.grade ORDER BY {RANK} DESC, h.grade))[1] AS grade,
        (array_agg(h.score {NEWEST}))[1] AS score, (array_agg(h.hit_date {NEWEST}))[1] AS hit_date,
        (array_agg(h.id {NEWEST}))[1] AS hit_id,
        count(*) AS hits, count(*) FILTER (WHERE h.status IN {OPEN}) AS open_hits,
        max(h.source) AS source, max(h.branch_id) AS branch_id, bool_or(h.live) AS live
    FROM hit h JOIN lead l ON l.id = h.lead_id
"""
DERIVED = "state, status, grade, score, hit_date, hit_id, hits, open_hits, source, branch_id, live"
COUNTED = "status, grade, score, hit_date, opted_out, holdout, source, branch_id, live"
#: reminders, before and now
WORDS = {
    "%(n)s follow-ups are due today or overdue": "%(n)s customers are due today or overdue",
    "%(n)s hits were assigned to you on %(day)s and are waiting for first contact":
        "%(n)s customers were assigned to you on %(day)s and are waiting for first contact",
    "%(n)s hits were escalated because nobody followed up in time":
        "%(n)s customers were escalated because nobody followed up in time",
}
LIVE_AND_OPEN = "live AND state = 'open'"


def upgrade() -> None:
    _table()
    op.create_table(
        "work_queue",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("customers", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["ab_user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_work_queue_person", "work_queue", ["person_id", "id"])
    _fill()
    _settle_conflicts()
    _indexes()
    _functions()
    _words(WORDS)
    _exports("'leads', 'hits', 'customers'")


def _table() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("owned_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_on", sa.Date(), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_by_id", sa.Integer(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(8), server_default="done", nullable=False),
        sa.Column("status", sa.String(16), server_default="failed", nullable=False),
        sa.Column("grade", sa.String(1), server_default="D", nullable=False),
        sa.Column("score", sa.Float(), server_default="0", nullable=False),
        sa.Column("hit_date", sa.Date(), nullable=True),
        sa.Column("hit_id", sa.BigInteger(), nullable=True),
        sa.Column("hits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("open_hits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("source", sa.String(64), server_default="", nullable=False),
        sa.Column("branch_id", sa.Integer(), server_default="0", nullable=False),
        sa.Column("live", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint("(owner_id IS NULL) = (owned_since IS NULL)", name="ck_customer_owned"),
        sa.CheckConstraint("owner_id IS NULL OR open_hits > 0", name="ck_customer_owner_works"),
        sa.CheckConstraint("state IN ('open', 'blocked', 'done')", name="ck_customer_state"),
        sa.ForeignKeyConstraint(["id"], ["lead.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["owner_id"], ["ab_user.id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["asked_by_id"], ["ab_user.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
    )


def _fill() -> None:
    # Whoever has work in progress keeps the customer, else whoever claimed first.
    op.execute(f"""
        INSERT INTO customer (id, {DERIVED}, owner_id, owned_since, next_on, escalated_at)
        SELECT s.*, o.owner_id, o.claimed_at, o.next_on, o.escalated_at
        FROM ({SUMMARY} GROUP BY h.lead_id) s
        LEFT JOIN (
            SELECT DISTINCT ON (lead_id) lead_id, owner_id, coalesce(claimed_at, updated_at) AS claimed_at,
                min(next_on) OVER w AS next_on, min(escalated_at) OVER w AS escalated_at
            FROM hit
            WHERE owner_id IS NOT NULL AND status IN {OPEN}
            WINDOW w AS (PARTITION BY lead_id)
            ORDER BY lead_id, status = 'in_progress' DESC, claimed_at, id
        ) o ON o.lead_id = s.lead_id
    """)


def _settle_conflicts() -> None:
    op.execute(f"""
        INSERT INTO hit_event (hit_id, kind, from_status, to_status, owner, note, next_on, person)
        SELECT h.id, 'assign', h.status, h.status, u.username, 'one_owner', c.next_on, 'system'
        FROM hit h JOIN customer c ON c.id = h.lead_id JOIN ab_user u ON u.id = c.owner_id
        WHERE h.status IN {OPEN} AND h.owner_id IS DISTINCT FROM c.owner_id
        ORDER BY h.id
    """)
    op.execute(f"""
        UPDATE hit h SET owner_id = c.owner_id, claimed_at = c.owned_since, next_on = c.next_on,
            escalated_at = c.escalated_at
        FROM customer c
        WHERE c.id = h.lead_id AND c.owner_id IS NOT NULL AND h.status IN {OPEN}
          AND (h.owner_id, h.claimed_at, h.next_on, h.escalated_at)
              IS DISTINCT FROM (c.owner_id, c.owned_since, c.next_on, c.escalated_at)
    """)


def _indexes() -> None:
    newest = ["hit_date", "score", "id"]
    owned = sa.text("owner_id IS NOT NULL")
    op.create_index("ix_customer_newest", "customer", newest, postgresql_where=sa.text(LIVE_AND_OPEN))
    op.create_index("ix_customer_branch", "customer", ["branch_id", *newest], postgresql_where=sa.text(LIVE_AND_OPEN))
    op.create_index(
        "ix_customer_grade", "customer", ["grade", sa.text("hit_date DESC"), sa.text("score DESC"), "id"],
        postgresql_where=sa.text(LIVE_AND_OPEN),
    )
    op.create_index(
        "ix_customer_rest", "customer", ["state", *newest], postgresql_where=sa.text("live AND state <> 'open'")
    )
    op.create_index("ix_customer_live", "customer", newest, postgresql_where=sa.text("live"))
    op.create_index("ix_customer_owner", "customer", ["owner_id", "next_on"], postgresql_where=owned)
    op.create_index("ix_customer_next", "customer", ["next_on"], postgresql_where=owned)
    op.create_index(
        "ix_customer_asked", "customer", ["owner_id"], postgresql_where=sa.text("asked_by_id IS NOT NULL")
    )


def _functions() -> None:
    op.execute(f"""
        CREATE FUNCTION customers_summed(leads bigint[]) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            -- Whoever changes a hit waits here, so that the sum that follows sees what the other one wrote.
            PERFORM FROM customer WHERE id = ANY (leads) ORDER BY id FOR NO KEY UPDATE;
            -- EXECUTE plans for the rows there are (see 0033).
            EXECUTE $sum$
                UPDATE customer c SET state = s.state, status = s.status, grade = s.grade, score = s.score,
                    hit_date = s.hit_date, hit_id = s.hit_id, hits = s.hits, open_hits = s.open_hits,
                    source = s.source, branch_id = s.branch_id, live = s.live,
                    owner_id = CASE WHEN s.open_hits > 0 THEN c.owner_id END,
                    next_on = CASE WHEN s.open_hits > 0 THEN c.next_on END
                FROM ({SUMMARY} WHERE h.lead_id = ANY ($1) GROUP BY h.lead_id) s
                WHERE c.id = s.lead_id
                  AND (c.state, c.status, c.grade, c.score, c.hit_date, c.hit_id, c.hits, c.open_hits, c.source,
                       c.branch_id, c.live)
                      IS DISTINCT FROM (s.state, s.status, s.grade, s.score, s.hit_date, s.hit_id, s.hits, s.open_hits,
                       s.source, s.branch_id, s.live)
            $sum$ USING leads;
        END $$
    """)
    op.execute(f"""
        CREATE FUNCTION hit_sums_customers() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE leads bigint[]; moved bigint[] := '{{}}';
        BEGIN
            IF TG_OP = 'INSERT' THEN
                leads := ARRAY(SELECT DISTINCT lead_id FROM new_rows ORDER BY 1);
                INSERT INTO customer (id) SELECT unnest(leads) ON CONFLICT DO NOTHING;
            ELSIF TG_OP = 'DELETE' THEN
                leads := ARRAY(SELECT DISTINCT lead_id FROM old_rows ORDER BY 1);
                -- The sum finds customers with hits only.
                UPDATE customer SET state = 'done', status = 'failed', hits = 0, open_hits = 0, owner_id = NULL,
                    next_on = NULL, hit_id = NULL, live = false
                WHERE id = ANY (leads) AND NOT EXISTS (SELECT FROM hit h WHERE h.lead_id = customer.id);
            ELSE
                -- EXECUTE plans for the rows there are (see 0033): a plan for one row joins many row by row.
                EXECUTE $leads$ SELECT ARRAY(
                    SELECT DISTINCT n.lead_id FROM new_rows n JOIN old_rows o ON o.id = n.id
                    WHERE ({", ".join(f"n.{name}" for name in COUNTED.split(", "))})
                        IS DISTINCT FROM ({", ".join(f"o.{name}" for name in COUNTED.split(", "))})
                    ORDER BY 1) $leads$ INTO leads;
                EXECUTE $moved$ SELECT ARRAY(
                    SELECT n.id FROM new_rows n JOIN old_rows o ON o.id = n.id
                    WHERE n.status IN {OPEN} AND (n.status, n.owner_id, n.claimed_at, n.next_on, n.escalated_at)
                        IS DISTINCT FROM (o.status, o.owner_id, o.claimed_at, o.next_on, o.escalated_at)) $moved$
                    INTO moved;
            END IF;
            IF leads <> '{{}}' THEN
                PERFORM customers_summed(leads);
            END IF;
            IF TG_OP = 'INSERT' THEN
                EXECUTE $moved$ SELECT ARRAY(
                    SELECT n.id FROM new_rows n JOIN customer c ON c.id = n.lead_id
                    WHERE n.status IN {OPEN} AND (c.owner_id IS NOT NULL OR n.owner_id IS NOT NULL)) $moved$ INTO moved;
            END IF;
            IF moved <> '{{}}' THEN
                -- An open hit is its customer's owner's, whoever wrote what.
                UPDATE hit h SET owner_id = c.owner_id, claimed_at = c.owned_since,
                    next_on = CASE WHEN c.owner_id IS NULL THEN h.next_on ELSE c.next_on END, escalated_at = c.escalated_at
                FROM customer c
                WHERE h.id = ANY (moved) AND c.id = h.lead_id
                  AND ((h.owner_id, h.claimed_at, h.escalated_at)
                      IS DISTINCT FROM (c.owner_id, c.owned_since, c.escalated_at)
                      OR c.owner_id IS NOT NULL AND h.next_on IS DISTINCT FROM c.next_on);
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION lead_sums_customers() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE leads bigint[];
        BEGIN
            -- EXECUTE plans for the rows there are (see 0033).
            EXECUTE $leads$ SELECT ARRAY(
                SELECT n.id FROM new_rows n JOIN old_rows o ON o.id = n.id
                WHERE n.opted_out <> o.opted_out ORDER BY 1) $leads$ INTO leads;
            IF leads <> '{}' THEN
                PERFORM customers_summed(leads);
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION customer_owned() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.escalated_at := NULL; NEW.asked_by_id := NULL; NEW.asked_at := NULL;
            NEW.owned_since := CASE WHEN NEW.owner_id IS NOT NULL THEN
                coalesce(nullif(NEW.owned_since, OLD.owned_since), now()) END;
            RETURN NEW;
        END $$
    """)
    op.execute(f"""
        CREATE FUNCTION customer_moves_hits() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE hit SET owner_id = NEW.owner_id, claimed_at = NEW.owned_since, next_on = NEW.next_on,
                escalated_at = NEW.escalated_at
            WHERE lead_id = NEW.id AND status IN {OPEN};
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION customers_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN DELETE FROM customer; RETURN NULL; END $$
    """)
    old, new = "REFERENCING OLD TABLE AS old_rows", "NEW TABLE AS new_rows"
    for statement in (
        f"hit_sums_customers_in AFTER INSERT ON hit REFERENCING {new} FOR EACH STATEMENT EXECUTE FUNCTION hit_sums_customers()",
        f"hit_sums_customers_on AFTER UPDATE ON hit {old} {new} FOR EACH STATEMENT EXECUTE FUNCTION hit_sums_customers()",
        f"hit_sums_customers_out AFTER DELETE ON hit {old} FOR EACH STATEMENT EXECUTE FUNCTION hit_sums_customers()",
        "customers_emptied AFTER TRUNCATE ON hit FOR EACH STATEMENT EXECUTE FUNCTION customers_emptied()",
        f"lead_sums_customers AFTER UPDATE ON lead {old} {new} FOR EACH STATEMENT EXECUTE FUNCTION lead_sums_customers()",
        "customer_owned BEFORE UPDATE ON customer FOR EACH ROW WHEN (NEW.owner_id IS DISTINCT FROM OLD.owner_id)"
        " EXECUTE FUNCTION customer_owned()",
        "customer_moves_hits AFTER UPDATE ON customer FOR EACH ROW"
        " WHEN ((NEW.owner_id, NEW.owned_since, NEW.next_on, NEW.escalated_at)"
        " IS DISTINCT FROM (OLD.owner_id, OLD.owned_since, OLD.next_on, OLD.escalated_at))"
        " EXECUTE FUNCTION customer_moves_hits()",
    ):
        op.execute(f"CREATE TRIGGER {statement}")


def _exports(kinds: str) -> None:
    op.drop_constraint("ck_export_job_kind", "export_job", type_="check")
    op.create_check_constraint("ck_export_job_kind", "export_job", f"kind IN ({kinds})")


def _words(words: dict[str, str]) -> None:
    for before, now in words.items():
        changed = sa.text("UPDATE reminder SET message = :now WHERE message = :before")
        op.execute(changed.bindparams(before=before, now=now))


def downgrade() -> None:
    _words({now: before for before, now in WORDS.items()})
    op.execute("DELETE FROM reminder WHERE kind = 'asked'")
    op.execute("DELETE FROM export_job WHERE kind = 'customers'")
    _exports("'leads', 'hits'")
    for name, table in (
        ("lead_sums_customers", "lead"), ("customers_emptied", "hit"), ("hit_sums_customers_out", "hit"),
        ("hit_sums_customers_on", "hit"), ("hit_sums_customers_in", "hit"),
    ):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    op.drop_table("work_queue")
    op.drop_table("customer")
    for name in (
        "customers_emptied()", "customer_moves_hits()", "customer_owned()", "lead_sums_customers()",
        "hit_sums_customers()", "customers_summed(bigint[])",
    ):
        op.execute(f"DROP FUNCTION {name}")

"""many hits at once are made without a look-up for each row: whoever inserts them may name the copies of the lead

The outcome of new hits is found for all of a statement together.
"""

from alembic import op

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None

FOLLOW = """
    SELECT l.source, coalesce(l.branch_id, 0), l.deleted_at IS NULL
    INTO NEW.source, NEW.branch_id, NEW.live FROM lead l WHERE l.id = NEW.lead_id;
    NEW.source := coalesce(NEW.source, ''); NEW.branch_id := coalesce(NEW.branch_id, 0);
    NEW.live := coalesce(NEW.live, false);
"""
COUNTS = """
    EXISTS (SELECT FROM rule_version v JOIN product p ON v.products = '{}' OR p.code = ANY (v.products)
            WHERE v.id = %s.version_id AND p.id = o.product_id)
"""
FIRST = """
    SELECT min(o.on_date) AS first_on FROM outcome o
    WHERE o.lead_id = %s.lead_id AND o.on_date >= %s.hit_date AND %s
"""
OUTCOME = f"NEW.outcome_on := ({FIRST % ('NEW', 'NEW', COUNTS % 'NEW')});"


def upgrade() -> None:
    # Without a value the trigger looks it up.
    op.execute("ALTER TABLE hit ALTER COLUMN live DROP DEFAULT, ALTER COLUMN converted SET DEFAULT false")
    for name in ("hit_follows_lead", "hit_is_converted"):
        op.execute(f"DROP TRIGGER {name} ON hit")
    _follow(f"{FOLLOW} IF TG_OP = 'UPDATE' THEN {OUTCOME} END IF;")
    op.execute(f"""
        CREATE FUNCTION hit_was_bought() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            -- EXECUTE plans for the rows there are (see 0033).
            EXECUTE $find$
                UPDATE hit h SET outcome_on = f.first_on
                FROM new_rows n CROSS JOIN LATERAL ({FIRST % ("n", "n", COUNTS % "n")}) f
                WHERE h.id = n.id AND f.first_on IS NOT NULL
            $find$;
            RETURN NULL;
        END $$
    """)
    for statement in (
        "hit_follows_lead BEFORE INSERT ON hit FOR EACH ROW WHEN (NEW.live IS NULL) EXECUTE FUNCTION hit_follows_lead()",
        "hit_moves_to_lead BEFORE UPDATE OF lead_id ON hit FOR EACH ROW EXECUTE FUNCTION hit_follows_lead()",
        # After hit_moves_to_lead, which finds the outcome: triggers fire by name.
        "hit_turns_converted BEFORE UPDATE OF outcome_on, hit_date, lead_id ON hit"
        " FOR EACH ROW EXECUTE FUNCTION hit_is_converted()",
        # After the sums of new hits, which this changes.
        "hit_was_bought AFTER INSERT ON hit REFERENCING NEW TABLE AS new_rows"
        " FOR EACH STATEMENT EXECUTE FUNCTION hit_was_bought()",
    ):
        op.execute(f"CREATE TRIGGER {statement}")


def downgrade() -> None:
    for name in ("hit_was_bought", "hit_turns_converted", "hit_moves_to_lead", "hit_follows_lead"):
        op.execute(f"DROP TRIGGER {name} ON hit")
    op.execute("DROP FUNCTION hit_was_bought")
    _follow(FOLLOW + OUTCOME)
    for statement in (
        "hit_follows_lead BEFORE INSERT OR UPDATE OF lead_id ON hit FOR EACH ROW EXECUTE FUNCTION hit_follows_lead()",
        "hit_is_converted BEFORE INSERT OR UPDATE OF outcome_on, hit_date ON hit"
        " FOR EACH ROW EXECUTE FUNCTION hit_is_converted()",
    ):
        op.execute(f"CREATE TRIGGER {statement}")
    op.execute("ALTER TABLE hit ALTER COLUMN live SET DEFAULT true, ALTER COLUMN converted DROP DEFAULT")


def _follow(body: str) -> None:
    op.execute(f"""
        CREATE OR REPLACE FUNCTION hit_follows_lead() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {body} RETURN NEW; END $$
    """)

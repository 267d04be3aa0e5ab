"""new hits are added to what their customers sum up, instead of summing all hits of these customers again"""

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

OPEN = "('waiting', 'in_progress')"
WORKABLE = f"h.live AND h.status IN {OPEN} AND NOT (h.opted_out OR h.holdout OR h.converted IS TRUE OR l.opted_out)"
#: the hits that can be worked come first, then open ones, then the rest
RANK = f"CASE WHEN {WORKABLE} THEN 2 WHEN h.status IN {OPEN} THEN 1 ELSE 0 END"
NEWEST = f"ORDER BY {RANK} DESC, h.hit_date DESC, h.score DESC, h.id DESC"
#: looked up: a join reads all leads for the few that have new hits
LEAD = "CROSS JOIN LATERAL (SELECT opted_out FROM lead WHERE id = h.lead_id OFFSET 0) l"
#: the place of a word among those that outrank each other, the least first
STATE = "array_position(ARRAY['done', 'blocked', 'open'], {}.state::text)"
STATUS = "array_position(ARRAY['failed', 'converted', 'waiting', 'in_progress'], {}.status::text)"
IS_NEWER = f"""(c.hits = 0 OR ({STATE.format("n")}, n.hit_date, n.score, n.hit_id)
    > ({STATE.format("c")}, c.hit_date, c.score, c.hit_id))"""
ADD = f"""
                INSERT INTO customer AS c (id, state, status, grade, score, hit_date, hit_id, hits, open_hits, source,
                    branch_id, live)
                SELECT h.lead_id,
                    CASE max({RANK}) WHEN 2 THEN 'open' WHEN 1 THEN 'blocked' ELSE 'done' END,
                    CASE WHEN bool_or(h.status = 'in_progress') THEN 'in_progress'
                         WHEN bool_or(h.status = 'waiting') THEN 'waiting'
                         WHEN bool_or(h.status = 'converted') THEN 'converted' ELSE 'failed' END,
                    (array_agg(h.grade ORDER BY {RANK} DESC, h.grade))[1], (array_agg(h.score {NEWEST}))[1],
                    (array_agg(h.hit_date {NEWEST}))[1], (array_agg(h.id {NEWEST}))[1],
                    count(*), count(*) FILTER (WHERE h.status IN {OPEN}),
                    max(h.source), max(h.branch_id), bool_or(h.live)
                FROM new_rows h {LEAD}
                GROUP BY h.lead_id ORDER BY h.lead_id
                ON CONFLICT (id) DO UPDATE SET (state, status, grade, score, hit_date, hit_id, hits, open_hits, source,
                    branch_id, live) = (
                    SELECT CASE WHEN {STATE.format("n")} > {STATE.format("c")} THEN n.state ELSE c.state END,
                        CASE WHEN c.hits = 0 OR {STATUS.format("n")} > {STATUS.format("c")} THEN n.status ELSE c.status END,
                        CASE WHEN c.hits = 0 OR {STATE.format("n")} > {STATE.format("c")} THEN n.grade
                             WHEN {STATE.format("n")} = {STATE.format("c")} THEN least(n.grade, c.grade) ELSE c.grade END,
                        CASE WHEN {IS_NEWER} THEN n.score ELSE c.score END,
                        CASE WHEN {IS_NEWER} THEN n.hit_date ELSE c.hit_date END,
                        CASE WHEN {IS_NEWER} THEN n.hit_id ELSE c.hit_id END,
                        c.hits + n.hits, c.open_hits + n.open_hits, n.source, n.branch_id, n.live
                    FROM (SELECT excluded.*) n)
"""
#: function → (parts of its text before, and now)
CHANGES = {
    "customers_summed(bigint[])": [("JOIN lead l ON l.id = h.lead_id", LEAD)],
    "hit_sums_customers()": [
        (
            "leads := ARRAY(SELECT DISTINCT lead_id FROM new_rows ORDER BY 1);\n"
            "                INSERT INTO customer (id) SELECT unnest(leads) ON CONFLICT DO NOTHING;",
            # EXECUTE plans for the rows there are (see 0033).
            f"EXECUTE $sum${ADD}$sum$;",
        )
    ],
}


def upgrade() -> None:
    for name, parts in CHANGES.items():
        _replace(name, parts)


def _replace(name: str, parts: list[tuple[str, str]]) -> None:
    """Replace parts of a function's text, each of which it has."""
    text = op.get_bind().scalar(sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": name})
    for before, now in parts:
        assert before in text, (name, before)
        text = text.replace(before, now)
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    for name, parts in CHANGES.items():
        _replace(name, [(now, before) for before, now in parts])

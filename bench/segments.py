"""Segments and the matrix with 5 million leads: requests for live count, mix and quadrants.

``python bench/segments.py [LEADS]`` (default 5,000,000), on the data set of ``bench/lists.py``, to which it
adds once: tags on a tenth of the leads, half a million hits, and a month of calls of a fifth of the leads.
"""

from __future__ import annotations

import datetime as dt
import statistics
import sys
from typing import Any

import duckdb
from flask import Flask
from sqlalchemy import func, select, text

from app.activity import store
from app.extensions import db
from app.leads.cube import activity_root, prepare, window
from app.models import Hit, LeadTag, Segment
from app.t1.deliveries import ingest_logs
from bench._common import product
from bench.lists import DATA, alone, client, fill
from config import Settings

DAYS = 30
REQUESTS = 3
#: definition of a segment and its name
SEGMENTS: dict[str, dict[str, Any]] = {
    "all leads": {},
    "two sources, active": {"sources": ["官网预约", "抖音推广"], "statuses": ["active"]},
    "one branch": {"branches": [7]},
    "a tag": {"tags": [1]},
    "hit of 30 days, A or B": {"hits": {"grades": ["A", "B"], "days": 30}},
    "calls ≥ 2 in 7 days": {"activity": {"metric": "calls", "at_least": 2, "window_days": 7}},
    "institutions ≥ 1 in 30 days": {"activity": {"metric": "institutions", "at_least": 1, "window_days": 30}},
}
MATRICES = {
    "hits × institutions (default)": "",
    "best score × days known": "?x=best_score&y=days_known",
    "calls × active days": "?x=calls&y=active_days",
    "calls ≥ 3 × hits ≥ 1": "?x=calls&x_at=3&y=hits&y_at=1",
}
_TAGS = """
    INSERT INTO tag (id, code, name, colour, created_by)
    VALUES (1, 'focus', '重点', 'red', 'bench'), (2, 'wealth', '理财', 'blue', 'bench');
    INSERT INTO lead_tag (lead_id, tag_id) SELECT id, 1 + id / 10 % 2 FROM lead WHERE id % 10 = 1;
"""
_HITS = """
    WITH r AS (INSERT INTO rule (code, name, status) VALUES ('R-BENCH', '活跃', 'active') RETURNING id),
    v AS (INSERT INTO rule_version (rule_id, number, name, status, weights, grade_bands, created_by)
          SELECT id, 1, '活跃', 'active', '{}', '{}', 'bench' FROM r RETURNING id, rule_id)
    INSERT INTO hit (rule_id, version_id, lead_id, hit_date, "values", score, grade, evidence, last_met_on,
                     made_on)
    SELECT v.rule_id, v.id, lead.id, current_date - (lead.id / 10 % 90)::int, '{3}', lead.id % 20,
           substr('ABCD', 1 + (lead.id / 10 % 4)::int, 1), '{}', current_date,
           current_date
    FROM v, lead WHERE lead.id % 10 = 0 AND lead.deleted_at IS NULL;
"""
# The hashes of bench/lists.py share their first half, by which the cube tells people apart.
_PEOPLE = """
    UPDATE lead SET id_hash = md5(id::text) || md5(id::text)
    WHERE id % 5 = 0 AND id_hash LIKE '00000000000000000000000000000000%';
"""
_CALLS = """
    COPY (SELECT 'bench-' || n AS request_id, CAST(? AS DATE) + to_days(CAST(n % 30 AS INTEGER))
                 + to_seconds(n * 7919 % 86400) AS event_time,
                 ['face_verify', 'id_ocr', 'data_call'][1 + n % 3] AS event_type,
                 'I-' || n * 31 % 300 AS institution_code, md5(id) || md5(id) AS id_hash, 'success' AS result
          FROM (SELECT n, CAST(5 * (1 + n * 2654435761 % ?) AS VARCHAR) AS id FROM range(?) AS t (n)))
    TO '{file}' (FORMAT parquet)
"""


def main() -> None:
    """Create missing data, then print times."""
    leads = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    with product(DATA) as (app, settings):
        fill(leads)
        add_data(settings, leads)
        print(f"{'request':52} {'median':>9} {'max':>9}")
        for name, definition in SEGMENTS.items():
            segment = stored(name, definition)
            show(app, f"segment {name}: picture", f"/segmentview/show/{segment}")
            show(app, f"segment {name}: list", f"/leadview/list/?_flt_0_segment={segment}")
        for name, query in MATRICES.items():
            show(app, f"matrix {name}", f"/matrixview/list/{query}")


def add_data(settings: Settings, leads: int) -> None:
    """Create tags, hits and calls, if missing."""
    for model, statements in ((LeadTag, _TAGS), (Hit, _HITS)):
        if not db.session.scalar(select(func.count()).select_from(select(model.lead_id).limit(1).subquery())):
            db.session.execute(text(statements.replace("::", "\\:\\:")))
            db.session.commit()
    yesterday = dt.datetime.now(settings.zone).date() - dt.timedelta(days=1)
    if yesterday not in store.snapshot(activity_root(settings)).days:
        db.session.execute(text(_PEOPLE.replace("::", "\\:\\:")))
        db.session.commit()
        file = settings.data_dir / "bench-calls.parquet"
        first = yesterday - dt.timedelta(days=DAYS - 1)
        with duckdb.connect() as engine:
            engine.execute(_CALLS.format(file=file), [first, leads // 5, leads // 2])
        ingest_logs(settings, [file])
        file.unlink()
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
            plain.execute(text("VACUUM ANALYZE lead"))
            plain.execute(text("VACUUM ANALYZE hit"))
    prepare(settings, window(yesterday, DAYS))


def stored(name: str, definition: dict[str, Any]) -> int:
    """Return the id of a segment by name, creating it if missing."""
    segment = db.session.scalar(select(Segment).where(Segment.name == name))
    if segment is None:
        segment = Segment(name=name, definition=definition, shared=True, owner="bench-manager")
        db.session.add(segment)
        db.session.commit()
    return segment.id


def show(app: Flask, name: str, path: str) -> None:
    """Print the median and maximum of a request."""
    times = alone(client(app, "bench-manager"), path, REQUESTS)
    print(f"{name:52} {statistics.median(times):6.0f} ms {max(times):6.0f} ms", flush=True)


if __name__ == "__main__":
    main()

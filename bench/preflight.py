"""The check of a large batch with two templates, compared with checking its hits one by one.

``python bench/preflight.py [CANDIDATES]`` (default 100,000) on the data set of ``bench/dashboard.py``.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys
import time

from sqlalchemy import select, text

from app.extensions import db
from app.models import Hit, Lead, OutreachBatch, OutreachTemplate, OutreachTemplateVersion, Staff
from app.outreach import batches, candidates, compliance, preflight
from app.outreach.variants import SecondText
from bench import dashboard, lists
from bench._common import product

#: hits that are checked one by one; the time of all is scaled from them
ALONE = 500
BODIES = ("尊敬的{surname}先生/女士，{branch}邀您了解新额度。", "{name}，新额度已为您准备。" + "好" * 60)


def main() -> None:
    """Create missing data, then print seconds, rows per second, the longest pause and the ratio."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with product(dashboard.DATA):
        lists.fill(dashboard.LEADS)
        dashboard.fill(10 * count)
        boss = db.session.scalars(select(Staff).where(Staff.username == "bench-manager")).one()
        measure(boss, count)


def measure(boss: Staff, count: int) -> None:
    """Check a batch of ``count`` candidates, and some of them one by one."""
    first, second = (_version(name, body) for name, body in zip("甲乙", BODIES, strict=True))
    waiting = select(Hit.id).where(Hit.status == "waiting").order_by(Hit.id).limit(count)
    batch = batches.of_hits(first, list(db.session.scalars(waiting)), boss, SecondText(second, 30))
    reports = [time.perf_counter()]
    report = preflight._report

    def watched(batch_id: int, done: int) -> None:
        reports.append(time.perf_counter())
        report(batch_id, done)

    preflight._report = watched
    preflight.run(batch.id)
    reports.append(time.perf_counter())
    seconds = reports[-1] - reports[0]
    silence = max(after - before for before, after in itertools.pairwise(reports))
    rows = sum(candidates.by_status(batch).values())
    alone = one_by_one(batch) / ALONE * rows
    print(f"{rows:,} candidates in {seconds:.1f} s ({rows / seconds:,.0f}/s), {batch.planned['texts']}")
    print(f"{len(reports)} reports, the longest silence {silence:.1f} s")
    print(f"one by one {alone:.0f} s: {alone / seconds:.1f}×")
    db.session.execute(text("DELETE FROM outreach_batch WHERE id = :id"), {"id": batch.id})
    db.session.commit()


def _version(name: str, body: str) -> OutreachTemplateVersion:
    template = db.session.scalar(select(OutreachTemplate).where(OutreachTemplate.name == name))
    if template is None:
        version = OutreachTemplateVersion(number=1, body=body, created_by="bench")
        template = OutreachTemplate(channel="sms", name=name, created_by="bench", versions=[version])
        db.session.add(template)
        db.session.commit()
    return template.versions[0]


def one_by_one(batch: OutreachBatch) -> float:
    """Return the seconds to check some hits one by one, without writing."""
    terms = preflight.terms_of(batch, dt.datetime.now(dt.UTC))
    started = time.perf_counter()
    for hit, _person in candidates.selected_hits(batch)[:ALONE]:
        query = select(compliance.reasons(terms)).select_from(Hit).join(Lead, Lead.id == Hit.lead_id)
        db.session.execute(query.where(Hit.id == hit)).one()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

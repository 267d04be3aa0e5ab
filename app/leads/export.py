"""Masked exports of leads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.models import Lead

HEADER = ("线索编号", "客户姓名", "联系电话", "来源渠道", "状态", "所属机构", "创建时间")


def export_leads(leads: Iterable[Lead]) -> Iterator[tuple[str, ...]]:
    """A header and a row of text for each lead, phones masked."""
    yield HEADER
    for lead in leads:
        yield (
            lead.lead_no,
            lead.name,
            lead.phone_masked,
            lead.source,
            lead.status,
            lead.branch.name if lead.branch else "",
            lead.created_at.isoformat(timespec="seconds"),
        )

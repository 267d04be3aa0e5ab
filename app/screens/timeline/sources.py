"""The kinds of entries of a time line. Another one is a function that reads its entries, and a line here."""

from __future__ import annotations

from flask_babel import lazy_gettext

from app.screens.timeline import activity, facts, hits, outcomes, records
from app.screens.timeline.entries import Source

SOURCES = (
    Source("imports", lazy_gettext("Imports"), records.imports),
    Source("facts", lazy_gettext("Facts"), facts.facts),
    Source("activity", lazy_gettext("Activity"), activity.activity, dense=True, since=activity.since),
    Source("hits", lazy_gettext("Hits"), hits.hits, ("can_list", "HitView")),
    Source("outcomes", lazy_gettext("Outcomes"), outcomes.outcomes, ("can_list", "OutcomeView")),
    Source("work", lazy_gettext("Follow-up"), hits.work, ("can_list", "HitView")),
    Source("contacts", lazy_gettext("Contacts"), hits.contacts, ("can_list", "OutreachView")),
    Source("do_not_disturb", lazy_gettext("Do not disturb"), records.do_not_disturb),
    Source("reveals", lazy_gettext("Phone number views"), records.reveals, ("can_list", "RevealView")),
    Source("edits", lazy_gettext("Changes by hand"), records.edits, ("can_list", "ChangeLogView")),
)

"""The kinds of the configuration file, in the order in which they are applied and exported."""

from typing import Any

from app.rulesfile.branches import BRANCHES
from app.rulesfile.facts import FACTS
from app.rulesfile.holidays import HOLIDAYS
from app.rulesfile.institutions import INSTITUTIONS
from app.rulesfile.journeys import JOURNEYS
from app.rulesfile.kind import Kind
from app.rulesfile.outreach import OUTREACH
from app.rulesfile.products import PRODUCTS
from app.rulesfile.rules import RULES
from app.rulesfile.schedules import SCHEDULES
from app.rulesfile.segments import SEGMENTS
from app.rulesfile.strategy_tables import STRATEGY_TABLES
from app.rulesfile.tags import TAGS
from app.rulesfile.templates import TEMPLATES

KINDS: tuple[Kind[Any], ...] = (
    BRANCHES,
    HOLIDAYS,
    TAGS,
    INSTITUTIONS,
    FACTS,
    SEGMENTS,
    PRODUCTS,
    OUTREACH,
    TEMPLATES,
    RULES,
    SCHEDULES,
    STRATEGY_TABLES,
    JOURNEYS,
)

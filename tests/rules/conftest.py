"""The random banks' leads."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.rules.brute import make_leads


@pytest.fixture
def leads(session: Session) -> None:
    """Leads with branches, tags and a shared segment, as tests/rules/brute.py knows them."""
    make_leads(session)

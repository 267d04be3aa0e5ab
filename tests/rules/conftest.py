"""Fixtures for property tests of rules."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.rules.brute import make_leads


@pytest.fixture
def leads(session: Session) -> None:
    """Store the leads, branches, tags and shared segment that tests/rules/brute.py expects."""
    make_leads(session)

"""Fixtures of the tests of approvals."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Person


@pytest.fixture
def person(login: Callable[..., Person]) -> Callable[..., Person]:
    """Log in an administrator, or somebody of another role, who reads Chinese."""

    def find(name: str, role: str = "Admin") -> Person:
        return login(role, username=name, language="zh")

    return find

"""Modules that are imported when they are first used, so that a process carries what it needs only."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class _Lazy:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


def lazy(name: str) -> Any:
    """Stand for a module that is imported at the first look at one of its attributes.

    For modules that take tens of megabytes. Import the module under ``TYPE_CHECKING`` beside it, so that
    types and layers are checked as ever.
    """
    return _Lazy(name)

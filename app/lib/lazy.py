"""Lazy imports: a module is loaded on first use, so that each process loads only what it needs."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class _Lazy:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


def lazy(name: str) -> Any:
    """Return a proxy that imports a module when one of its attributes is first accessed.

    Use it for modules that take tens of megabytes, and import the module under ``TYPE_CHECKING`` as well, so
    that types and layers are still checked.
    """
    return _Lazy(name)

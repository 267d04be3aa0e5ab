"""Channels: the ways in which a push reaches people and systems, one module each.

Every module of this package with a ``CHANNEL`` is a channel and needs no other registration.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from app.channels.base import Channel
from app.errors import DomainError


def channels() -> dict[str, Channel]:
    """Return all channels by kind."""
    return _load(tuple(__path__))


@cache
def _load(folders: tuple[str, ...]) -> dict[str, Channel]:
    modules = (
        getattr(import_module(f"{__name__}.{module.name}"), "CHANNEL", None)
        for module in pkgutil.iter_modules(folders)
    )
    return {channel.kind: channel for channel in modules if channel is not None}


def channel(kind: str) -> Channel:
    """Return the channel of a kind. Raises DomainError when there is none."""
    known = channels()
    if kind not in known:
        raise DomainError(
            "There is no channel of the kind %(kind)s; there are: %(kinds)s.",
            kind=kind,
            kinds=", ".join(sorted(known)),
        )
    return known[kind]

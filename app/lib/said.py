"""The column type of stored messages."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from app.errors import Said


class SaidType(TypeDecorator[Said]):
    """A message stored as JSON ``{message, values}`` and translated when it is shown."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Said | None, dialect: Dialect) -> dict[str, Any] | None:
        """Return the JSON to store for a message."""
        return None if value is None else value.as_json()

    def process_result_value(self, value: Any, dialect: Dialect) -> Said | None:
        """Return the stored message."""
        return None if value is None else Said.of_json(value)

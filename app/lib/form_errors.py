"""Messages for what a model says about a form that was filled in wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import DomainError

#: by pydantic's kind of error
KINDS: Mapping[str, DomainError] = {
    "missing": DomainError("This field must not be empty."),
    "string_too_short": DomainError("This field must not be empty."),
    "string_too_long": DomainError("At most %(max_length)s characters.", max_length=0),
    "string_pattern_mismatch": DomainError("Use letters, digits, dots, dashes and underscores."),
    "int_type": DomainError("Enter a whole number."),
    "int_from_float": DomainError("Enter a whole number."),
    "float_type": DomainError("Enter a number."),
    "finite_number": DomainError("Enter a number."),
    "greater_than_equal": DomainError("At least %(ge)s.", ge=0),
    "greater_than": DomainError("More than %(gt)s.", gt=0),
    "less_than_equal": DomainError("At most %(le)s.", le=0),
    "too_short": DomainError("Choose at least one."),
    "too_long": DomainError("At most %(max_length)s.", max_length=0),
    "twice": DomainError("The same value appears twice."),
}
UNUSABLE = DomainError("This value can't be used here.")


def said(detail: Any, own: Mapping[str, DomainError] | None = None) -> DomainError:
    """Return the message for an error of pydantic; ``own`` are a form's own messages by kind."""
    known = {**KINDS, **(own or {})}.get(detail["type"], UNUSABLE)
    context = detail.get("ctx") or {}
    return DomainError(known.message, **{name: context.get(name, "") for name in known.values})

"""The errors of the activity package."""

from typing import Any


class ActivityError(Exception):
    """An operation on the activity store was refused.

    ``message`` is a msgid with placeholders for ``values``.
    """

    def __init__(self, message: str, **values: Any) -> None:
        self.message, self.values = message, values
        super().__init__(message % values if values else message)


class RefusedFile(ActivityError):
    """A delivered file is refused as a whole: truncated, of another kind than its name, or unreadable."""

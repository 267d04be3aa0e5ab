"""The errors of the activity package; their text names what a person has to look at."""

from typing import Any


class ActivityError(Exception):
    """Work on the activity store was refused. ``message`` is a msgid with places for ``values``."""

    def __init__(self, message: str, **values: Any) -> None:
        self.message, self.values = message, values
        super().__init__(message % values if values else message)


class RefusedFile(ActivityError):
    """A delivered file is refused whole: cut off, not what its name says, or not readable at all."""

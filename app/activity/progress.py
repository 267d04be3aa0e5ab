"""Progress of long operations on the activity store."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The progress of a step: "read" counts bytes as delivered, "merge" and "leads" count dates."""

    step: str
    done: int
    total: int


def silent(_: Progress) -> None:
    """Ignore the progress."""

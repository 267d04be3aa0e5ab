"""How far a long piece of work has come."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` of a step: "read" counts bytes as delivered, "merge" and "leads" count dates."""

    step: str
    done: int
    total: int


def silent(_: Progress) -> None:
    """Reports to nobody."""

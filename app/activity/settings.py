"""How much of the machine the analytical engine may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineSettings:
    """How much of the machine a query may use; `threads` None means one per core."""

    name: str = "duckdb"
    memory_limit: str = "2GB"
    threads: int | None = None

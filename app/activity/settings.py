"""Settings of the analytical engine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineSettings:
    """The resources that a query may use; `threads` None means one per core."""

    name: str = "duckdb"
    memory_limit: str = "2GB"
    threads: int | None = None

"""Settings of the analytical engine."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

EngineName: TypeAlias = Literal["duckdb", "spark"]


@dataclass(frozen=True)
class EngineSettings:
    """What answers questions about the lead activity, and the resources that DuckDB may use.

    ``threads`` None means one per core. ``spark_master`` is the master URL of the engine spark.
    """

    name: EngineName = "duckdb"
    memory_limit: str = "2GB"
    threads: int | None = None
    spark_master: str = ""

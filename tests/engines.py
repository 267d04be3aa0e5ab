"""The engines that must give the same results. Those that run on Spark are `make test-spark`'s."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.activity.settings import EngineSettings

SPARK_MASTER = "local-cluster[2,1,1024]"
ENGINES = {"duckdb": EngineSettings(), "spark": EngineSettings("spark", spark_master=SPARK_MASTER)}
on_spark = pytest.mark.spark
#: the names of all engines, as parameters of a test
EACH_ENGINE = ("duckdb", pytest.param("spark", marks=on_spark))

os.environ.setdefault("SPARK_CONF_DIR", str(Path(__file__).parent / "spark_conf"))
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

"""Fixtures of the tests of outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.leads.support import HEADER, person, write_csv

CONFIG = """\
products:
- {code: LOAN-C, name: 消费贷, line: loan, margin_rate: 0.05}
- {code: DEP, name: 存款, line: deposit}
rules:
- {code: R-1, name: 一, conditions: [{metric: calls, op: '>=', value: 1, window_days: 7}]}
- code: R-LOAN
  name: 贷
  products: [LOAN-C]
  conditions: [{metric: calls, op: '>=', value: 1, window_days: 7}]
"""
COLUMNS = ("outcome_id", "lead_no", "product", "date", "amount")


class Bank:
    """The commands on a bank with two products, two rules, and five leads L1000 … L1004."""

    def __init__(self, cli: Callable[..., Any], folder: Path) -> None:
        self.cli, self.folder = cli, folder
        config = folder / "config.yaml"
        config.write_text(CONFIG, "utf-8")
        leads = write_csv(folder / "leads.csv", [HEADER, *(person(serial) for serial in range(5))])
        assert cli("config", "apply", config).exit_code == 0
        assert cli("leads", "import", leads).exit_code == 0

    def file(self, path: Path) -> dict[str, Any]:
        """Import a file of outcomes. Return what the command says."""
        done = self.cli("outcomes", "import", path, "--json")
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    def rows(self, *rows: Sequence[Any], header: Sequence[str] = COLUMNS) -> dict[str, Any]:
        """Import rows of outcomes."""
        return self.file(write_csv(self.folder / "outcomes.csv", [header, *rows]))


@pytest.fixture
def bank(cli: Callable[..., Any], tmp_path: Path) -> Bank:
    return Bank(cli, tmp_path)

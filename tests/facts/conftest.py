"""A bank whose facts the tests import."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import clock
from tests.leads.support import HEADER, person, write_csv

FACTS = """\
facts:
- {code: aum, name: 金融资产, name_en: assets, kind: money, unit: 元}
- {code: tier, name: 客户等级, kind: choice, choices: [普通, 金卡]}
- {code: due, name: 到期日, kind: date}
- {code: payroll, name: 代发客户, kind: flag}
- {code: age, name: 年龄, kind: number}
- {code: note, name: 备注信息, kind: text}
"""
TODAY = clock.today()


def ago(days: int) -> str:
    return (TODAY - dt.timedelta(days=days)).isoformat()


class Bank:
    """The commands on a bank with five leads and six facts."""

    def __init__(self, cli: Callable[..., Any], folder: Path) -> None:
        self.cli, self.folder = cli, folder
        facts, leads = folder / "facts.yaml", folder / "leads.csv"
        facts.write_text(FACTS, "utf-8")
        write_csv(leads, [HEADER, *(person(serial) for serial in range(5))])
        assert cli("config", "apply", facts).exit_code == 0
        assert cli("leads", "import", leads).exit_code == 0

    def file(self, path: Path, *options: Any) -> dict[str, Any]:
        done = self.cli("facts", "import", path, *options, "--json")
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    def rows(
        self, header: Sequence[str], *rows: Sequence[str], options: Sequence[Any] = ()
    ) -> dict[str, Any]:
        return self.file(write_csv(self.folder / "facts.csv", [header, *rows]), *options)

    def show(self, lead_no: str, *options: Any) -> dict[str, Any]:
        shown = self.cli("facts", "show", lead_no, *options, "--json")
        assert shown.exit_code == 0, shown.output
        return dict(json.loads(shown.stdout)["facts"])


@pytest.fixture
def bank(cli: Callable[..., Any], tmp_path: Path) -> Bank:
    return Bank(cli, tmp_path)

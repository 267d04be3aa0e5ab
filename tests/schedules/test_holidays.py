"""The bank's own holidays: entered by hand, imported from a file, and their effect on plans."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from openpyxl import Workbook
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.models import Holiday
from tests import clock
from tests.conftest import Person

#: The public holidays of a year chinesecalendar does not know, thirteen days, and a working Saturday.
YEAR = [f"2031-01-{day:02d},放假,长假,通知" for day in range(1, 14)] + ["2031/1/18,补班,长假,"]


@pytest.fixture
def manager(login: Callable[..., Person]) -> Person:
    return login("Manager")


def upload(client: Person, content: bytes, name: str = "2031.csv") -> Any:
    return client.submit("/holidayview/upload", {"file": (io.BytesIO(content), name)}, follow_redirects=True)


def stored(engine: Engine) -> dict[str, str]:
    with Session(engine) as session:
        return {str(row.date): row.kind for row in session.scalars(select(Holiday))}


def planned(cli: Callable[..., Any], date: str, days: int = 1) -> tuple[list[str | None], str]:
    """Return pushes and warnings of the cold start's daily schedule, silent at weekends and on holidays."""
    answer = cli("push", "plan", "S-DAILY", "--date", date, "--days", days, "--json")
    assert answer.exit_code == 0, answer.stderr
    return [push["at"] for push in json.loads(answer.stdout)["pushes"]], answer.stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_year_is_imported_and_planned_by(
    manager: Person, engine: Engine, cli: Callable[..., Any], encoding: str
) -> None:
    assert cli("coldstart").exit_code == 0
    before, warning = planned(cli, "2031-01-01", 3)
    assert before == ["2031-01-01T09:00:00+08:00", "2031-01-02T09:00:00+08:00", "2031-01-03T09:00:00+08:00"]
    assert "2031" in warning
    content = "\n".join(["日期,类型,名称,来源", *YEAR]).encode(encoding)
    assert "14 dates added, 0 changed, 0 unchanged" in upload(manager, content).text
    assert planned(cli, "2031-01-01", 3) == ([None] * 3, "")
    assert planned(cli, "2031-01-18")[0] == ["2031-01-18T09:00:00+08:00"]
    again = content.decode(encoding).replace("长假,通知", "元旦,通知", 1).encode(encoding)
    assert "0 dates added, 1 changed, 13 unchanged" in upload(manager, again).text
    assert len(stored(engine)) == 14


def test_an_excel_file_with_real_dates(manager: Person, engine: Engine) -> None:
    book, content = Workbook(), io.BytesIO()
    book.active.append(["date", "type", "name"])
    book.active.append([dt.date(2031, 5, 1), "休", "劳动节"])
    book.save(content)
    assert upload(manager, content.getvalue(), "2031.xlsx").status_code == 200
    assert stored(engine) == {"2031-05-01": "holiday"}


def test_wrong_rows_are_named_and_nothing_is_stored(manager: Person, engine: Engine) -> None:
    rows = [
        "2031-01-01,放假,元旦",
        "2031-02-30,放假,x",
        "2031-01-02,也许,x",
        "2031-01-01,补班,x",
        "2031-01-05,放假,",
    ]
    page = upload(manager, "\n".join(["日期,类型,名称", *rows]).encode()).text
    assert "4 rows can&#39;t be taken; nothing was stored." in page
    for said in (
        "Row 3: “2031-02-30” is not a date",
        "Row 4: “也许” is neither a day off",
        "Row 5: 2031-01-01 already appears in row 2",
        "Row 6: the name must have 1 to 64 characters",
    ):
        assert said in page
    assert "no column for 名称" in upload(manager, "日期,类型\n2031-01-01,放假\n".encode()).text
    assert "is not an Excel or CSV file" in upload(manager, b"x", "a.pdf").text
    assert stored(engine) == {}


def test_the_screen_warns_of_a_year_nobody_knows_and_refuses_slips(
    login: Callable[..., Person], engine: Engine
) -> None:
    manager, year = login("Manager"), clock.today().year + 1
    warning = re.search("The public holidays of (.*?) are not known", manager.get("/holidayview/list/").text)
    assert warning is not None
    assert str(year) in warning[1]
    add = {"date": f"{year}-01-01", "kind": "holiday", "name": "元旦"}
    assert manager.submit("/holidayview/add", add).status_code == 302
    assert "must be unique" in manager.submit("/holidayview/add", add).text
    assert "must be between" in manager.submit("/holidayview/add", add | {"date": "0207-01-02"}).text
    assert stored(engine) == {f"{year}-01-01": "holiday"}

"""A list that is added in parts while it is read becomes what it would become at once."""

from __future__ import annotations

import random
from typing import Any

import pytest

from app.leads import staging
from app.leads.errors import ImportCancelled
from tests.leads.support import HEADER, Importer, person, write_csv

LIST = """
    SELECT lead.lead_no, lead.name, lead.id_hash, lead.source, branch.code
    FROM lead LEFT JOIN branch ON branch.id = lead.branch_id ORDER BY lead.id_hash
"""
WIPE = "TRUNCATE lead, branch, import_batch RESTART IDENTITY CASCADE"


def rows_of(chance: random.Random) -> list[list[str]]:
    """Return rows of which some repeat a person or a number, have no number, or name a new branch."""
    return [
        person(
            chance.randrange(40),
            name=f"李{at}",
            lead_no=chance.choice(
                ["", f"L{chance.randrange(30)}", f"K{chance.randrange(30)}", f"L{at + 500}"]
            ),
            branch=chance.choice(["", "HZ-XIHU", f"新{chance.randrange(4)}"]),
        )
        for at in range(30)
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("numbers", [True, False])
def test_in_parts_as_at_once(
    importer: Importer, monkeypatch: pytest.MonkeyPatch, seed: int, *, numbers: bool
) -> None:
    chance = random.Random(seed)
    known, rows = rows_of(chance)[:5], rows_of(chance)
    header = HEADER if numbers else HEADER[1:]
    path = write_csv(importer.folder / "a.csv", [header, *(row[-len(header) :] for row in rows)])
    found = []
    for most in (1000, 3):
        importer.execute(WIPE)
        importer.execute("SELECT setval('lead_no_seq', 1, false)")
        importer.rows(*known)
        monkeypatch.setattr(staging, "PART_ROWS", most)
        result = importer.file(path)
        monkeypatch.undo()
        counts: dict[str, Any] = {**vars(result), "batch": None, "error_file": None, "remarks": None}
        found.append((counts, importer.query(LIST)))
    assert found[0] == found[1]


@pytest.mark.parametrize("at", ["read", "written"])
def test_what_fails_after_a_part_leaves_nothing(
    importer: Importer, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    monkeypatch.setattr(staging, "PART_ROWS", 2)
    copy = staging._copy

    def fail(*given: Any) -> None:
        raise ImportCancelled

    def fail_at_the_third(connection: Any, rows: list[Any]) -> None:
        fail() if rows and rows[0].row == 6 else copy(connection, rows)

    if at == "written":
        monkeypatch.setattr(staging, "_copy", fail_at_the_third)
    with pytest.raises(ImportCancelled):
        importer.rows(*map(person, range(9)), progress=fail if at == "read" else lambda done, total: None)
    assert importer.query("SELECT count(*) FROM lead") == [0]
    assert importer.query("SELECT status FROM import_batch") == ["cancelled"]

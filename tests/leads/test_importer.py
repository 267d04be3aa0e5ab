"""Import of the rows of a lead file."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from app.leads.batches import fail_abandoned, open_batch
from app.leads.errors import LeadsError, UnreadableFile
from app.leads.identity import IdHasher
from app.leads.importer import ImportResult
from app.leads.phone import PhoneVault
from tests.leads.support import (
    FAULTS,
    HEADER,
    SAMPLE,
    Importer,
    error_table,
    id_number,
    person,
    write_csv,
    write_xlsx,
)

EXPECTED = json.loads((SAMPLE / "expected.json").read_text(encoding="utf-8"))
LEADS = "SELECT lead_no FROM lead WHERE deleted_at IS NULL ORDER BY id"


def error_rows(result: ImportResult) -> list[dict[str, str]]:
    header, *rows = error_table(result)
    return [dict(zip(header, row, strict=True)) for row in rows]


def reasons(result: ImportResult) -> list[str]:
    return [row["原因代码 reason"] for row in error_rows(result)]


@pytest.mark.parametrize("file", ["leads.xlsx", "leads_gb18030.csv"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_sample(importer: Importer, file: str, dry_run: bool) -> None:
    result = importer.file(SAMPLE / file, dry_run=dry_run)
    expected = dict(EXPECTED["leads"])
    assert result.read == EXPECTED["lead_rows"]
    assert result.created == expected.pop("created")
    assert result.rejected == expected
    assert importer.query("SELECT count(*) FROM lead") == [0 if dry_run else 980]


def test_json_has_exactly_the_keys_of_the_contract(importer: Importer) -> None:
    result = importer.rows(person(1), person(2, name=""))
    assert result.as_json() == {
        "batch": 1,
        "read": 2,
        "created": 1,
        "updated": 0,
        "existing": 0,
        "rejected": {"missing_name": 1},
        "error_file": str(importer.settings.data_dir / "exports/import-errors/1.csv"),
    }
    assert json.loads(json.dumps(result.as_json())) == result.as_json()


def test_what_is_stored_of_a_lead(importer: Importer) -> None:
    importer.rows(person(1, phone="+86 138 0000 0001", name=" 王\u200b五 ", branch="新网点"))
    settings = importer.settings
    vault = PhoneVault(settings.pii_key)
    columns = "lead_no, name, id_hash, phone_index, phone_masked, source, status, opted_out, batch_id"
    id_hash = IdHasher(settings.id_hash_algorithm, settings.id_hash_key).hash(id_number(1))
    assert importer.query(f"SELECT {columns} FROM lead") == [
        ("L1001", "王五", id_hash, vault.index("13800000001"), "138****0001", "抖音推广", "active", False, 1)
    ]
    (cipher,) = importer.query("SELECT phone_cipher FROM lead")
    assert vault.decrypt(bytes(cipher)) == "13800000001"


def test_the_batch_tells_what_happened(importer: Importer) -> None:
    importer.rows(person(1))
    importer.rows(person(1), person(2), person(3, phone=""), update=True)
    columns = "id, file_name, status, update_existing, rows_read, rows_created, rows_updated, rows_existing"
    assert importer.query(f"SELECT {columns} FROM import_batch ORDER BY id") == [
        (1, "leads.csv", "done", False, 1, 1, 0, 0),
        (2, "leads.csv", "done", True, 3, 1, 0, 1),
    ]
    digest = hashlib.sha256((importer.folder / "leads.csv").read_bytes()).hexdigest()
    tail = "rejected, error_file, created_by, file_digest, finished_at IS NOT NULL"
    errors = str(importer.settings.data_dir / "exports/import-errors/2.csv")
    assert importer.query(f"SELECT {tail} FROM import_batch WHERE id = 2") == [
        ({"invalid_phone": 1}, errors, "clerk", digest, True)
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": " \t"}, "missing_name"),
        ({"name": "\u200b"}, "missing_name"),
        ({"name": "王" * 129}, "missing_name"),
        ({"name": id_number(3)}, "missing_name"),
        ({"id_number": " "}, "missing_id"),
        ({"id_number": "123"}, "invalid_id_number"),
        ({"id_number": id_number(3)[:17] + ("0" if id_number(3)[17] != "0" else "1")}, "invalid_id_number"),
        ({"id_number": "5.10104E+17"}, "invalid_id_number"),
        ({"phone": ""}, "invalid_phone"),
        ({"phone": "12345"}, "invalid_phone"),
        ({"id_number": "'" + id_number(1).lower()}, "duplicate_in_file"),
        ({"name": "", "id_number": "", "phone": ""}, "missing_name"),
        ({"id_number": "", "phone": ""}, "missing_id"),
        ({"id_number": "1", "phone": ""}, "invalid_id_number"),
        ({"id_number": id_number(1), "phone": ""}, "invalid_phone"),
    ],
)
def test_reasons_and_which_comes_first(importer: Importer, changes: dict[str, str], reason: str) -> None:
    result = importer.rows(person(1), person(2, **changes))
    assert (result.created, result.rejected) == (1, {reason: 1})
    assert reasons(result) == [reason]


def test_first_valid_row_of_a_person_wins(importer: Importer) -> None:
    bad = person(1, lead_no="A", phone="1")
    result = importer.rows(bad, person(1, lead_no="B"), person(1, lead_no="C"))
    assert result.rejected == {"invalid_phone": 1, "duplicate_in_file": 1}
    assert importer.query(LEADS) == ["B"]


def test_numeric_cells_of_excel(importer: Importer) -> None:
    old = [HEADER, [1.0, "王", 13812345678, 310101650802252, "", ""]]
    lost = [2, "李", 13812345678, 510104199508024620, "", ""]
    result = importer.file(write_xlsx(importer.folder / "a.xlsx", {"s": [*old, lost]}))
    assert (result.created, result.rejected) == (1, {"invalid_id_number": 1})
    (row,) = error_rows(result)
    assert "lost digits" in row["原因 explanation"]
    assert "丢失" in row["原因 explanation"]
    assert importer.query("SELECT lead_no, phone_masked FROM lead") == [("1", "138****5678")]


def test_id_hashes_instead_of_numbers(importer: Importer) -> None:
    digest = IdHasher(importer.settings.id_hash_algorithm, importer.settings.id_hash_key).hash(id_number(1))
    header = ["姓名", "电话", "身份证号", "身份证哈希"]
    rows = [
        ["a", "13800000001", "", digest.upper()],
        ["b", "13800000002", id_number(2), ""],
        ["c", "13800000003", id_number(1), ""],
        ["d", "13800000004", "", "xyz"],
        ["e", "13800000005", id_number(5), digest],
    ]
    result = importer.file(write_csv(importer.folder / "a.csv", [header, *rows]))
    assert result.created == 2
    assert result.rejected == {"duplicate_in_file": 1, "invalid_id_number": 2}
    assert digest in importer.query("SELECT id_hash FROM lead")


def test_importing_again_changes_nothing(importer: Importer) -> None:
    importer.file(SAMPLE / "leads.xlsx")
    before = importer.query("SELECT * FROM lead ORDER BY id")
    for update in (False, True):
        result = importer.file(SAMPLE / "leads_gb18030.csv", update=update)
        assert (result.created, result.updated, result.existing) == (0, 0, 980)
    assert importer.query("SELECT * FROM lead ORDER BY id") == before


def test_update_changes_what_is_given_and_different(importer: Importer) -> None:
    importer.rows(*map(person, range(1, 6)))
    rows = [
        person(1, name="新名"),
        person(2, phone="13999999999"),
        person(3, source="官网预约", branch="新网点"),
        person(4, lead_no="X", name="改", source="", branch=""),
        person(5),
    ]
    dry = importer.rows(*rows, update=True, dry_run=True)
    plain = importer.rows(*rows)
    assert (plain.updated, plain.existing) == (0, 5)
    assert importer.query("SELECT name FROM lead WHERE id = 1") == ["王1"]
    result = importer.rows(*rows, person(6), update=True)
    assert (result.created, result.updated, result.existing) == (1, 4, 1)
    assert (dry.updated, dry.existing) == (4, 1)
    columns = "lead_no, l.name, phone_masked, source, b.code"
    found = importer.query(f"SELECT {columns} FROM lead l JOIN branch b ON b.id = branch_id ORDER BY l.id")
    assert found[:5] == [
        ("L1001", "新名", "138****0001", "抖音推广", "HZ-XIHU"),
        ("L1002", "王2", "139****9999", "抖音推广", "HZ-XIHU"),
        ("L1003", "王3", "138****0003", "官网预约", "新网点"),
        ("L1004", "改", "138****0004", "抖音推广", "HZ-XIHU"),
        ("L1005", "王5", "138****0005", "抖音推广", "HZ-XIHU"),
    ]


def test_numbers_of_the_file_are_used_when_free(importer: Importer) -> None:
    importer.rows(person(1, lead_no="A"))
    importer.rows(
        person(2, lead_no="A"),
        person(3, lead_no="B"),
        person(4, lead_no="B"),
        person(5, lead_no=""),
        person(6, lead_no="L2000001"),
        person(7, lead_no="x" * 33),
        person(8, lead_no=id_number(8)),
    )
    assert importer.query(LEADS) == [
        *("A", "L2000002", "B", "L2000003", "L2000004", "L2000001", "L2000005", "L2000006")
    ]


def test_the_sequence_never_meets_a_number_of_a_file(importer: Importer) -> None:
    importer.rows(person(1, lead_no="L2000500"), person(2, lead_no="L99999999999999999999"))
    importer.rows(person(3, lead_no="L1500000"), person(4, lead_no=""))
    assert importer.query(LEADS)[-1] == "L2000501"


def test_branches_by_code_or_name_and_new_ones(importer: Importer) -> None:
    importer.execute("""
        INSERT INTO branch (id, code, name, path)
        VALUES (100, 'HZ-OLD', 'HZ', '/100/'), (101, 'HZ', '杭州分行', '/101/')
    """)
    importer.rows(
        person(1, branch="HZ"),
        person(2, branch=" 杭州分行 "),
        person(3, branch=""),
        person(4, branch="上海"),
        person(5, branch="上海"),
        person(7, branch="坏行", phone=""),
    )
    importer.rows(person(1, branch="没有新人的网点"))
    found = importer.query(
        "SELECT l.name, b.code FROM lead l LEFT JOIN branch b ON b.id = branch_id ORDER BY 1"
    )
    codes = dict(found)
    assert list(codes.values()) == ["HZ", "HZ", None, "上海", "上海"]
    assert importer.query("SELECT count(*) FROM branch") == [3]
    assert importer.query("SELECT code FROM branch WHERE path <> '/' || id || '/' OR parent_id > 0") == []


def test_a_dry_run_writes_nothing(importer: Importer) -> None:
    result = importer.rows(person(1), person(2, phone=""), dry_run=True)
    assert (result.batch, result.created, result.error_file) == (None, 1, None)
    for table in ("lead", "branch", "import_batch"):
        assert importer.query(f"SELECT count(*) FROM {table}") == [0]
    assert importer.kept_files() == []


def test_the_error_file_can_be_corrected_and_imported(importer: Importer) -> None:
    rows = [person(1), person(2, phone="+8612", name="=cmd()"), person(3, id_number=""), person(4, name="")]
    result = importer.rows(*rows)
    assert result.error_file
    path = Path(result.error_file)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [row["行号 row"] for row in error_rows(result)] == ["3", "4", "5"]
    first = error_rows(result)[0]
    assert (first["客户姓名"], first["联系电话"]) == ("'=cmd()", "'+8612")
    assert first["身份证号"] == id_number(2)[:3] + "*" * 13 + id_number(2)[-2:]

    again = importer.file(path)
    assert again.rejected == {"invalid_phone": 1, "missing_id": 1, "missing_name": 1}
    assert again.error_file
    header = Path(again.error_file).read_text(encoding="utf-8-sig").splitlines()[0]
    assert header == ",".join([*HEADER, "身份证哈希", "行号 row", "原因代码 reason", "原因 explanation"])

    corrected = error_rows(result)
    for serial, row in enumerate(corrected, 2):
        row["身份证号"], row["联系电话"] = id_number(serial), f"138{serial:08d}"
        row["客户姓名"] = row["客户姓名"] or "补"
    table = [list(corrected[0]), *[list(row.values()) for row in corrected]]
    fixed = importer.file(write_csv(importer.folder / "fixed.csv", table, encoding="utf-8-sig"))
    assert (fixed.created, fixed.rejected) == (3, {})
    assert importer.query("SELECT name FROM lead WHERE id_hash IS NOT NULL ORDER BY id")[1] == "=cmd()"


def test_no_error_file_without_errors(importer: Importer) -> None:
    assert importer.rows(person(1)).error_file is None
    assert importer.kept_files() == []


def test_a_refused_commit_leaves_nothing(importer: Importer) -> None:
    importer.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON lead DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse()
    """)
    try:
        with pytest.raises(LeadsError) as caught:
            importer.rows(person(1), person(2, phone=""))
    finally:
        importer.execute("DROP FUNCTION refuse CASCADE")
    assert caught.value.code == "import_failed"
    assert importer.query("SELECT status FROM import_batch") == ["failed"]
    assert importer.query("SELECT count(*) FROM lead") == [0]
    assert importer.kept_files() == []


def test_progress_is_told(importer: Importer) -> None:
    told: list[tuple[int, int | None]] = []
    importer.rows(*map(person, range(4500)), progress=lambda done, total: told.append((done, total)))
    assert told == [(2000, 4500), (4000, 4500), (4500, 4500)]


def test_an_unreadable_file_fails_its_batch(importer: Importer) -> None:
    path = write_csv(importer.folder / "a.csv", [["姓名"], ["王"]])
    with pytest.raises(UnreadableFile):
        importer.file(path, dry_run=True)
    assert importer.query("SELECT count(*) FROM import_batch") == [0]
    with pytest.raises(UnreadableFile) as caught:
        importer.file(path)
    assert importer.query("SELECT status, error FROM import_batch") == [
        ("failed", caught.value.said.as_json())
    ]
    with pytest.raises(UnreadableFile):
        importer.file(importer.folder / "gone.csv")


@pytest.mark.parametrize(
    ("file", "reason"), [("F09_one_bad_byte.csv", "undecodable"), ("F10_stray_quote.csv", "malformed_row")]
)
def test_a_damaged_row_is_rejected_and_the_others_come_in(importer: Importer, file: str, reason: str) -> None:
    result = importer.file(FAULTS / file)
    assert result.rejected == {reason: 1}
    assert result.created == result.read - 1
    (row,) = error_rows(result)
    assert row["原因代码 reason"] == reason
    assert "column 1 (客户姓名)" in row["原因 explanation"]


def test_a_cancelled_import_leaves_nothing(importer: Importer) -> None:
    def cancel(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importer.rows(person(1), person(2, phone=""), progress=cancel)
    assert importer.query("SELECT count(*) FROM lead") == [0]
    assert importer.query("SELECT status FROM import_batch") == ["failed"]
    assert importer.kept_files() == []


def open_one(importer: Importer) -> tuple[int, Path]:
    path = write_csv(importer.folder / "queued.csv", [HEADER, person(1)])
    batch = open_batch(importer.engine, path, file_name="queued.csv", user="screen", update_existing=False)
    return batch, path


def test_a_batch_opened_by_a_screen_is_imported_once(importer: Importer) -> None:
    batch, path = open_one(importer)
    assert importer.file(path, batch_id=batch).batch == batch
    with pytest.raises(LeadsError) as caught:
        importer.file(path, batch_id=batch)
    assert caught.value.code == "batch_not_open"
    assert importer.query("SELECT status, created_by FROM import_batch") == [("done", "screen")]


def test_a_batch_in_work_is_left_alone(importer: Importer) -> None:
    batch, path = open_one(importer)
    refused: list[Any] = []

    def during_import(done: int, total: int | None) -> None:
        importer.execute("UPDATE import_batch SET created_at = now() - interval '1 day'")
        refused.append(fail_abandoned(importer.engine, importer.settings))
        with pytest.raises(LeadsError) as caught:
            importer.file(path, batch_id=batch)
        refused.append(caught.value.code)

    importer.file(path, batch_id=batch, progress=during_import)
    assert refused == [[], "batch_not_open"]
    assert importer.query("SELECT status FROM import_batch") == ["done"]


def test_abandoned_batches_are_failed(importer: Importer) -> None:
    batch, _ = open_one(importer)
    assert fail_abandoned(importer.engine, importer.settings) == []
    importer.execute("UPDATE import_batch SET created_at = now() - interval '61 minutes'")
    assert fail_abandoned(importer.engine, importer.settings) == [batch]
    assert importer.query("SELECT status, error FROM import_batch") == [
        ("failed", {"message": "The import was interrupted", "values": {}})
    ]


def test_two_imports_at_once(importer: Importer) -> None:
    people = 300
    both_read = threading.Barrier(2)
    results: list[ImportResult] = []

    def one(prefix: str) -> None:
        rows = [person(serial, lead_no=f"{prefix}{serial}", branch="同一网点") for serial in range(people)]
        rows.append(person(900, lead_no="SAME", id_number=id_number(900 if prefix == "A" else 901)))
        path = write_csv(importer.folder / f"{prefix}.csv", [HEADER, *rows])
        results.append(importer.file(path, progress=lambda done, total: bool(both_read.wait(30))))

    threads = [threading.Thread(target=one, args=(prefix,)) for prefix in "AB"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((r.created, r.existing) for r in results) == [(1, people), (people + 1, 0)]
    assert importer.query("SELECT count(*), count(DISTINCT id_hash), count(DISTINCT lead_no) FROM lead") == [
        (people + 2, people + 2, people + 2)
    ]
    assert importer.query("SELECT count(*) FROM branch WHERE code = '同一网点'") == [1]

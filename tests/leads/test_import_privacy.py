"""ID numbers are nowhere: not in the database, DATA_DIR, temporary files, messages or logs."""

from __future__ import annotations

import logging
import tempfile
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import event

from app.leads.batches import open_batch
from app.leads.errors import LeadsError
from app.models import Model
from tests.leads.support import HEADER, Importer, id_number, person, write_csv, write_xlsx

SECRET = id_number(4711)
FULL_WIDTH = "".join(chr(ord(c) + 0xFEE0) for c in SECRET)
PHONE = "13700004711"


def everything_stored(importer: Importer) -> str:
    tables = [
        row for name in Model.metadata.tables for row in importer.query(f'SELECT t::text FROM "{name}" t')
    ]
    files = [path for path in importer.settings.data_dir.rglob("*") if path.is_file()]
    return "\n".join(
        [*tables, *(_content(path).decode(errors="replace") for path in files), *map(str, files)]
    )


def _content(path: Path) -> bytes:
    if path.suffix != ".xlsx":
        return path.read_bytes()
    with zipfile.ZipFile(path) as book:
        return b"\n".join(book.read(name) for name in book.namelist())


def traces(text: str, secret: str) -> list[str]:
    """Return the spellings of a secret in ``text``, including hexadecimal ones of binary columns."""
    spellings = [secret, secret[:17], secret[:15], secret.encode().hex(), " ".join(secret)]
    return [spelling for spelling in spellings if spelling in text]


def dirty_rows() -> list[list[str]]:
    swapped = [
        person(4711, name=SECRET),
        person(4711, phone=SECRET),
        person(4711, phone=FULL_WIDTH),
        person(4711, id_number=SECRET + "1"),
        person(4711, id_number=f"[{SECRET}]"),
        person(4711, id_number="", source=f"备注{SECRET}"),
        person(4711, name="", lead_no=" ".join(SECRET)),
    ]
    return [
        *swapped,
        person(4711, lead_no=SECRET, source=SECRET, branch=f"{SECRET[:6]} {SECRET[6:]}"),
        person(4711),
    ]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_no_id_number_is_written_anywhere(
    importer: Importer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    statements: list[str] = []

    @event.listens_for(importer.engine, "before_cursor_execute")
    def remember(_connection: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        statements.append(f"{statement} {values}")

    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    rows = [HEADER, *dirty_rows()]
    path = importer.folder / f"名单{SECRET}.{kind}"
    _ = write_csv(path, rows) if kind == "csv" else write_xlsx(path, {"s": rows})
    result = importer.file(path)
    event.remove(importer.engine, "before_cursor_execute", remember)

    assert result.created == 1
    assert sum(result.rejected.values()) == 8
    assert list(temporary.iterdir()) == []
    stored = everything_stored(importer)
    assert "名单330" in stored
    for text in (stored, caplog.text, "\n".join(statements)):
        assert traces(text, SECRET) == []
        assert FULL_WIDTH not in text


def test_the_phone_is_not_in_the_database_in_clear(importer: Importer) -> None:
    importer.rows(person(4711, phone=PHONE))
    assert traces(everything_stored(importer), PHONE) == []


def test_a_refusal_by_the_database_tells_no_row(importer: Importer, caplog: pytest.LogCaptureFixture) -> None:
    importer.execute("ALTER TABLE lead ADD CONSTRAINT no_wang CHECK (name <> '王4711')")
    try:
        with pytest.raises(LeadsError) as caught:
            importer.rows(person(1), person(4711))
    finally:
        importer.execute("ALTER TABLE lead DROP CONSTRAINT no_wang")
    assert caught.value.code == "import_failed"
    assert caught.value.__suppress_context__
    (error,) = importer.query("SELECT error FROM import_batch WHERE status = 'failed'")
    for text in (str(caught.value), str(error), caplog.text):
        assert "23514" in text or not text
        assert "王4711" not in text
    assert importer.query("SELECT count(*) FROM lead") == [0]


def test_a_batch_opened_by_a_screen_masks_the_file_name(importer: Importer) -> None:
    path = write_csv(importer.folder / "a.csv", [HEADER])
    open_batch(importer.engine, path, file_name=f"{SECRET}.csv", user="x", update_existing=False)
    assert traces(everything_stored(importer), SECRET) == []


def test_messages_about_files_hold_no_content(importer: Importer) -> None:
    path = write_csv(importer.folder / f"{SECRET}.csv", [person(4711)])
    with pytest.raises(LeadsError) as caught:
        importer.file(path)
    assert traces(str(caught.value), SECRET) == []
    assert traces(everything_stored(importer), SECRET) == []

"""Damaged and unusual text files: a fault rejects its own row only, and names line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.leads.errors import UnreadableFile
from app.leads.reader import open_lead_file
from app.leads.text_file import Row
from tests.leads.support import FAULTS

HEAD = "姓名,手机号,身份证号,来源,机构"
GOOD = "王五,13800000001,330106,线下,西湖"


def rows_of(path: Path) -> list[Row]:
    return list(open_lead_file(path, path.name).rows)


def read(tmp_path: Path, *lines: str | bytes, encoding: str = "utf-8", end: bytes = b"\n") -> list[Row]:
    path = tmp_path / "a.csv"
    path.write_bytes(end.join(x.encode(encoding) if isinstance(x, str) else x for x in lines) + end)
    return rows_of(path)


def faults(rows: list[Row]) -> list[str]:
    return [row.fault.reason if row.fault else row.cells[0] for row in rows]


def names(file: str) -> list[str]:
    return [row.cells[0] for row in rows_of(FAULTS / file)]


def test_rare_names_are_read_as_given() -> None:
    assert names("F01_rare_names_utf8.csv") == [
        *("王\U0002ebf0", "李\U00031350", "赵\ue863", "钱\U00020bb7", "阿卜杜·买买提", "孙\u4dae"),
        "周\U000323b0",
    ]


def test_gb18030_means_what_its_newest_edition_says() -> None:
    assert names("F02_rare_names_gb18030.csv") == ["王龴", "王龵", "王𤇾", "王䶮"]


def test_private_use_characters_of_gb18030_stay_apart(tmp_path: Path) -> None:
    rows = read(tmp_path, HEAD, *(b"\xcd\xf5" + code + b",1,2,3,4" for code in (b"\xaa\xa1", b"\xf8\xa1")),
                encoding="gb18030")  # fmt: skip
    assert [row.cells[0] for row in rows] == ["王\ue000", "王\ue234"]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("before", ["\n", "", "\r\n"])
def test_the_mark_at_the_end_of_a_dos_text_is_no_row(tmp_path: Path, before: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"{HEAD}\n王\x1a五,1,2,3,4\n{GOOD}{before}\x1a\x1a".encode(encoding))
    opened = open_lead_file(path, path.name)
    assert [row.cells for row in opened.rows] == [["王\x1a五", "1", "2", "3", "4"], GOOD.split(",")]
    assert opened.total == 2


def test_one_bad_byte_costs_its_row() -> None:
    *good, bad = rows_of(FAULTS / "F09_one_bad_byte.csv")
    assert [row.cells[0] for row in good] == ["测试甲乙", "测试丙丁", "测试戊己"]
    assert bad.fault is not None
    assert bad.fault.reason == "undecodable"
    assert str(bad.fault) == (r"Line 5, column 1 (客户姓名): “测试庚\xe8\xbe” is not valid UTF-8 text")


def test_a_stray_quote_costs_its_row() -> None:
    first, bad, last = rows_of(FAULTS / "F10_stray_quote.csv")
    assert (first.fault, last.fault) == (None, None)
    assert bad.fault is not None
    assert bad.fault.reason == "malformed_row"
    assert str(bad.fault) == 'Line 3, column 1 (客户姓名): the quotation marks of “"测试"甲” do not match'


def test_utf8_with_a_bad_byte_is_never_taken_for_gb18030(tmp_path: Path) -> None:
    # An even number of bytes beyond ASCII in every cell: as GB18030 it is all valid, and all other names.
    rows = read(tmp_path, "姓名,手机,身份证号", "王五六七,13800000001,330106", b"\xb2\xe2,1,2")
    assert faults(rows) == ["王五六七", "undecodable"]


TRADITIONAL = [
    "陳建國",
    "林淑芬",
    "黃美玲",
    "張志明",
    "李雅婷",
    "王俊傑",
    "吳佩珊",
    "劉家豪",
    "蔡宜君",
    "楊宗翰",
    "許慧貞",
    "鄭文雄",
]


def test_big5_is_refused_by_name_and_traditional_names_in_gb18030_are_read(tmp_path: Path) -> None:
    """With English headers only the names tell the two apart; in GB18030 they would be different ones."""
    lines = [
        "name,phone,id_number,source,branch",
        *(f"{name},13800000001,330106,x,y" for name in TRADITIONAL),
    ]
    with pytest.raises(UnreadableFile, match=r"^a\.csv is encoded in Big5"):
        read(tmp_path, *lines, encoding="big5")
    for encoding in ("gb18030", "utf-8"):
        assert faults(read(tmp_path, *lines, encoding=encoding)) == TRADITIONAL
    for one in ("张伟", "喆", "囍", "朱镕基", "镕", "欧阳娜娜", "王\u20087"):
        assert faults(read(tmp_path, lines[0], f"{one},1,2,3,4", encoding="gb18030")) == [one]


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        ("utf-8", b"\xe7\x8e,1,2,3,4"),
        ("utf-8", b"\xed\xa0\x80,1,2,3,4"),
        ("utf-8", b"x,1\x00,2,3,4"),
        ("utf-8", b"\x80\xff,1,2,3,4"),
        ("gb18030", b"\xcd,1,2,3,4"),
        ("gb18030", b"\xff\xff,1,2,3,4"),
        ("gb18030", b"\x84\x31\xa5\x30,1,2,3,4"),
        ("gb18030", b"x,1,\x00,3,4"),
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, encoding: str, bad: bytes) -> None:
    rows = read(tmp_path, HEAD, GOOD, bad, GOOD, encoding=encoding)
    assert faults(rows) == ["王五", "undecodable", "王五"]
    assert [row.number for row in rows] == [2, 3, 4]
    assert "\x00" not in "".join(rows[1].cells)
    "".join(rows[1].cells).encode()


def test_half_a_surrogate_in_utf16(tmp_path: Path) -> None:
    lines = [
        ("\ufeff" + HEAD).encode("utf-16-le"),
        GOOD.encode("utf-16-le"),
        b"\x3b\x4e\x00\xd8" + b",\0" * 4,
    ]
    assert faults(read(tmp_path, *lines, GOOD.encode("utf-16-le"), end=b"\n\0")) == [
        "王五",
        "undecodable",
        "王五",
    ]


@pytest.mark.parametrize(
    ("bad", "column"),
    [
        ('"王五,13800000001,330106,线下,西湖', 1),
        ('王五,"13800000001,330106,线下,西湖', 2),
        ('王五,13800000001,"330106,线下,西湖', 3),
        ('王五,13800000001,330106,线下,"西湖', 5),
        ('王五,13800000001,330106,"线"下,西湖', 4),
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        [GOOD] * 3,
        ['"王五",13800000001,330106,"线下",西湖'] * 3,
        ['王五,13800000001,330106,线下,"西湖"'] * 3,
        [GOOD, '王五,13800000001,330106",线下,西湖', GOOD],
        [GOOD, '王五",13800000001,330106,线下,西湖', GOOD],
        [GOOD, '王五,13800000001,330106,线下,西湖"', GOOD],
    ],
)
def test_an_unclosed_quote_swallows_no_other_row(
    tmp_path: Path, bad: str, column: int, after: list[str]
) -> None:
    rows = read(tmp_path, HEAD, GOOD, bad, *after)
    assert len(rows) == 5
    assert faults(rows)[:2] == ["王五", "malformed_row"]
    assert rows[1].fault is not None
    assert rows[1].fault.values["line"] == 3
    assert rows[1].fault.values["column"] == column
    assert [row.cells[0].strip('"') for row in rows[2:]] == ["王五"] * 3
    assert [row.fault for row in rows[2:]] == [None] * 3


def test_cells_of_several_lines_stay_cells(tmp_path: Path) -> None:
    rows = read(tmp_path, HEAD, '王五,1,2,"线\n下","a, b\nc"', GOOD)
    assert [row.cells[3:] for row in rows] == [["线\n下", "a, b\nc"], ["线下", "西湖"]]
    assert [(row.number, row.fault) for row in rows] == [(2, None), (3, None)]


def test_the_last_line_may_end_in_a_quote(tmp_path: Path) -> None:
    assert faults(read(tmp_path, HEAD, GOOD, '"')) == ["王五", "malformed_row"]


def test_numbers_in_a_fault_are_masked(tmp_path: Path) -> None:
    (row,) = read(tmp_path, HEAD, '王,"13812345678,330106196104293980')
    assert "13812345678" not in str(row.fault)
    assert "138****5678" in str(row.fault)


def test_text_written_as_a_formula_is_text() -> None:
    rows = rows_of(FAULTS / "F15_equals_quoted.csv")
    assert [row.cells[2].strip("'\t") for row in rows] == [
        *("310101196510180454", "310101196611190467", "310101196712200476", "310101196801210481")
    ]

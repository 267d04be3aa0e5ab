"""Recognition of a lead file's columns by their headers, in Chinese or English and with any decoration."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from app.errors import N_
from app.leads.errors import UnreadableFile

HEADERS: dict[str, tuple[str, ...]] = {
    "lead_no": ("线索编号", "线索号", "编号", "客户编号", "lead_no", "lead number"),
    "name": ("客户姓名", "姓名", "客户名称", "name", "customer name", "full name"),
    "phone": (
        *("联系电话", "手机号", "手机号码", "手机", "电话", "电话号码", "联系方式"),
        *("phone", "phone number", "mobile", "mobile phone", "tel", "telephone"),
    ),
    "id_number": (
        *("身份证号", "身份证号码", "身份证", "证件号码", "证件号", "公民身份号码"),
        *("id_number", "id_no", "id_card", "id_card_no", "id_card_number"),
    ),
    "id_hash": ("身份证哈希", "身份证号哈希", "id_hash"),
    "source": ("来源渠道", "来源", "渠道", "source", "channel"),
    "branch": (
        *("所属机构", "机构", "网点", "所属网点", "支行", "所属支行", "机构代码", "机构编号"),
        *("branch", "branch_code", "branch name"),
    ),
}
"""The accepted headers of each field; the template uses the first."""

_DECORATION = re.compile(r"\(.*\)$|[\s_\-*:]")


def normalise_header(header: str) -> str:
    """Return a header cell without decoration, for comparisons."""
    return _DECORATION.sub("", unicodedata.normalize("NFKC", header).strip().casefold())


def fields_by_alias(headers: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the field of each name in ``headers``, by the normalised name."""
    return {normalise_header(alias): name for name, aliases in headers.items() for alias in aliases}


_FIELDS = fields_by_alias(HEADERS)


def field_of(cell: str) -> str | None:
    """Return the field that a header cell names, None for an unknown name."""
    return _FIELDS.get(normalise_header(cell))


def count_recognised(header: Sequence[str]) -> int:
    """Return the number of cells that are known column names."""
    return sum(field_of(cell) is not None for cell in header)


def find_columns(header: Sequence[str], file: str) -> dict[str, int]:
    """Return the position of each field.

    Raises UnreadableFile when a required column is missing or one occurs twice.
    """
    columns = match_columns(header, file, HEADERS)
    _require(columns, file)
    return columns


def match_columns(header: Sequence[str], file: str, headers: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the position of each field of ``headers`` that is found.

    Raises UnreadableFile for one found twice.
    """
    fields = fields_by_alias(headers)
    columns: dict[str, int] = {}
    for position, cell in enumerate(header):
        field = fields.get(normalise_header(cell))
        if field in columns:
            raise UnreadableFile(
                "file_columns_twice",
                N_("%(file)s: columns %(first)s and %(second)s both mean %(field)s; keep one"),
                file=file,
                first=columns[field] + 1,
                second=position + 1,
                field=headers[field][0],
            )
        if field:
            columns[field] = position
    return columns


def _require(columns: dict[str, int], file: str) -> None:
    missing = [HEADERS[name][0] for name in ("name", "phone") if name not in columns]
    if "id_number" not in columns and "id_hash" not in columns:
        missing.append(HEADERS["id_number"][0])
    if missing:
        raise UnreadableFile(
            "file_columns_missing",
            N_("%(file)s: the first row has no column for %(fields)s"),
            file=file,
            fields=", ".join(missing),
        )

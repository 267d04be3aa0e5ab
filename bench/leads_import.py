"""Import of a lead list, compared with pandas and to_sql on the same PostgreSQL.

``python bench/leads_import.py [ROWS]`` (default 200,000). pandas does less: it reads the file, hashes and
encrypts nothing, checks nothing, and appends text to a table without indexes.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from app.extensions import db
from app.leads.importer import import_leads
from bench._common import customers, peak_mb, product, timed

HEADER = ("线索编号", "客户姓名", "联系电话", "身份证号", "来源渠道", "所属机构")


def ours(path: Path) -> tuple[float, float, int]:
    """Return seconds, peak MB and created rows of the product's importer, in a process of its own."""
    with product() as (_app, settings):
        results: dict[str, float] = {}
        with timed(results, "ours"):
            result = import_leads(db.engine, path, file_name=path.name, user="bench", settings=settings)
        return results["ours"], peak_mb(), result.created


def theirs(path: Path) -> tuple[float, float, int]:
    """Return the same of pandas.read_* and DataFrame.to_sql."""
    with product():
        results: dict[str, float] = {}
        with timed(results, "pandas"):
            read = pd.read_csv if path.suffix == ".csv" else pd.read_excel
            frame = read(path, dtype=str)
            frame.to_sql("bench_pandas", db.engine, index=False, chunksize=10_000, method="multi")
        return results["pandas"], peak_mb(), len(frame)


def main() -> None:
    """Print rows per second, peak memory and the ratio for CSV and xlsx."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        for path, size in ((Path(folder) / "leads.csv", rows), (Path(folder) / "leads.xlsx", rows // 4)):
            write(path, size)
            figures = {}
            for name, work in (("ours", ours), ("pandas + to_sql", theirs)):
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as own:
                    seconds, peak, done = own.submit(work, path).result()
                figures[name] = seconds
                speed = f"{seconds:7.1f} s {done / seconds:>9,.0f} rows/s {peak:6.0f} MB"
                print(f"{path.suffix:6} {name:16} {done:>9,} rows {speed}", flush=True)
            ratio = figures["pandas + to_sql"] / figures["ours"]
            print(f"{path.suffix:6} ratio: pandas takes {ratio:.2f} × our time\n")


def write(path: Path, rows: int) -> None:
    """Write a made-up lead list."""
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEADER, *customers(rows)])
        return
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("leads")
    for row in (HEADER, *customers(rows)):
        sheet.append(row)
    book.save(path)


if __name__ == "__main__":
    main()

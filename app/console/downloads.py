"""CSV downloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import Response

from app.lib.spreadsheet import csv_lines


def csv_download(rows: Iterable[Sequence[str]], name: str) -> Response:
    """Return a CSV download that Excel reads as UTF-8 and in which no cell is a formula."""
    return Response(
        "\ufeff" + "".join(csv_lines(rows)),
        mimetype="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )

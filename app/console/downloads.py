"""CSV downloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import Response

from app.leads.columns import HEADERS
from app.lib.spreadsheet import csv_lines


def csv_download(rows: Iterable[Sequence[str]], name: str) -> Response:
    """Return a CSV download that Excel reads as UTF-8 and in which no cell is a formula."""
    return Response(
        "\ufeff" + "".join(csv_lines(rows)),
        mimetype="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def lead_template() -> Response:
    """Return the template of the lead import: a file with headers only."""
    fields = ("lead_no", "name", "phone", "id_number", "source", "branch")
    return csv_download([[HEADERS[field][0] for field in fields]], "lead-template")

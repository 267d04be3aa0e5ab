"""Files that screens hand out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import Response

from app.leads.columns import HEADERS
from app.lib.spreadsheet import csv_lines


def csv_download(rows: Iterable[Sequence[str]], name: str) -> Response:
    """A CSV file that Excel opens as UTF-8 and in which no cell can be a formula."""
    return Response(
        "\ufeff" + "".join(csv_lines(rows)),
        mimetype="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def lead_template() -> Response:
    """An empty lead file with the headers the import knows best."""
    fields = ("lead_no", "name", "phone", "id_number", "source", "branch")
    return csv_download([[HEADERS[field][0] for field in fields]], "lead-template")

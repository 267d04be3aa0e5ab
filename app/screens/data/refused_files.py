"""Presentation of log files that T+1 runs refused whole: name, reason and present place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, NamedTuple

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONPATH

from app.console import formats
from app.console import table as lists
from app.console.access import may
from app.errors import Said
from app.extensions import db
from app.models import JobRun

#: how many runs (newest first) the list of refused files looks through, and how many files it shows
MAX_RUNS, MAX_FILES = 400, 500
_PATHS = ("$.refused[*]", "$.former[*].counts.refused[*]")
HEADS = (
    ("name", lazy_gettext("File")),
    ("reason", lazy_gettext("Why it was refused")),
    ("run", lazy_gettext("Run of")),
    ("at", lazy_gettext("Refused at")),
    ("where", lazy_gettext("Where it is")),
)


class Refused(NamedTuple):
    """A file that a run refused. ``kept`` is its path in the quarantine, None while it is in the inbox."""

    run: JobRun
    at: dt.datetime | None
    name: str
    why: Said
    kept: str | None

    @property
    def where(self) -> str:
        """Return the present place of the file in words."""
        if self.kept:
            return _("quarantine")
        return _(
            "still in the inbox: it changed while it was read, is a link or can't be read; "
            "the next run retries"
        )

    @property
    def url(self) -> str | None:
        """Return the address to download the file from, None when it is not kept or the user may not."""
        if not self.kept or not may("can_rejects", "IngestFileView"):
            return None
        return url_for("IngestFileView.kept", pk=self.run.id, kept=self.kept)


def of_run(run: JobRun) -> list[Refused]:
    """Return the files that the latest execution of a run refused."""
    return list(_of(run, run.counts or {}, run.finished_at))


def all_refused() -> list[Refused]:
    """Return the refused files of all runs, the newest days first, including a day's earlier runs."""
    has_refused = or_(*(func.jsonb_path_exists(JobRun.counts, cast(path, JSONPATH)) for path in _PATHS))
    query = select(JobRun).where(has_refused).order_by(JobRun.day.desc()).limit(MAX_RUNS)
    return [each for run in db.session.scalars(query) for each in _newest_first(run)][:MAX_FILES]


def _newest_first(run: JobRun) -> Iterator[Refused]:
    yield from of_run(run)
    for record in reversed((run.counts or {}).get("former", [])):
        yield from _of(run, record["counts"], dt.datetime.fromisoformat(record["finished_at"]))


def _of(run: JobRun, counts: dict[str, Any], at: dt.datetime | None) -> Iterator[Refused]:
    for each in counts.get("refused", []):
        yield Refused(run, at, each["name"], Said.of_json(each["reason"]), each["kept"])


def refused(run: JobRun) -> Markup:
    """Return the files that a run refused, one line each."""
    return formats.lines(_line(each) for each in of_run(run))


def _line(each: Refused) -> Markup:
    shown = Markup("<code>{}</code> {} · {}").format(each.name, each.why, each.where)
    if each.url:
        shown += Markup(' · <a href="{}">{}</a>').format(each.url, _("Download"))
    return shown


def ignored(run: JobRun) -> Markup:
    """Return the files of the inbox that a run ignored because of their names."""
    return formats.lines(
        Markup("<code>{}</code> {}").format(name, _("no call log, judging by its extension"))
        for name in (run.counts or {}).get("ignored", [])
    )


def table() -> lists.Table:
    """Return the table of all refused files."""
    rows = [_row(each) for each in all_refused()]
    return lists.Table(
        view="IngestFileView",
        columns=[lists.Column(name, str(label), "wide" if name == "reason" else "") for name, label in HEADS],
        rows=rows,
        count=len(rows),
        page=0,
        page_size=MAX_FILES,
        bulk=[],
        links=[lists.Link(_("Log deliveries"), url_for("IngestFileView.list"))],
        empty=_("No log file was refused."),
        related=True,
        paged=False,
    )


def _row(each: Refused) -> lists.Row:
    name = PurePath(each.name).name
    run = Markup('<a href="{}">{}</a>').format(url_for("JobRunView.show", pk=each.run.id), each.run.day)
    cells = [
        formats.file_tail(each.name),
        each.why.text(),
        run,
        formats.when(each.at) if each.at else "",
        each.where,
    ]
    links = [lists.Link(_("Download"), each.url)] if each.url else []
    return lists.Row(str(each.run.id), name, cells, links, [])

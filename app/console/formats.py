"""Formatters of table cells: tags, times, numbers and lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from flask_babel import gettext, lazy_gettext
from flask_babel import gettext as _
from markupsafe import Markup, escape

from app.labels import REJECT_REASON, RUN_STATUS, contact_words, joined, local, word
from app.lib import clock


def tag(words: dict[str, Any], kind: str) -> Any:
    """Return a formatter that shows a code as a coloured tag of the style sheet's ``kind``."""

    def show(code: Any) -> Markup:
        return Markup('<span class="tag tag-{}-{}">{}</span>').format(kind, code, word(words, code))

    return show


def contact_tag(channel: str, status: str) -> Markup:
    """Format a contact's status as a coloured tag."""
    markup: Markup = tag(contact_words(channel), "outreach")(status)
    return markup


def label(words: dict[str, Any]) -> Any:
    """Return a formatter that shows the display name of a code."""
    return lambda code: word(words, code)


def when(moment: dt.datetime | None) -> Markup | str:
    """Format a moment as relative time, with the full local time on hover."""
    if moment is None:
        return ""
    local_time = local(moment)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        local_time.isoformat(timespec="seconds"), local_time.strftime("%Y-%m-%d %H:%M:%S"), _ago(local_time)
    )


def moment(value: dt.datetime | None) -> Markup | str:
    """Format a moment as local time to the second."""
    if value is None:
        return ""
    local_time = local(value)
    return Markup('<time datetime="{}">{}</time>').format(
        local_time.isoformat(timespec="seconds"), local_time.strftime("%Y-%m-%d %H:%M:%S")
    )


def _ago(moment: dt.datetime) -> str:
    seconds = (clock.now() - moment).total_seconds()
    if 0 <= seconds < 60:
        return gettext("just now")
    if 0 <= seconds < 3600:
        return gettext("%(n)s min ago", n=int(seconds // 60))
    if 0 <= seconds < 86400:
        return gettext("%(n)s h ago", n=int(seconds // 3600))
    return moment.strftime("%Y-%m-%d %H:%M")


def number(value: Any) -> Markup:
    """Format a right-aligned number with thousands separators."""
    return Markup('<span class="num">{:,}</span>').format(value or 0)


def listed(values: Any) -> str:
    """Format a list of filter values; an empty one means no filter."""
    return joined(values) if values else gettext("No filter")


def reject_counts(values: dict[str, int] | None) -> Markup:
    """Format counts of rejected rows by reason as tags."""
    if not values:
        return Markup("")
    return Markup(" ").join(
        Markup('<span class="tag">{} {:,}</span>').format(word(REJECT_REASON, reason), n)
        for reason, n in sorted(values.items())
    )


def lines(parts: Iterable[Markup], *, many: bool = False) -> Markup:
    """Format parts as a list with one line each, ``many`` short ones in columns; empty without parts."""
    items = Markup("").join(Markup("<li>{}</li>").format(each) for each in parts)
    kind = "plain-list many" if many else "plain-list"
    return Markup('<ul class="{}">{}</ul>').format(kind, items) if items else Markup("")


def clip(text: str) -> Markup | str:
    """Format a sentence as one line, in full on hover and while its row has the focus."""
    return Markup('<span class="clip" title="{}">{}</span>').format(text, text) if text else ""


def file_tail(path: str) -> Markup:
    """Format a file's path as folder and name, with the whole path on hover."""
    return Markup('<span title="{}">{}</span>').format(path, "/".join(path.split("/")[-2:]))


def progress_bar(value: Any) -> Markup:
    """Format a percentage as a progress bar."""
    return Markup(
        '<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{0}"'
        ' aria-label="{1}">{2}<b>{0}%</b></div>'
    ).format(int(value or 0), gettext("Progress"), fill(int(value or 0)))


def fill(percent: float) -> Markup:
    """Return what fills so much of a bar, without a style attribute, which pages may not have."""
    return Markup('<svg class="fill" aria-hidden="true"><rect width="{:.1f}%" height="100%"/></svg>').format(
        max(0.0, min(percent, 100.0))
    )


def code(value: Any) -> Markup | str:
    """Format a code in tabular figures."""
    return Markup('<code class="plain">{}</code>').format(value) if value else ""


def old_to_new(old: Any, new: Any) -> Markup:
    """Format a former and a new value."""
    arrow = Markup('<span aria-hidden="true">→</span><span class="sr">{}</span>').format(_("became"))
    return Markup('<span class="changes"><del>{}</del> {} <ins>{}</ins></span>').format(old, arrow, new)


#: labels and formats of the columns that all background jobs share
JOB_WORDS: dict[str, Any] = {
    "status": lazy_gettext("Status"),
    "progress": lazy_gettext("Progress"),
    "error": lazy_gettext("Error"),
    "requested_by": lazy_gettext("By"),
    "created_at": lazy_gettext("Requested at"),
    "finished_at": lazy_gettext("Finished"),
}
JOB_FORMATS: dict[str, Any] = {
    "status": tag(RUN_STATUS, "run"),
    "progress": progress_bar,
    "created_at": when,
    "finished_at": when,
}


def changes_markup(rows: Sequence[Sequence[str]]) -> Markup:
    """Format differences as a table of what changes, its current and its new value."""
    if not rows:
        return escape(_("No differences from the version in force."))
    if not any(old for _what, old, _new in rows):
        return _new_markup(rows)
    head = Markup("<tr><th>{}</th><th>{}</th><th>{}</th></tr>").format(
        _("Item"), _("Current"), _("After the change")
    )
    body = Markup("").join(
        Markup("<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>").format(
            what, _side(old, "del"), _side(new, "ins")
        )
        for what, old, new in rows
    )
    return Markup("<table class='changes'><thead>{}</thead><tbody>{}</tbody></table>").format(head, body)


def _new_markup(rows: Sequence[Sequence[str]]) -> Markup:
    """Format what is new as a whole: there is no current value to compare with."""
    body = Markup("").join(
        Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>").format(
            what, new or Markup("<span class='none'>—</span>")
        )
        for what, _old, new in rows
    )
    return Markup("<table class='changes'><tbody>{}</tbody></table>").format(body)


def _side(text: str, tag: str) -> Markup:
    if not text:
        return Markup("<span class='none'>—</span>")
    return (Markup("<del>{}</del>") if tag == "del" else Markup("<ins>{}</ins>")).format(text)

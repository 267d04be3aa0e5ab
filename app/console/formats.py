"""Values of table cells: tags, times, numbers, lists, in the person's language."""

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
    """A list formatter that shows a code as a coloured tag of the style sheet's ``kind``."""

    def show(code: Any) -> Markup:
        return Markup('<span class="tag tag-{}-{}">{}</span>').format(kind, code, word(words, code))

    return show


def contact_tag(channel: str, status: str) -> Markup:
    """Where a contact stands, as a coloured tag."""
    shown: Markup = tag(contact_words(channel), "outreach")(status)
    return shown


def label(words: dict[str, Any]) -> Any:
    """A list formatter that shows the word for a code."""
    return lambda code: word(words, code)


def when(moment: dt.datetime | None) -> Markup | str:
    """A moment as relative time, the full local time on hover."""
    if moment is None:
        return ""
    here = local(moment)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        here.isoformat(timespec="seconds"), here.strftime("%Y-%m-%d %H:%M:%S"), _ago(here)
    )


def moment(value: dt.datetime | None) -> Markup | str:
    """A moment to the second, local time: for what is read beside a plan."""
    if value is None:
        return ""
    here = local(value)
    return Markup('<time datetime="{}">{}</time>').format(
        here.isoformat(timespec="seconds"), here.strftime("%Y-%m-%d %H:%M:%S")
    )


def _ago(here: dt.datetime) -> str:
    seconds = (clock.now() - here).total_seconds()
    if 0 <= seconds < 60:
        return gettext("just now")
    if 0 <= seconds < 3600:
        return gettext("%(n)s min ago", n=int(seconds // 60))
    if 0 <= seconds < 86400:
        return gettext("%(n)s h ago", n=int(seconds // 3600))
    return here.strftime("%Y-%m-%d %H:%M")


def number(value: Any) -> Markup:
    """A right-aligned number with thousands separators."""
    return Markup('<span class="num">{:,}</span>').format(value or 0)


def listed(values: Any) -> str:
    """A list in words; nothing given means no filter."""
    return joined(values) if values else gettext("No filter")


def reject_counts(values: dict[str, int] | None) -> Markup:
    """Reject counts by reason as small tags."""
    if not values:
        return Markup("")
    return Markup(" ").join(
        Markup('<span class="tag">{} {:,}</span>').format(word(REJECT_REASON, reason), n)
        for reason, n in sorted(values.items())
    )


def lines(parts: Iterable[Markup]) -> Markup:
    """One part a line; empty when there is none."""
    items = Markup("").join(Markup("<li>{}</li>").format(each) for each in parts)
    return Markup('<ul class="plain-list">{}</ul>').format(items) if items else Markup("")


def file_tail(path: str) -> Markup:
    """A delivered file by its own name and that of its folder; the whole path on hover."""
    return Markup('<span title="{}">{}</span>').format(path, "/".join(path.split("/")[-2:]))


def progress_bar(value: Any) -> Markup:
    """A progress bar."""
    return Markup(
        '<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{0}"'
        ' aria-label="{1}"><i style="width:{0}%"></i><b>{0}%</b></div>'
    ).format(int(value or 0), gettext("Progress"))


def code(value: Any) -> Markup:
    """A code in tabular figures."""
    return Markup('<code class="plain">{}</code>').format(escape(value or ""))


#: what the screens of all background jobs call the columns that they share, and how these are shown
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
    """Differences as a table of what, now, then."""
    if not rows:
        return escape(_("Nothing differs from what is in force."))
    head = Markup("<tr><th>{}</th><th>{}</th><th>{}</th></tr>").format(_("What"), _("Now"), _("Then"))
    body = Markup("").join(
        Markup("<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>").format(
            what, _side(old, "del"), _side(new, "ins")
        )
        for what, old, new in rows
    )
    return Markup("<table class='changes'><thead>{}</thead><tbody>{}</tbody></table>").format(head, body)


def _side(text: str, tag: str) -> Markup:
    if not text:
        return Markup("<span class='none'>—</span>")
    return (Markup("<del>{}</del>") if tag == "del" else Markup("<ins>{}</ins>")).format(text)

"""The weekly report as a PDF, typeset by Typst from report.typ with an embedded Chinese font."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pylopdf_fonts_zh_cn
from flask_babel import gettext as _

from app.lib.lazy import lazy
from app.reports.wording import Document

if TYPE_CHECKING:
    import typst
else:
    typst = lazy("typst")


TEMPLATE = Path(__file__).parent / "report.typ"


def pdf(report: Document) -> bytes:
    """Return the report as a PDF. Its text is passed as data, so that no name can become markup."""
    words = {
        "product": _("Lead Monitor"),
        "made": _("created %(time)s", time=report.made),
        "below": _("Below each figure: the change from the previous week.")
        if any(card.change for card in report.cards)
        else _("There were no hits in the previous week to compare with."),
        "effect": _("Marketing uplift"),
        "waits": _("Open work"),
        "counted": _("How this is counted"),
        "internal": _("%(product)s · for use within the bank only", product=_("Lead Monitor")),
    }
    given = {"report": json.dumps(asdict(report)), "words": json.dumps(words)}
    fonts = pylopdf_fonts_zh_cn.sans_path().parent
    made: bytes = typst.compile(
        str(TEMPLATE), font_paths=[str(fonts)], ignore_system_fonts=True, sys_inputs=given
    )
    return made

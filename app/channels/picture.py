"""A small bar chart as a PNG for mails.

Pillow is a single wheel without dependencies. The pages' chart library needs a browser, matplotlib is too
large for four bars, and mail programs don't show SVG. The chart has only letters and figures, so that
Pillow's own font is enough and the server needs no Chinese font.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.lib.lazy import lazy

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont
else:
    Image, ImageDraw, ImageFont = (lazy(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))


#: drawn at twice the displayed size for high-resolution screens
SCALE = 2
WIDTH, ROW, LEFT, RIGHT = 420, 30, 36, 64


def bars(values: Sequence[tuple[str, int, str]]) -> bytes:
    """Draw horizontal bars of (label, number, colour) with ASCII labels, and return the PNG."""
    height = ROW * len(values) + 8
    image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(13 * SCALE)
    largest = max((number for _label, number, _colour in values), default=0) or 1
    for place, (label, number, colour) in enumerate(values):
        top = (4 + ROW * place) * SCALE
        middle = top + ROW * SCALE // 2
        end = LEFT + (WIDTH - LEFT - RIGHT) * number / largest
        draw.text((10 * SCALE, middle), label, "#1f1f1f", font, anchor="lm")
        draw.rectangle((LEFT * SCALE, top + 6 * SCALE, end * SCALE, top + (ROW - 6) * SCALE), colour)
        draw.text(((end + 8) * SCALE, middle), f"{number:,}", "#1f1f1f", font, anchor="lm")
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True)
    return written.getvalue()

"""A small bar chart as a PNG for mails.

Pillow: one wheel without dependencies. The chart library of the pages draws in a browser, matplotlib brings
numpy-sized weight for four bars, and mail programs don't show SVG. Letters and figures only, so that
Pillow's own font is enough and no Chinese font has to be installed on the server.
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


#: drawn at twice the size it is shown in, for sharp screens
SCALE = 2
WIDTH, ROW, LEFT, RIGHT = 420, 30, 36, 64


def bars(values: Sequence[tuple[str, int, str]]) -> bytes:
    """Horizontal bars of (label, number, colour), labels in ASCII."""
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

"""pandas under its usual name, imported at its first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.lib.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

__all__ = ["pd"]

"""Sets of leads that the analytical store has found, as criteria of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, LargeBinary, and_, bindparam, case, false, func, true

from app.lib.lazy import lazy
from app.models import Lead

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")


@dataclass(frozen=True)
class Marks:
    """A set of leads: ``bits`` by their ids, and whether it has those with higher ids."""

    bits: Any
    beyond: bool = False

    def __invert__(self) -> Marks:
        return Marks(~self.bits, not self.beyond)

    def criterion(self) -> ColumnElement[bool]:
        """Return a criterion on Lead. The set goes to the database as a bit per id: 625 kB for 5 million."""
        if not self.bits.any():
            return and_(true(), Lead.id >= len(self.bits)) if self.beyond else false()
        packed = np.packbits(self.bits, bitorder="little").tobytes()
        bit = func.get_bit(bindparam(None, packed, type_=LargeBinary), Lead.id)
        return case((Lead.id < len(self.bits), bit == 1), else_=self.beyond)

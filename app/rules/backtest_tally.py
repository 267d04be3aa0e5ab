"""Tally of the would-be hits of a back-test, date by date, with cooldown and later conversions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

from app.lib.frames import pd
from app.lib.lazy import lazy
from app.rules.proportion import Share

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Leads = npt.NDArray[np.int64]
else:
    np = lazy("numpy")

_NEVER = -20_000


class Outcomes:
    """Conversions of leads within ``days`` days after a date, and on the date itself if ``same_day``."""

    def __init__(
        self, converted: Iterable[tuple[int, dt.date]], days: int, *, same_day: bool = False
    ) -> None:
        """``converted`` are leads with the date of a conversion, several times when there were several."""
        self._from = 0 if same_day else 1
        table = pd.DataFrame(converted, columns=["lead", "date"])
        self._leads, self._dates = table.lead.astype("int64"), pd.to_datetime(table.date)
        self._days = days

    @property
    def leads(self) -> Leads:
        """The leads that converted at all, ascending."""
        return np.unique(self._leads)

    def after(self, day: dt.date) -> Leads:
        """Return the leads that converted in time after the date."""
        first, last = (pd.Timestamp(day + dt.timedelta(days=n)) for n in (self._from, self._days))
        return self._leads[self._dates.between(first, last)].unique()


class Tally:
    """The hits that a rule would have made at one threshold, fed date by date in order."""

    def __init__(self, cooldown_days: int, outcomes: Outcomes) -> None:
        self._cooldown = cooldown_days
        self._outcomes = outcomes
        self._last = np.full(0, _NEVER, np.int16)
        self._start: dt.date | None = None
        self._converted: set[int] = set()
        self.by_day: dict[dt.date, int] = {}

    def take(self, day: dt.date, met: Leads) -> None:
        """Add the next date with the leads, ascending, that meet the rule as of it."""
        self._start = self._start or day
        number = (day - self._start).days
        self._make_room(met)
        caught = met[number - self._last[met].astype(np.int32) >= self._cooldown]
        self._last[caught] = number
        self.by_day[day] = len(caught)
        self._converted.update(caught[np.isin(caught, self._outcomes.after(day))].tolist())

    @property
    def hits(self) -> int:
        """The number of hits."""
        return sum(self.by_day.values())

    @property
    def converted(self) -> Share:
        """The share of the leads hit that converted in time after a hit."""
        return Share(len(self._converted), int(np.count_nonzero(self._last != _NEVER)))

    def _make_room(self, met: Leads) -> None:
        missing = int(met[-1]) + 1 - len(self._last) if len(met) else 0
        if missing > 0:
            self._last = np.append(self._last, np.full(missing + len(self._last) // 4, _NEVER, np.int16))

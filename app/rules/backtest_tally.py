"""Would-be hits, counted date by date: cooldown, leads caught, and what became of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

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
    """Whether a lead converted after a date: within ``days`` days, not on the date itself."""

    def __init__(self, converted: Mapping[int, Iterable[dt.date]], days: int) -> None:
        self._converted = {lead: sorted(dates) for lead, dates in converted.items()}
        self._leads = np.array(sorted(self._converted), np.int64)
        self._span = dt.timedelta(days=days)

    @property
    def leads(self) -> Leads:
        """The leads that converted at all, ascending."""
        return self._leads

    def known(self, leads: Leads) -> Leads:
        """Those of ``leads`` that converted at all: the only ones worth asking about."""
        return leads[np.isin(leads, self._leads)]

    def followed(self, lead: int, day: dt.date) -> bool:
        """Whether the lead converted in time after the date."""
        return any(day < each <= day + self._span for each in self._converted.get(lead, ()))


class Tally:
    """The hits that one rule at one threshold would have made; it is given the dates in order."""

    def __init__(self, cooldown_days: int, outcomes: Outcomes) -> None:
        self._cooldown = cooldown_days
        self._outcomes = outcomes
        self._last = np.full(0, _NEVER, np.int16)
        self._start: dt.date | None = None
        self._converted: set[int] = set()
        self.by_day: dict[dt.date, int] = {}

    def take(self, day: dt.date, met: Leads) -> None:
        """The leads, ascending, that meet the rule as of the next date."""
        self._start = self._start or day
        number = (day - self._start).days
        self._make_room(met)
        caught = met[number - self._last[met].astype(np.int32) >= self._cooldown]
        self._last[caught] = number
        self.by_day[day] = len(caught)
        self._converted.update(
            int(lead) for lead in self._outcomes.known(caught) if self._outcomes.followed(int(lead), day)
        )

    @property
    def hits(self) -> int:
        """The hits made."""
        return sum(self.by_day.values())

    @property
    def converted(self) -> Share:
        """The leads that converted in time after a hit, of all that were hit."""
        return Share(len(self._converted), int(np.count_nonzero(self._last != _NEVER)))

    def _make_room(self, met: Leads) -> None:
        missing = int(met[-1]) + 1 - len(self._last) if len(met) else 0
        if missing > 0:
            self._last = np.append(self._last, np.full(missing + len(self._last) // 4, _NEVER, np.int16))

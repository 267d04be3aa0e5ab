"""Which leads that meet a rule get a hit, and until when the hits they have are met: the rule's cooldown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.lib.lazy import lazy

if TYPE_CHECKING:
    import numpy as np

    from app.activity.finder import Bools, Ints
else:
    np = lazy("numpy")


class Known(NamedTuple):
    """The stored hits of leads, by lead and hit date: dates are numbers of days."""

    ids: Ints
    leads: Ints
    on: Ints
    last: Ints


class Settled(NamedTuple):
    """What becomes of the leads that meet a rule, by lead and date.

    ``created`` tells where a hit is made, or a withdrawn one becomes live, and ``last`` on which date that
    hit is last met. ``again`` tells where a stored hit is met on its own date. ``met_later`` are the ids of
    stored hits with the newer date on which they are met.
    """

    created: Bools
    last: Ints
    again: Bools
    met_later: tuple[Ints, Ints]


#: more than the numbers of days, so that a lead and a date make one number
_SPAN = 1 << 22


def settle(
    leads: Ints, met: Bools, days: Ints, known: Known, cooldown: int, withdrawn: Known | None = None
) -> Settled:
    """Go through ascending dates. ``met`` tells by lead, ascending, and date who meets the rule.

    A lead gets a hit unless another one, a later one too, is closer than the cooldown. Otherwise its newest
    hit up to the date is met again. A ``withdrawn`` hit that is met on its date becomes live unless another
    one is closer than the cooldown, whatever later hits there are.
    """
    place = np.searchsorted(leads, known.leads)
    back = np.zeros_like(met)
    if withdrawn is not None and len(withdrawn.ids):
        column = np.searchsorted(days, withdrawn.on).clip(max=len(days) - 1)
        here = days[column] == withdrawn.on
        back[np.searchsorted(leads, withdrawn.leads[here]), column[here]] = True
    created = _created(met, days, place, known, cooldown, back & met)
    made_by, made_on = np.nonzero(created)
    owner, on = np.concatenate([place, made_by]), np.concatenate([known.on, days[made_on]])
    order = np.lexsort((on, owner))
    last = np.concatenate([known.last, days[made_on]])[order]
    span = int(max(on.max(initial=0), days[-1])) + 2
    keys = (owner * span + on)[order]
    lead, column = np.nonzero(met & ~created)
    at = np.searchsorted(keys, lead * span + days[column], side="right") - 1
    is_own = (at >= 0) & (keys[at] // span == lead)
    lead, column, at = lead[is_own], column[is_own], at[is_own]
    is_same_day = keys[at] % span == days[column]
    again = np.zeros_like(met)
    again[lead[is_same_day], column[is_same_day]] = True
    np.maximum.at(last, at[~is_same_day], days[column[~is_same_day]])
    unordered = np.empty_like(last)
    unordered[order] = last
    later = unordered[: len(place)] > known.last
    by_cell = np.zeros(met.shape, last.dtype)
    by_cell[made_by, made_on] = unordered[len(place) :]
    return Settled(created, by_cell, again, (known.ids[later], unordered[: len(place)][later]))


def _created(met: Bools, days: Ints, place: Ints, known: Known, cooldown: int, back: Bools) -> Bools:
    newest = np.full(len(met), -(10**6), np.int64)
    np.maximum.at(newest, place, known.on)
    before = np.full(len(met), -(10**6), np.int64)
    created = np.zeros_like(met)
    returns = np.flatnonzero(back.any(axis=0)).tolist()
    cells = _cells(place, known, len(met)) if returns else place
    for column, day in enumerate(days.tolist()):
        created[:, column] = met[:, column] & (day - newest >= cooldown)
        if column in returns:
            rows = np.flatnonzero(back[:, column])
            at = np.searchsorted(cells, rows * _SPAN + day)
            gap = np.minimum(rows * _SPAN + day - cells[at - 1], cells[at] - rows * _SPAN - day)
            is_free = np.minimum(gap, day - before[rows]) >= cooldown
            created[rows[is_free], column] = True
        made = created[:, column]
        newest[made], before[made] = np.maximum(newest[made], day), day
    return created


def _cells(place: Ints, known: Known, leads: int) -> Ints:
    """Return leads and dates of hits as ascending numbers, between one before them all and one after."""
    return np.sort(np.concatenate([[-_SPAN], place * _SPAN + known.on, [(leads + 1) * _SPAN]]))

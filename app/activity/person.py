"""The activity of a single person, whether on the lead list or not."""

from datetime import date

import ibis

from app.activity import engine
from app.activity.cube import ACTIVITY
from app.activity.settings import EngineSettings
from app.activity.store import Snapshot


def person_days(
    snapshot: Snapshot, id_hash: str, *, settings: EngineSettings | None = None
) -> dict[date, dict[str, int]]:
    """Return ``calls`` and ``institutions`` for each local date with events of the person, ascending.

    ``id_hash`` is the keyed hash of the ID number, 64 hex digits.
    """
    if not snapshot.days:
        return {}
    person = ibis.literal(id_hash[:32]).cast("uuid")
    activity = ibis.table(ACTIVITY, name="activity")
    own = activity.filter(activity.person == person)
    counted = (
        own.group_by("day").agg(calls=own.n.sum(), institutions=own.institution.nunique()).order_by("day")
    )
    files = snapshot.paths(entry.activity for _day, entry in sorted(snapshot.days.items()))
    with engine.opened(snapshot.root, settings) as connection:
        engine.view(connection, "activity", ACTIVITY, files)
        rows = engine.run(connection, counted).to_pylist()
    return {row["day"]: {"calls": row["calls"], "institutions": row["institutions"]} for row in rows}

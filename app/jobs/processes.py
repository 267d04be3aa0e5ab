"""The processes of the product as Redis knows them: workers, and the ticker by the time of its last tick."""

from __future__ import annotations

import datetime as dt
import logging
from typing import NamedTuple

from redis.exceptions import RedisError
from rq import Queue, Worker

from app.jobs import QUEUES
from app.jobs.nudges import redis_connection
from app.lib import clock
from app.lib.settings import current_settings

TICKER = "ticker"
#: where the ticker leaves the time of its last tick, and how long it is kept
_KEY, _KEPT = "lead-monitor:tick", dt.timedelta(hours=1)
#: a ticker that is silent for longer does not run
SILENT = dt.timedelta(minutes=2)

log = logging.getLogger(__name__)


class Process(NamedTuple):
    """A queue or the ticker: state of its process (empty for none), last sign of life, waiting jobs."""

    name: str
    state: str
    seen: dt.datetime | None
    waiting: int | None


def ticked(now: dt.datetime) -> None:
    """Leave the time of a tick in Redis; without Redis nothing is left."""
    url = current_settings().redis_url
    if not url:
        return
    try:
        redis_connection(url).set(_KEY, now.isoformat(), ex=_KEPT)
    except RedisError as error:
        log.warning("the time of the tick could not be stored: %s", type(error).__name__)


def found() -> list[Process] | None:
    """Return the ticker and the queues with their workers, None when Redis does not answer."""
    url = current_settings().redis_url
    if not url:
        return None
    try:
        connection = redis_connection(url)
        workers = Worker.all(connection=connection)
        stored = connection.get(_KEY)
        waiting = {name: Queue(name, connection=connection).count for name in QUEUES}
    except RedisError:
        return None
    return [_ticker(stored), *(_of_queue(name, workers, waiting[name]) for name in QUEUES)]


def _ticker(stored: object) -> Process:
    at = dt.datetime.fromisoformat(stored.decode()) if isinstance(stored, bytes) else None
    alive = at is not None and clock.now() - at < SILENT
    return Process(TICKER, "ticking" if alive else "", at, None)


def _of_queue(name: str, workers: list[Worker], waiting: int) -> Process:
    own = [each for each in workers if name in each.queue_names()]
    seen = max((each.last_heartbeat for each in own if each.last_heartbeat), default=None)
    seen = seen.replace(tzinfo=dt.UTC) if seen is not None and seen.tzinfo is None else seen
    states = [str(getattr(each.get_state(), "value", each.get_state())) for each in own]
    return Process(name, "busy" if "busy" in states else (states[0] if states else ""), seen, waiting)

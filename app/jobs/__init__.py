"""RQ entry points and the nudges that start them.

The truth about what is to be done is in PostgreSQL; a lost nudge only means that the ticker nudges again.
"""

from __future__ import annotations

import logging

from flask import current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

#: One worker process serves one queue: an RQ worker on several loses jobs at kill -9.
QUEUES = ("t1", "import", "default", "push", "outreach")
JOB_TIMEOUT_SECONDS = 6 * 3600
KEEP_FAILED_SECONDS = 7 * 86400

log = logging.getLogger(__name__)


def redis_connection(url: str) -> Redis:
    """A connection that fails at once instead of retrying for minutes."""
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=2)


def queue(name: str) -> Queue:
    """The RQ queue of that name of this app's Redis."""
    connection = redis_connection(current_app.config["SETTINGS"].redis_url)
    return Queue(name, connection=connection, serializer=JSONSerializer, default_timeout=JOB_TIMEOUT_SECONDS)


def nudge_once(queue_name: str, function: str) -> bool:
    """Ask a worker to look for work of its own, unless somebody has asked already."""
    if not current_app.config["SETTINGS"].redis_url:
        return False
    try:
        if queue(queue_name).count:
            return True
    except (RedisError, OSError) as error:
        log.warning("no nudge for %s: %s; the ticker will try again", function, type(error).__name__)
        return False
    return nudge(queue_name, function, 0)


def nudge(queue_name: str, function: str, row_id: int) -> bool:
    """Ask a worker to look at a row. False, with a warning in the log, when Redis can't be reached."""
    if not current_app.config["SETTINGS"].redis_url:
        return False
    try:
        queue(queue_name).enqueue(
            function,
            row_id,
            result_ttl=0,
            failure_ttl=KEEP_FAILED_SECONDS,
            description=f"{function} {row_id}",
        )
    except (RedisError, OSError) as error:
        log.warning(
            "no nudge for %s %s: %s; the ticker will try again", function, row_id, type(error).__name__
        )
        return False
    return True

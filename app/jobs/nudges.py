"""Nudges: RQ jobs that ask a worker to look at a row.

PostgreSQL holds what there is to do; a lost nudge only means that the ticker nudges again.
"""

from __future__ import annotations

import datetime as dt
import logging

from flask import current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import str_to_date

JOB_TIMEOUT_SECONDS = 6 * 3600
#: The rows say what failed and why; RQ keeps failed jobs only for debugging.
KEEP_FAILED_SECONDS = 3600
#: how often a worker reports that its job is alive, and after which silence the job counts as dead
HEARTBEAT_SECONDS = 10
SILENT = dt.timedelta(seconds=40)
#: workers that may look for work of one kind at the same time
MAX_WORKERS = 8

log = logging.getLogger(__name__)


def redis_connection(url: str) -> Redis:
    """Return a connection that fails at once instead of retrying for minutes."""
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=2)


def queue(name: str) -> Queue:
    """Return the RQ queue ``name`` of this app's Redis."""
    connection = redis_connection(current_app.config["SETTINGS"].redis_url)
    return Queue(name, connection=connection, serializer=JSONSerializer, default_timeout=JOB_TIMEOUT_SECONDS)


def nudge_once(queue_name: str, function: str) -> bool:
    """Ask a worker to look for work, unless one is asked already; several may be working."""
    return _ask(queue_name, function, 0, MAX_WORKERS)


def nudge(queue_name: str, function: str, row_id: int) -> bool:
    """Ask a worker to look at a row, unless one is asked already or working on it.

    Return False, with a warning in the log, when Redis can't be reached.
    """
    return _ask(queue_name, function, row_id, 1)


def _ask(queue_name: str, function: str, row_id: int, places: int) -> bool:
    if not current_app.config["SETTINGS"].redis_url:
        return False
    names = [f"{function.replace('.', '-')}-{row_id}-{place}" for place in range(places)]
    try:
        served = queue(queue_name)
        states = [_state(served, name) for name in names]
        free = [name for name, state in zip(names, states, strict=True) if state is None]
        if free and JobStatus.QUEUED not in states:
            _enqueue(served, function, row_id, free[0])
    except (RedisError, OSError) as error:
        log.warning(
            "no nudge for %s %s: %s; the ticker will try again", function, row_id, type(error).__name__
        )
        return False
    return True


def _state(served: Queue, name: str) -> JobStatus | None:
    """Return QUEUED, STARTED, or None for a job that is missing, over, or lost with its worker."""
    fields = ("status", "last_heartbeat", "enqueued_at")
    values = served.connection.hmget(Job.key_for(name), fields)
    status, seen, enqueued = (each.decode() if each else "" for each in values)
    if status == JobStatus.QUEUED and (_is_recent(enqueued) or served.get_job_position(name) is not None):
        return JobStatus.QUEUED
    return JobStatus.STARTED if status == JobStatus.STARTED and _is_recent(seen) else None


def _is_recent(moment: str) -> bool:
    # RQ's timestamps come from the hosts' clocks. With a clock that is off by more than SILENT, a worker is
    # asked once too often, or not until RQ drops the job. The leases, by the database's clock, decide.
    return bool(moment) and dt.datetime.now(dt.UTC) - str_to_date(moment.encode()) < SILENT


def _enqueue(served: Queue, function: str, row_id: int, name: str) -> None:
    """Enqueue a job under ``name``, after deleting the remains of an earlier job of that name."""
    try:
        Job.fetch(name, connection=served.connection, serializer=JSONSerializer).delete()
    except NoSuchJobError:
        served.connection.delete(Job.key_for(name))
    try:
        served.enqueue(
            function,
            row_id,
            job_id=name,
            unique=True,
            result_ttl=0,
            failure_ttl=KEEP_FAILED_SECONDS,
            description=f"{function} {row_id}",
        )
    except DuplicateJobError:
        log.debug("%s was asked for by another process at the same moment", name)

"""The RQ worker of one queue."""

from __future__ import annotations

import resource
from typing import Any

import click
from flask import current_app
from redis.exceptions import RedisError
from rq import Worker
from rq.serializers import JSONSerializer

from app.errors import DomainError
from app.jobs import QUEUES
from app.jobs.nudges import HEARTBEAT_SECONDS, queue


class LimitedWorker(Worker):  # type: ignore[misc]
    """A worker that limits the memory of each job, a process of its own, to WORKER_MEMORY_MB."""

    def main_work_horse(self, *job: Any) -> None:
        """Limit this process, then run the job."""
        limit = current_app.config["SETTINGS"].worker_memory_mb << 20
        # RLIMIT_AS would be too strict: the analytical engine reserves more address space than it uses.
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        super().main_work_horse(*job)


def work(queue_name: str, *, burst: bool = False) -> None:
    """Serve a queue until told to stop. Raises UsageError for an unknown queue or without REDIS_URL."""
    if queue_name not in QUEUES:
        raise click.UsageError(f"unknown queue {queue_name!r}: {', '.join(QUEUES)}")
    if not current_app.config["SETTINGS"].redis_url:
        raise click.UsageError("REDIS_URL is not set; `python run.py` starts workers with it")
    served = queue(queue_name)
    if queue_name == "push":
        # Its mails link to pages; jobs, which are forked from here, find them loaded.
        _ = current_app.appbuilder  # type: ignore[attr-defined]
    try:
        LimitedWorker(
            [served],
            connection=served.connection,
            serializer=JSONSerializer,
            worker_ttl=30,
            job_monitoring_interval=HEARTBEAT_SECONDS,
            maintenance_interval=30,
        ).work(burst=burst, with_scheduler=False)
    except RedisError as error:
        raise DomainError("Redis can't be reached: %(why)s", why=type(error).__name__) from error

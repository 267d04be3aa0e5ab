"""Background work: the RQ entry points, the worker, the ticker, leases and locks."""

#: One worker process serves one queue: an RQ worker that serves several loses jobs on kill -9.
QUEUES = ("t1", "import", "default", "push", "outreach")

"""RQ entry points, the nudges that start them, the worker and the ticker."""

#: One worker process serves one queue: an RQ worker on several loses jobs at kill -9.
QUEUES = ("t1", "import", "default", "push", "outreach")

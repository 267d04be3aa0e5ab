"""Sending deliveries in hundreds with leases, threads and keep-alive, compared with one by one.

``python bench/delivery.py [DELIVERIES]`` (default 100,000), each a signed webhook with one hit, to a receiver
on loopback that verifies nothing and answers at once. One by one is the same work in a loop over the rows,
with a connection per delivery. It is measured on a fiftieth of them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import multiprocessing
import sys
from typing import Any

from sqlalchemy import text

from app.channels import guard, targets
from app.extensions import db
from app.models import Target
from app.push import deliver
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from bench._common import peak_mb, product, timed
from config import Settings

RULE = {
    "code": "R-1",
    "name": "活跃",
    "conditions": [{"metric": "calls", "op": ">=", "value": 3, "window_days": 7}],
}
SCHEDULE = {
    "code": "S-1",
    "name": "推送",
    "rules": ["R-1"],
    "preset": "hourly",
    "channels": [{"kind": "webhook", "target": "crm"}],
}
NOW = dt.datetime(2026, 10, 26, 1, tzinfo=dt.UTC)
ONE_IN = 50


def main() -> None:
    """Print the deliveries per second of both ways and their ratio."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,), daemon=True)
    receiver.start()
    place = f"http://127.0.0.1:{ours.recv()}"
    with product() as (app, settings):
        app.config["SETTINGS"] = dataclasses.replace(settings, webhook_allow=(place,))
        arrange(place, total, app.config["SETTINGS"])
        speeds = {}
        for name, count, batch, threads in (
            ("one by one", max(total // ONE_IN, 50), 1, 1),
            ("by the hundred", total, deliver.CLAIM_SIZE, deliver.THREADS),
        ):
            speeds[name] = measure(name, count, batch, threads)
        print(f"ratio: {speeds['by the hundred'] / speeds['one by one']:.1f}")
    receiver.terminate()


def measure(name: str, count: int, batch: int, threads: int) -> float:
    """Return the deliveries per second when ``count`` of them are due."""
    deliver.CLAIM_SIZE, deliver.THREADS = batch, threads
    guard._senders.clear()
    guard.KEEP_ALIVE_SECONDS = 30.0 if batch > 1 else 0.0
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE delivery SET status = 'cancelled', next_at = NULL"))
        connection.execute(
            text(
                "UPDATE delivery SET status = 'waiting', next_at = :now WHERE id IN "
                "(SELECT id FROM delivery ORDER BY id LIMIT :n)"
            ),
            {"now": NOW, "n": count},
        )
        connection.execute(text("ANALYZE delivery"))
    results: dict[str, float] = {}
    with timed(results, name):
        sent = deliver.work(lambda: NOW, seconds=36_000, wait=False)
    assert sent == count, (sent, count)
    speed = count / results[name]
    seconds = results[name]
    print(
        f"{name:15} {count:>8,} deliveries {seconds:8.1f} s {speed:8,.0f}/s {peak_mb():6.0f} MB", flush=True
    )
    return speed


def arrange(place: str, count: int, settings: Settings) -> None:
    """Create leads, each with a hit and a delivery."""
    set_up(place, settings)
    for statement in (*HITS, *DELIVERIES):
        db.session.execute(text(statement), {"n": count} if ":n" in statement else {})
    db.session.commit()


def set_up(place: str, settings: Settings) -> None:
    """Create a rule, its schedule, and the receiver at ``place`` as its target."""
    apply_config(parse_config({"rules": [RULE], "schedules": [SCHEDULE]}, "bench"), "bench")
    target = db.session.query(Target).one()
    targets.save(target, "CRM", {"url": f"{place}/hooks"})
    targets.new_secret(target, settings)
    targets.resume(target)
    db.session.commit()


#: ``:n`` leads, each with a hit of the rule
HITS = (
    r"""
INSERT INTO lead (name, id_hash, phone_cipher, phone_index, phone_masked)
SELECT '客户', md5(g\:\:text) || md5((-g)\:\:text), '', '', '138****0000' FROM generate_series(1, :n) g""",
    r"""
INSERT INTO hit (rule_id, version_id, lead_id, hit_date, "values", score, grade, evidence, last_met_on,
                 made_on)
SELECT r.id, r.active_version_id, l.id, DATE '2026-10-25', '{5}', 5, 'B',
       '{"conditions"\: [{"metric"\: "calls", "op"\: ">=", "value"\: 3, "window_days"\: 7, "actual"\: 5,
                          "met"\: true}], "institutions"\: ["I-1"]}', DATE '2026-10-25', DATE '2026-10-26'
FROM lead l, rule r""",
)
#: a push of all hits, and a delivery for each
DELIVERIES = (
    """
INSERT INTO push (schedule_id, version_id, slot, at, outcome, hits)
SELECT s.id, s.active_version_id, now(), now(), 'send', 1 FROM schedule s""",
    """
INSERT INTO push_hit (schedule_id, hit_id, push_id) SELECT p.schedule_id, h.id, p.id FROM hit h, push p""",
    """
INSERT INTO delivery (uid, idempotency_key, push_id, target_id, hits, first_hit, last_hit, status)
SELECT 'msg_' || h.id, 'k' || h.id, p.id, t.id, 1, h.id, h.id, 'cancelled' FROM hit h, push p, target t""",
)


def receive(connection: Any) -> None:
    """Run a receiver that answers every post with 200, in a process of its own."""
    asyncio.run(_receive(connection))


async def _receive(connection: Any) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    connection.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionResetError):
        writer.close()


if __name__ == "__main__":
    main()

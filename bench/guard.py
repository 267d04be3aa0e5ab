"""What the database's check of each contact costs, in pairs with and without it.

``python bench/guard.py [CONTACTS]`` (default 10,000), in chunks as the worker writes them. Every customer
has two earlier contacts within the caps. CPU seconds are those of the server process that does the work.
"""

from __future__ import annotations

import statistics
import sys

import psutil
from sqlalchemy import Connection, select, text

from app.extensions import db
from app.lib import clock
from app.models import Holiday, OutreachSetting, OutreachTemplate, OutreachTemplateVersion, RuleVersion
from app.outreach.sending import CHUNK
from bench import dashboard, lists
from bench._common import product

ROUNDS = 4
FILL = """
    INSERT INTO outreach
        (batch_id, hit_id, lead_id, version_id, channel, id_hash, phone_index, status, reserved_at)
    SELECT b.id, h.id, l.id, :version, 'sms', l.id_hash, l.phone_index, CAST(:status AS text),
           CASE WHEN CAST(:status AS text) = 'sent' THEN app_now() - b.id % 7 * interval '1 day' END
    FROM outreach_batch b, lead l JOIN LATERAL (SELECT id FROM hit WHERE lead_id = l.id LIMIT 1) h ON true
    WHERE b.name = :name ORDER BY l.id LIMIT :n
"""
#: any hour, and the calendar is asked: the bank itself works today
RULES = {
    "sms_cap": 5,
    "sms_days": 7,
    "total_cap": 9,
    "total_days": 30,
    "open_from": "00:00",
    "open_to": "24:00",
}


def main() -> None:
    """Print CPU time a contact with and without the check, and their difference."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with product() as _ours:
        # The hits of bench/dashboard.py spread over 640 customers more.
        lists.fill(count + 641)
        dashboard.LEADS = count
        dashboard.fill(count * 2)
        version = _setup()
        for name, status in (("past 1", "sent"), ("past 2", "sent"), ("next", "queued")):
            told = {"version": version, "status": status, "name": name, "n": count}
            db.session.execute(text(FILL), told)
            db.session.commit()
        db.session.execute(text("ANALYZE"))
        db.session.commit()
        ids = list(db.session.scalars(text("SELECT id FROM outreach WHERE status = 'queued' ORDER BY id")))
        found: dict[bool, list[float]] = {True: [], False: []}
        with db.engine.connect() as connection:
            for number in range(ROUNDS * 2):
                found[number % 2 == 0].append(send(connection, ids, guarded=number % 2 == 0))
        each = {kind: statistics.median(times) / len(ids) * 1e6 for kind, times in found.items()}
        print(f"{len(ids):,} contacts: {each[True]:.0f} µs each with the check, {each[False]:.0f} µs without")
        print(f"the check: {each[True] - each[False]:.0f} µs; pairs {found}")


def _setup() -> int:
    """Create what contacts refer to. Return the id of a text."""
    made = OutreachTemplateVersion(number=1, body="您好", created_by="bench")
    db.session.add(OutreachTemplate(channel="sms", name="甲", created_by="bench", versions=[made]))
    db.session.flush()
    for name in ("past 1", "past 2", "next"):
        batch = text(
            "INSERT INTO outreach_batch (name, channel, version_id, selection, status, created_by)"
            " VALUES (:name, 'sms', :version, '{}', 'running', 'bench')"
        )
        db.session.execute(batch, {"name": name, "version": made.id})
    db.session.add(OutreachSetting(values=RULES, status="active", created_by="bench"))
    own = {"date": clock.today(), "kind": "workday", "name": "x", "updated_by": "bench"}
    db.session.add(Holiday(**own))
    db.session.commit()
    assert db.session.scalar(select(RuleVersion.id).limit(1))
    return made.id


def send(connection: Connection, ids: list[int], *, guarded: bool) -> float:
    """Let contacts go to sending and take it back. Return the server's CPU seconds of the former."""
    switch = "ENABLE" if guarded else "DISABLE"
    connection.execute(text(f"ALTER TABLE outreach {switch} TRIGGER contact_guard"))
    connection.commit()
    server = psutil.Process(connection.scalar(text("SELECT pg_backend_pid()")))
    connection.commit()
    before = _seconds(server)
    going = text(
        "UPDATE outreach SET status = 'sending', reserved_at = app_now(), lease_owner = 'x' WHERE id = :id"
    )
    for first in range(0, len(ids), CHUNK):
        connection.execute(going, [{"id": each} for each in ids[first : first + CHUNK]])
        connection.commit()
    spent = _seconds(server) - before
    back = "status = 'queued', reserved_at = NULL, lease_owner = NULL WHERE status = 'sending'"
    connection.execute(text(f"UPDATE outreach SET {back}"))
    connection.commit()
    connection.execute(text("ALTER TABLE outreach ENABLE TRIGGER contact_guard"))
    connection.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
        plain.execute(text("VACUUM ANALYZE outreach"))
    return spent


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()

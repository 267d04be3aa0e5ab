"""An evaluation that is killed at any moment and done again leaves what an undisturbed one does."""

from __future__ import annotations

import datetime as dt
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.rules.evaluate import evaluate_days
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from tests.rules.support import add_leads, calls, deliver
from tests.thorough import share, thorough

FIRST, LAST = dt.date(2026, 3, 1), dt.date(2026, 3, 3)
#: evaluates, counts statements and commits, and dies at the one that is told; 0 is none
KILLED = """
import os, pickle, signal, sys
from sqlalchemy import Engine, event
from app import create_app
from app.rules.evaluate import evaluate_days

settings, first, last, moment = pickle.loads(sys.stdin.buffer.read())
seen = 0

def count(*_arguments):
    global seen
    seen += 1
    if seen == moment:
        os.kill(os.getpid(), signal.SIGKILL)

with create_app(settings).app_context():
    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
    evaluate_days(settings, first, last)
print(seen)
"""
COUNTED = "hit_date, rule_id, grade"
STATE = {
    "hit": """SELECT to_jsonb(h) - '{id,made_on,created_at,updated_at}'::text[]
        FROM hit h ORDER BY lead_id, rule_id, hit_date""",
    "customer": "SELECT to_jsonb(c) - 'hit_id' FROM customer c ORDER BY id",
    "count": f"""SELECT {COUNTED}, sum(n)::int
        FROM (SELECT {COUNTED}, n FROM hit_delta UNION ALL SELECT {COUNTED}, n FROM hit_count) c
        GROUP BY {COUNTED} ORDER BY {COUNTED}""",
}


def run(app: Flask, moment: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", KILLED],
        input=pickle.dumps((app.config["SETTINGS"], FIRST, LAST, moment)),
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        check=False,
    )


def state(session: Session) -> dict[str, list[tuple[Any, ...]]]:
    session.rollback()
    return {name: [tuple(row) for row in session.execute(text(query))] for name, query in STATE.items()}


@thorough
def test_a_kill_at_any_statement_changes_no_hit(app: Flask, session: Session, tmp_path: Path) -> None:
    add_leads(session, 1, 2, 3)
    at = [(lead, f"2026-03-0{day} 10:00", "I-1") for lead in (1, 2, 3) for day in range(1, 4) if day >= lead]
    deliver(app, tmp_path / "logs", at)
    rules = [
        {"code": code, "name": code, "conditions": [calls(value=value)], "holdout_percent": 50}
        for code, value in (("R-1", 1), ("R-2", 2))
    ]
    with app.app_context():
        apply_config(parse_config({"rules": rules}, "x"), "x")
    moments = int(run(app, 0).stdout)
    undisturbed = state(session)
    assert len(undisturbed["hit"]) == 5
    for moment in share(range(1, moments + 1), 3):
        session.execute(text("TRUNCATE hit CASCADE"))
        session.commit()
        assert run(app, moment).returncode == -signal.SIGKILL
        with app.app_context():
            evaluate_days(app.config["SETTINGS"], FIRST, LAST)
        assert state(session) == undisturbed, f"killed at {moment} of {moments}"

"""Stored texts become messages, and texts again on the way back."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade

from app.extensions import db
from tests.database import superuser_of

#: messages as they were; foreign keys are not checked
_BEFORE = """
SET session_replication_role = replica;
INSERT INTO job_run (id, kind, day, status, requested_by, error, counts) VALUES
    (1, 't1', '2026-10-25', 'failed', 'x', 'the disk is 90% full', '{"refused": ["a.csv: cut off",
      {"name": "b.csv", "reason": "empty", "kept": "q/b"}], "former": [{"status": "failed", "error": "cut",
      "note": null, "counts": {"refused": [{"name": "c", "reason": "no", "kept": null}]}}]}'),
    (2, 't1', '2026-10-26', 'done', 'x', NULL, '{"hits": 1}');
INSERT INTO import_batch (id, file_name, file_digest, status, created_by, error, refusal) VALUES
    (1, 'a', '', 'failed', 'x', 'x.csv can''t be opened',
     '{"message": "%(file)s can''t be opened", "values": {"file": "x.csv"}}'),
    (2, 'b', '', 'failed', 'x', 'old', NULL), (3, 'c', '', 'done', 'x', NULL, NULL);
INSERT INTO bulk_job (id, kind, requested_by, refusal) VALUES
    (1, 'delete', 'x', '{"message": "The tag was deleted meanwhile.", "values": {}}');
INSERT INTO ticker_step (name, last_error) VALUES ('t1', 'OSError: gone');
INSERT INTO target (id, kind, code, name, created_by, last_error) VALUES
    (1, 'webhook', 'a', 'a', 'x', 'HTTP 503'), (2, 'webhook', 'b', 'b', 'x', '');
"""


def _as_is(text: str) -> dict[str, Any]:
    return {"message": "%(text)s", "values": {"text": text}}


def test_stored_texts_become_messages_and_texts_again(empty_app: Flask) -> None:
    def found(query: str) -> list[Any]:
        return [row[0] for row in superuser_of(db.engine).execute(query)]

    with empty_app.app_context():
        upgrade(revision="0045")
        superuser_of(db.engine).execute(_BEFORE)
        before = found("SELECT counts FROM job_run ORDER BY id")
        upgrade(revision="0046")
        assert found("SELECT error FROM job_run ORDER BY id") == [_as_is("the disk is 90% full"), None]
        refusal = {"message": "%(file)s can't be opened", "values": {"file": "x.csv"}}
        assert found("SELECT error FROM import_batch ORDER BY id") == [refusal, _as_is("old"), None]
        assert found("SELECT error FROM bulk_job") == [
            {"message": "The tag was deleted meanwhile.", "values": {}}
        ]
        assert found("SELECT last_error FROM ticker_step") == [_as_is("OSError: gone")]
        assert found("SELECT last_error FROM target ORDER BY id") == [_as_is("HTTP 503"), None]
        run, untouched = found("SELECT counts FROM job_run ORDER BY id")
        assert [(each["name"], each["reason"]) for each in run["refused"]] == [
            ("a.csv", _as_is("cut off")),
            ("b.csv", _as_is("empty")),
        ]
        assert run["former"][0]["error"] == _as_is("cut")
        assert run["former"][0]["counts"]["refused"][0]["reason"] == _as_is("no")
        assert untouched == {"hits": 1}
        downgrade(revision="0045")
        assert found("SELECT error FROM job_run ORDER BY id") == ["the disk is 90% full", None]
        named = {"name": "a.csv", "reason": "cut off", "kept": None}
        before[0]["refused"][0] = named
        assert found("SELECT counts FROM job_run ORDER BY id") == before
        assert found("SELECT error FROM import_batch ORDER BY id") == ["x.csv can't be opened", "old", None]
        assert found("SELECT refusal->>'message' FROM import_batch ORDER BY id")[0] == refusal["message"]
        assert found("SELECT refusal->>'message' FROM bulk_job") == ["The tag was deleted meanwhile."]
        assert found("SELECT last_error FROM target ORDER BY id") == ["HTTP 503", ""]

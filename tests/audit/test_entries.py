"""Every kind of write leaves an entry with the user, the object, the old and the new values."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Engine, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.audit.install import audited_tables, tables_with_wrong_triggers
from app.audit.tables import EXCLUDED, AuditedTable
from app.jobs import exports as export_job
from app.models import ExportJob, ImportBatch, Lead
from tests.access.world import World
from tests.audit.conftest import Entries
from tests.conftest import PASSWORD, Person, make_staff

OPERATOR = f"cli:{getpass.getuser()}"
ROWS = "客户姓名,联系电话,身份证号\n王小明,13911112222,310101199709060963\n"


def libpq(app: Flask, **changed: str) -> psycopg.Connection:
    url = make_url(app.config["SETTINGS"].database_url).set(drivername="postgresql", **changed)
    return psycopg.connect(url.render_as_string(hide_password=False), application_name="other-client")


def test_every_table_is_noted_or_excluded_for_a_reason(engine: Engine) -> None:
    with engine.connect() as connection:
        tables = set(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
        assert {audited.table for audited in audited_tables(connection)} == tables - set(EXCLUDED)
        assert tables_with_wrong_triggers(connection) == []
    assert all(EXCLUDED.values())
    bytes_too = AuditedTable("lead", ("id",), ("id", "name", "phone_index", "after"), ("after",))
    assert bytes_too.arguments == ("{id}", "", "{}", "{phone_index,after}", "{name}")


def test_a_screen_leaves_who_from_where_and_the_changed_fields(
    world: World, login: Callable[..., Person], entries: Entries
) -> None:
    manager = login("Manager", username="boss")
    lead = world.ids["lead_home"]
    answer = manager.submit(
        f"/leadview/edit/{lead}",
        {"name": "王小明", "status": "paused"},
        environ_base={"REMOTE_ADDR": "10.1.2.3"},
    )
    assert answer.status_code == 302
    [entry] = entries(object="lead", object_id=str(lead), kind="update")
    assert (entry.actor, entry.source, entry.address) == ("boss", "screen", "10.1.2.3")
    assert entry.request == answer.headers["X-Request-ID"]
    assert entry.title == "L1001"
    assert entry.changes["status"] == ["active", "paused"]
    assert entry.changes["name"] == ["客" + "*" * 5, "王**"]
    assert set(entry.changes) <= {"name", "status", "source", "branch_id"}


def test_personal_data_is_never_in_an_entry(
    world: World, login: Callable[..., Person], entries: Entries, session: Session
) -> None:
    manager = login("Manager")
    new = {"name": "丁一一", "phone": "13911112222", "id_number": "310101199709060963", "status": "active"}
    manager.submit("/leadview/add", new)
    lead = session.scalars(select(Lead).order_by(Lead.id.desc())).first()
    assert lead is not None
    manager.submit(
        f"/leadview/edit/{lead.id}", {"name": "丁一一", "status": "active", "new_phone": "13911113333"}
    )
    added, changed = entries(object="lead", object_id=str(lead.id))
    for name in ("phone_cipher", "phone_index", "phone_masked", "id_hash"):
        assert added.changes[name] == "changed"
    assert set(changed.changes) == {"phone_cipher", "phone_index", "phone_masked"}
    assert set(changed.changes.values()) == {"changed"}
    for said in (str(entries()), str(added), str(changed)):
        for secret in (
            "13911112222",
            "139****2222",
            "310101199709060963",
            lead.id_hash,
            lead.phone_index,
            "丁一一",
        ):
            assert secret not in said


def test_a_job_is_noted_as_its_person_and_progress_is_not(
    app: Flask, world: World, login: Callable[..., Person], entries: Entries, session: Session
) -> None:
    manager = login("Manager", username="boss")
    manager.submit("/leadview/export_all", {"format": "csv"})
    job = session.scalars(select(ExportJob).order_by(ExportJob.id.desc())).first()
    assert job is not None
    with app.app_context():
        export_job.run(job.id)
    asked, *worked = entries(object="export_job", object_id=str(job.id))
    assert (asked.kind, asked.actor, asked.source) == ("insert", "boss", "screen")
    assert [(e.actor, e.source, e.request) for e in worked] == [("boss", "job", f"export {job.id}")] * 2
    assert [e.changes["status"] for e in worked] == [["queued", "running"], ["running", "done"]]


def test_a_command_copies_and_is_noted_as_its_operator(
    cli: Callable[..., Any], entries: Entries, tmp_path: Path, session: Session
) -> None:
    file = tmp_path / "leads.csv"
    file.write_text(ROWS, "utf-8")
    assert cli("leads", "import", file).exit_code == 0
    [lead] = entries(object="lead")
    assert (lead.kind, lead.actor, lead.source, lead.request) == (
        "insert",
        OPERATOR,
        "cli",
        "leads import",
    )
    batch = session.scalars(select(ImportBatch.id)).one()
    opened, closed = entries(object="import_batch", object_id=str(batch))
    assert closed.xid == lead.xid != opened.xid
    assert lead.changes["batch_id"] == [None, batch]


def test_raw_sql_by_another_client_is_noted_as_the_database_user(
    app: Flask, world: World, entries: Entries
) -> None:
    with libpq(app) as other:
        other.execute("UPDATE lead SET status = 'lost' WHERE id = %s", [world.ids["lead_away"]])
    [entry] = entries(object="lead", kind="update")
    assert entry.changes == {"status": ["active", "lost"]}
    user = make_url(app.config["SETTINGS"].database_url).username
    assert (entry.actor, entry.db_user, entry.source, entry.request) == (user, user, "sql", "other-client")


def test_an_upsert_leaves_what_it_inserted_and_what_it_changed(app: Flask, entries: Entries) -> None:
    upsert = (
        "INSERT INTO institution (code, name) VALUES ('A', %s), (%s, 'x')"
        " ON CONFLICT (code) DO UPDATE SET name = excluded.name"
    )
    with libpq(app) as other:
        other.execute(upsert, ["one", "B"])
        other.execute(upsert, ["two", "C"])
    found = entries(object="institution")
    assert [(e.kind, e.title) for e in found] == [
        ("insert", "A"),
        ("insert", "B"),
        ("update", "A"),
        ("insert", "C"),
    ]
    assert found[2].changes == {"name": ["one", "two"]}


def test_mass_work_leaves_one_entry_a_statement(app: Flask, entries: Entries) -> None:
    with libpq(app) as other, other.cursor() as cursor:
        with cursor.copy("COPY institution (code, name) FROM STDIN") as copy:
            for number in range(250):
                copy.write_row((f"I-{number}", "x"))
        cursor.execute("UPDATE institution SET region = '华东'")
        cursor.execute("UPDATE institution SET region = '华东'")
        cursor.execute("DELETE FROM institution WHERE code < 'I-2'")
    copied, updated, deleted = entries(object="institution")
    assert [(e.kind, e.rows) for e in (copied, updated)] == [("insert", 250), ("update", 250)]
    assert (deleted.kind, deleted.rows) == ("delete", 112)
    assert updated.changes == {"columns": ["region"]}
    assert len({copied.digest, updated.digest, deleted.digest}) == 3
    with libpq(app) as other:
        other.execute("TRUNCATE preset_applied")
    assert [e.kind for e in entries(object="preset_applied")] == ["truncate"]


def test_mass_work_that_changes_nothing_reads_each_row_once(app: Flask, entries: Entries) -> None:
    with libpq(app) as other:
        other.execute(
            "INSERT INTO institution (code, name) SELECT 'I-' || n, 'x' FROM generate_series(1, 40000) n"
        )
        # Each row compared with each other one would be a matter of many minutes.
        other.execute("SET LOCAL statement_timeout = '60s'")
        other.execute("UPDATE institution SET name = 'x'")
        other.execute("UPDATE institution SET name = 'y' WHERE code = 'I-40000' OR name = 'x'")
    assert [(e.kind, e.rows) for e in entries(object="institution")] == [
        ("insert", 40_000),
        ("update", 40_000),
    ]


def test_the_digest_of_mass_work_can_be_computed_again(app: Flask, engine: Engine, entries: Entries) -> None:
    with libpq(app) as other:
        other.execute(
            "INSERT INTO institution (code, name) SELECT 'I-' || n, 'x' FROM generate_series(1, 150) n"
        )
    with engine.connect() as connection:
        each = "sha256(record_send(i))"
        query = f"SELECT sha256(string_agg({each}, '' ORDER BY id)) FROM institution i"
        assert entries(object="institution")[0].digest == connection.scalar(text(query)).hex()


def test_a_statement_rolled_back_leaves_nothing(app: Flask, world: World, entries: Entries) -> None:
    before = len(entries())
    with libpq(app) as other:
        other.execute("DELETE FROM hit")
        other.rollback()
    assert len(entries()) == before


def test_roles_and_permissions_are_noted(
    world: World, login: Callable[..., Person], entries: Entries
) -> None:
    admin = login("Admin", username="root")
    staff, role = world.ids["staff"], world.ids["role"]
    edit = {"last_name": "某", "first_name": "某", "email": "s@example.com", "language": "zh", "active": "y"}
    edit["access_reason"] = "new here"
    assert admin.submit(f"/users/edit/{staff}", {**edit, "roles": [str(role)]}).status_code == 302
    [given] = entries(object="ab_user_role", actor="root")
    assert given.changes["user_id"] == [None, staff]
    assert given.changes["role_id"] == [None, role]
    admin.submit(f"/roles/edit/{role}", {"permissions": ["1", "2"], "access_reason": "needed"})
    assert [e.kind for e in entries(object="ab_permission_view_role", actor="root")][:2] == ["insert"] * 2


def test_a_password_is_noted_without_its_hash(
    world: World, login: Callable[..., Person], entries: Entries
) -> None:
    admin = login("Admin", username="root")
    new = {"password": "Another-Pass-word-2027", "conf_password": "Another-Pass-word-2027"}
    assert admin.submit(f"/resetpassword/form?pk={world.ids['staff']}", new).status_code == 302
    [entry] = entries(object="ab_user", actor="root", kind="update")
    assert entry.changes["password"] == "changed"
    assert "scrypt" not in str(entry.changes)


def test_log_in_log_out_and_failures(app: Flask, session: Session, entries: Entries) -> None:
    boss = make_staff(session, "boss", "Manager")
    client = Person(app, app.response_class, use_cookies=True)
    client.submit("/login/", {"username": "boss", "password": "wrong"})
    client.submit("/login/", {"username": "My-Secret-Pass-1", "password": "wrong"})
    client.submit("/login/", {"username": "boss", "password": PASSWORD})
    client.submit("/logout/")
    known, unknown = entries(kind="log_in_failed")
    assert (known.actor, known.object, known.object_id, known.title) == (
        "anonymous",
        "ab_user",
        str(boss.id),
        "boss",
    )
    assert unknown.object_id is None
    assert unknown.title.startswith("#")
    assert "My-Secret-Pass-1" not in str(entries())
    assert [(e.actor, e.title) for e in entries(kind="log_in")] == [("boss", "boss")]
    assert [e.title for e in entries(kind="log_out")] == ["boss"]
    assert not entries(object="ab_user", kind="update")  # counters of log-ins say nothing more


def test_a_download_is_noted(world: World, login: Callable[..., Person], entries: Entries) -> None:
    manager = login("Manager", username="boss")
    ticked = {"action": "export", "rowid": [str(world.ids["lead_home"])]}
    assert manager.submit("/leadview/action_post", ticked).status_code == 200
    manager.get("/leadview/list/")
    manager.get("/importbatchview/template")
    [entry] = entries(kind="download")
    assert (entry.actor, entry.title) == ("boss", "POST /leadview/action_post")
    assert entry.changes == {"file": "leads.csv"}


def test_denied_access_is_noted_for_screen_and_api(
    world: World, login: Callable[..., Person], cli: Callable[..., Any], entries: Entries, app: Flask
) -> None:
    login("Marketer", username="curious").get("/users/list/")
    [screen] = entries(kind="denied")
    assert (screen.actor, screen.source, screen.title) == ("curious", "screen", "GET /users/list/")
    login("Auditor", username="auditor").get("/api/v1/leads/")
    assert [(e.actor, e.source) for e in entries(kind="denied")][1:] == [("auditor", "api")]


def test_a_rules_file_and_a_migration_are_noted(
    app: Flask, cli: Callable[..., Any], entries: Entries, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("institutions:\n  - {code: I-1, name: 一, category: bank, region: 华东}\n", "utf-8")
    assert cli("config", "apply", file).exit_code == 0
    [applied] = entries(kind="config_applied")
    assert (applied.actor, applied.title, applied.changes["institutions"]) == (OPERATOR, "rules.yaml", 1)
    newest, before, *_older = ScriptDirectory("migrations").walk_revisions()
    try:
        assert cli("db", "stamp", before.revision).exit_code == 0
    finally:
        assert cli("db", "stamp", newest.revision).exit_code == 0
    _down, up = entries(object="alembic_version", kind="update")
    assert up.changes == {"version_num": [before.revision, newest.revision]}
    assert (up.actor, up.source, up.request) == (OPERATOR, "cli", "db stamp")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE change_log SET actor = 'x'",
        "DELETE FROM change_log",
        "TRUNCATE change_log",
        "UPDATE audit.change_log_rest SET actor = 'x'",
        "TRUNCATE audit.change_log_rest",
        "INSERT INTO change_log (kind, object, time) VALUES ('x', 'y', now() - interval '1 hour')",
    ],
)
def test_nobody_changes_the_log_not_even_its_owner(
    statement: str, app: Flask, world: World, engine: Engine, entries: Entries
) -> None:
    before = entries()
    for user in ({}, {"username": "postgres"}):
        with libpq(app, **user) as other:
            if "change_log_rest" in statement and statement.startswith("UPDATE"):
                other.execute("INSERT INTO change_log (kind, object) VALUES ('x', 'y')")
                found = other.execute("SELECT tableoid::regclass::text FROM change_log LIMIT 1").fetchone()
                assert found is not None
                statement = f"UPDATE {found[0]} SET actor = 'x'"
            with pytest.raises(psycopg.Error, match="change log"):
                other.execute(statement)
    assert entries() == before


def test_an_entry_written_by_hand_says_by_whom(app: Flask, entries: Entries) -> None:
    with libpq(app) as other:
        other.execute("INSERT INTO change_log (id, xid, kind, object, actor) VALUES (1, 1, 'x', 'y', 'boss')")
    [entry] = entries(kind="x")
    assert entry.actor == entry.db_user != "boss"
    assert entry.xid > 1


def test_a_write_without_a_partition_of_its_month_does_not_fail(app: Flask, engine: Engine) -> None:
    with engine.connect() as connection:
        names = connection.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'change_log'::regclass")
        ).all()
        for name in names:
            if not name.endswith("_rest"):
                connection.exec_driver_sql(f"DROP TABLE {name}")
        connection.execute(text("INSERT INTO change_log (kind, object) VALUES ('x', 'y')"))
        assert connection.scalar(text("SELECT count(*) FROM audit.change_log_rest")) == 1
        connection.rollback()


def test_refusal_reaches_sqlalchemy(engine: Engine, world: World) -> None:
    with engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text("UPDATE change_log SET actor = 'x'"))

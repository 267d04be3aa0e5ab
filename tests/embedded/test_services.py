"""Starting, sharing, losing and stopping the embedded servers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
import redis

from app.embedded import EmbeddedError, Services, services
from app.embedded.server import wait_until
from tests.embedded.support import SCRIPTS, Running, alive, kill, settings

USER = SCRIPTS / "user.py"


def connect(ready: Services) -> psycopg.Connection:
    return psycopg.connect(ready.database_url.replace("+psycopg", ""), autocommit=True)


def client(ready: Services) -> redis.Redis:
    return redis.Redis.from_url(ready.redis_url, decode_responses=True)


def pids(ready: Services) -> list[int]:
    found = [server.pid() for server in ready.servers]
    assert None not in found
    return [pid for pid in found if pid is not None]


def pids_of(user: Running) -> list[int]:
    user.says("pids")
    return [int(pid) for pid in user.having("pids")[0].split()[1:]]


def test_servers_are_started_used_and_stopped(data_dir: Path) -> None:
    with services(settings(data_dir)) as ready:
        started = pids(ready)
        with connect(ready) as connection:
            assert connection.execute("SELECT current_database(), current_user").fetchone() == (
                "lead_monitor",
                "lead_monitor",
            )
        assert client(ready).ping()
        assert all(alive(pid) for pid in started)
    assert not any(alive(pid) for pid in started)


def test_postgres_is_durable_and_keeps_utc_without_a_superuser(data_dir: Path) -> None:
    with services(settings(data_dir), redis=False) as ready, connect(ready) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("timezone", "fsync", "listen_addresses", "server_encoding")
        }
        superuser = connection.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert shown == {
        "timezone": ("UTC",),
        "fsync": ("on",),
        "listen_addresses": ("",),
        "server_encoding": ("UTF8",),
    }
    assert superuser == (False,)


def test_a_failing_statement_leaves_no_personal_data_in_the_log(data_dir: Path) -> None:
    with services(settings(data_dir), redis=False) as ready, connect(ready) as connection:
        connection.execute("CREATE TABLE person (phone text PRIMARY KEY)")
        connection.execute("INSERT INTO person VALUES ('13800138000')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO person VALUES ('13800138000')")
    log = (data_dir / "logs" / "postgres.log").read_text()
    assert "person_pkey" in log
    assert "13800138000" not in log


def test_data_survives_a_restart(data_dir: Path) -> None:
    with services(settings(data_dir)) as ready:
        with connect(ready) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        client(ready).set("kept", "7")
    with services(settings(data_dir)) as ready:
        with connect(ready) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        assert client(ready).get("kept") == "7"


def test_configured_urls_start_nothing(data_dir: Path) -> None:
    given = settings(data_dir, database_url="postgresql+psycopg://db/x", redis_url="redis://cache/0")
    with services(given) as ready:
        assert (ready.database_url, ready.redis_url) == ("postgresql+psycopg://db/x", "redis://cache/0")
    assert not data_dir.exists()


def test_redis_is_left_out_when_not_asked_for(data_dir: Path) -> None:
    with services(settings(data_dir), redis=False) as ready:
        assert ready.redis_url == ""
        assert [server.name for server in ready.servers] == ["postgres"]


def test_a_user_leaves_the_owners_servers_running(data_dir: Path) -> None:
    with services(settings(data_dir), own=True) as owner:
        with services(settings(data_dir)) as user:
            assert pids(user) == pids(owner)
            assert user.database_url == owner.database_url
        assert client(owner).ping()
        connect(owner).close()


def test_the_last_user_stops_them_whoever_started_them(data_dir: Path) -> None:
    first = services(settings(data_dir))
    second = services(settings(data_dir))
    running = pids(first)
    first.close()
    assert all(alive(pid) for pid in running)
    second.close()
    assert not any(alive(pid) for pid in running)


def test_the_owner_stops_adopted_servers_under_a_user(data_dir: Path) -> None:
    user = services(settings(data_dir))
    running = pids(user)
    services(settings(data_dir), own=True).close()
    assert not any(alive(pid) for pid in running)
    user.close()
    user.close()


def test_servers_of_a_killed_process_are_adopted_and_stopped(data_dir: Path) -> None:
    killed = Running(USER, str(data_dir), "wait")
    left = pids_of(killed)
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    assert all(alive(pid) for pid in left)
    with services(settings(data_dir)) as ready:
        assert pids(ready) == left
    assert not any(alive(pid) for pid in left)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_signalled_program_leaves_no_server(data_dir: Path, number: signal.Signals, status: int) -> None:
    user = Running(USER, str(data_dir), "wait")
    running = pids_of(user)
    assert user.end(number) == status
    assert not any(alive(pid) for pid in running)


def test_many_starts_at_once_share_one_server(data_dir: Path) -> None:
    users = [Running(USER, str(data_dir), "wait") for _ in range(4)]
    seen = [pids_of(user) for user in users]
    assert all(found == seen[0] for found in seen)
    for user in users:
        user.process.terminate()
    assert [user.end() for user in users] == [143] * 4
    assert not any(alive(pid) for pid in seen[0])


def test_users_that_come_and_go_never_fail(data_dir: Path) -> None:
    users = [Running(USER, str(data_dir)) for _ in range(6)]
    assert [(user.end(), len(pids_of(user))) for user in users] == [(0, 2)] * 6


def test_an_ordinary_user_can_run_them(data_dir: Path) -> None:
    data_dir.parent.chmod(0o777)
    user = Running(USER, str(data_dir), "nobody")
    assert user.end() == 0, user.text
    assert len(pids_of(user)) == 2


@pytest.mark.parametrize("name", ["x" * 120, 'it\'s, a "数据"'])
def test_a_path_unfit_for_a_socket_gets_a_short_private_one(data_dir: Path, name: str) -> None:
    with services(settings(data_dir / name), own=True) as owner:
        folders = {
            Path(unquote(owner.database_url.split("host=")[1])),
            Path(unquote(owner.redis_url[7:])).parent,
        }
        assert all(
            folder.parent == Path("/tmp") and folder.stat().st_mode & 0o777 == 0o700 for folder in folders
        )
        with services(settings(data_dir / name)) as user:
            assert (user.database_url, user.redis_url) == (owner.database_url, owner.redis_url)
            connect(user).close()
            assert client(user).ping()
    assert not any(folder.exists() for folder in folders)


def test_a_copy_of_a_data_dir_is_another_installation(data_dir: Path) -> None:
    original = data_dir / ("x" * 120)
    with services(settings(original)) as first:
        with connect(first) as connection:
            connection.execute("CREATE TABLE original ()")
        copy = original.with_name("y" * 120)
        (copy / "embedded").mkdir(parents=True)
        shutil.copy(original / "embedded" / "postgres.socket", copy / "embedded")
        with services(settings(copy)) as second, connect(second) as connection:
            assert connection.execute("SELECT to_regclass('original')").fetchone() == (None,)


def test_killed_servers_come_back_at_the_same_address(data_dir: Path) -> None:
    with services(settings(data_dir), own=True) as ready:
        with connect(ready) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        store = client(ready)
        store.set("kept", "7")
        store.execute_command("WAITAOF", 1, 0, 0)
        before = pids(ready)
        for server, pid in zip(ready.servers, before, strict=True):
            kill(pid)
            assert wait_until(lambda server=server: not server.alive(), 10)
            server.revive()
        assert not set(before) & set(pids(ready))
        with connect(ready) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        assert client(ready).get("kept") == "7"


def test_a_stale_pid_file_that_names_a_living_process_does_not_matter(data_dir: Path) -> None:
    pid_file = data_dir / "postgres" / "postmaster.pid"
    with services(settings(data_dir), redis=False):
        content = pid_file.read_text().splitlines()
    # Another process of the same account has the pid, as after a restart of a container.
    owner = pid_file.parent.stat().st_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "600"], user=owner) as other:
        pid_file.write_text("\n".join([str(other.pid), *content[1:]]))
        try:
            with services(settings(data_dir), redis=False) as ready, connect(ready) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            other.kill()


def test_an_interrupted_first_start_is_begun_again(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir(parents=True)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18")
    with services(settings(data_dir), redis=False) as ready:
        connect(ready).close()
    assert not (data_dir / "postgres.new").exists()


def test_a_server_that_cannot_start_says_why_and_leaves_no_trace(data_dir: Path) -> None:
    with services(settings(data_dir), redis=False):
        pass
    configuration = data_dir / "postgres" / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match=r"postgres did not start: .*no_such_setting"):
        services(settings(data_dir), redis=False)
    configuration.write_text(good)
    with services(settings(data_dir), redis=False) as ready:
        connect(ready).close()


def test_a_data_dir_that_cannot_be_made_is_named(data_dir: Path) -> None:
    data_dir.write_text("a file")
    with pytest.raises(EmbeddedError, match=str(data_dir)):
        services(settings(data_dir))

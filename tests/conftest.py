"""Fixtures: real PostgreSQL and Redis, the migrated schema, and a separate database for each test worker."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from filelock import FileLock
from flask import Flask
from flask.testing import FlaskClient
from flask_appbuilder.security.sqla.models import Role
from hypothesis import settings as hypothesis_settings
from itsdangerous import URLSafeTimedSerializer
from redis import Redis
from sqlalchemy import Engine, create_engine, make_url, select
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from app import create_web
from app.audit.install import tables_with_wrong_triggers
from app.cli.database import upgrade_database
from app.embedded import Services, services
from app.lib import clock
from app.models import Branch, Staff
from config import Settings, load_settings
from tests.access.world import World, build
from tests.database import empty, libpq, rights_of_roles, superuser
from tests.engines import EACH_ENGINE, ENGINES
from tests.postbox import Postbox, serving
from tests.thorough import PROFILE, SPARK_PROFILE

SAMPLE = Path(__file__).parent / "data" / "sample"
PASSWORD = "Test-Pass-word-2026"
FAST_HASH = "pbkdf2:sha256:1000"
#: the longest files first; `make test` and `make test-long` distribute files in this order
LONG_FILES = (
    "embedded/test_first_start.py",
    "browser/test_pages.py",
    "access/test_matrix.py",
    "embedded/test_run.py",
    "push/test_chaos.py",
    "browser/test_menu.py",
    "rules/test_hits_property.py",
    "console/test_odd_requests.py",
)
TEMPLATE = "lead_monitor_template"
hypothesis_settings.register_profile(PROFILE)
# The short run tries the same examples each time: its verdict is about the change. The long one explores.
hypothesis_settings.register_profile("short", derandomize=True)
if hypothesis_settings.get_current_profile_name() == "default":
    hypothesis_settings.load_profile("short")
hypothesis_settings.register_profile(SPARK_PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest files, so that no worker is left alone with one at the end."""
    here = Path(__file__).parent
    rank = {here / name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder that all workers of the run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def servers(shared_dir: Path) -> Iterator[Services]:
    """Start one PostgreSQL and one Redis for all workers. The last worker stops them."""
    with services(_settings(shared_dir / "servers")) as found:
        yield found


def _settings(data_dir: Path, **environment: str) -> Settings:
    keys = {"SECRET_KEY": "s" * 40, "PII_KEY": "p" * 40, "ID_HASH_KEY": "k" * 40}
    return load_settings({"DATA_DIR": str(data_dir), "INBOX_QUIET_SECONDS": "0", **keys, **environment})


@pytest.fixture(scope="session")
def base_settings(servers: Services, shared_dir: Path, worker_id: str) -> Settings:
    """Return this worker's settings, with its own database (from a template) and Redis database."""
    url = make_url(servers.database_url)
    with FileLock(shared_dir / "template.lock"):
        if not _exists(url, TEMPLATE):
            _make_template(url, shared_dir)
    name = f"test_{worker_id}_{uuid.uuid4().hex[:8]}"
    _admin(url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    number = int(worker_id.removeprefix("gw")) % 15 + 1 if worker_id != "master" else 0
    return _settings(
        shared_dir / f"data-{worker_id}",
        DATABASE_URL=url.set(database=name).render_as_string(hide_password=False),
        REDIS_URL=_redis_url(servers.redis_url, number),
        # People of the tests open more pages in a minute than anybody else.
        REQUESTS_PER_MINUTE="100000",
        ID_HASH_ALGORITHM="sm3",
    )


def _make_template(url: Any, shared_dir: Path) -> None:
    """Create the template under another name and rename it, so that it is never half migrated."""
    # Test data need not survive a power failure, and tests commit many thousand times.
    with superuser(url) as connection:
        connection.execute("ALTER ROLE ALL SET synchronous_commit = off")
    _admin(url, f"CREATE DATABASE {TEMPLATE}_raw")
    raw = url.set(database=f"{TEMPLATE}_raw").render_as_string(hide_password=False)
    application = create_web(_settings(shared_dir / "template", DATABASE_URL=raw))
    upgrade_database(application)
    with application.app_context():
        from app.extensions import db

        db.engine.dispose()
    _admin(url, f"ALTER DATABASE {TEMPLATE}_raw RENAME TO {TEMPLATE}")


def _redis_url(url: str, number: int) -> str:
    return f"{url}{'&' if '?' in url else '?'}db={number}" if url.startswith("unix") else f"{url}/{number}"


def _admin(url: Any, statement: str) -> None:
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        connection.execute(statement)


def _exists(url: Any, name: str) -> bool:
    with psycopg.connect(libpq(url)) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    return found is not None


@pytest.fixture(scope="session")
def worker_app(base_settings: Settings) -> Flask:
    """Create this worker's application once. Its passwords are hashed fast."""
    made = create_web(base_settings)
    made.config["FAB_PASSWORD_HASH_METHOD"] = FAST_HASH
    return made


@pytest.fixture
def settings(base_settings: Settings, tmp_path: Path) -> Settings:
    """Return this worker's settings with the test's own DATA_DIR."""
    return dataclasses.replace(base_settings, data_dir=tmp_path / "var")


@pytest.fixture
def database_url(base_settings: Settings) -> str:
    """Empty this worker's database. Return its URL."""
    return base_settings.database_url


@pytest.fixture(scope="session")
def worker_engine(base_settings: Settings) -> Iterator[Engine]:
    """Return an engine on this worker's database whose connections have a warm catalogue cache."""
    made = create_engine(base_settings.database_url, connect_args={"options": "-c timezone=UTC"})
    with made.connect() as connection:
        granted = rights_of_roles(connection)
    yield made
    empty(made)
    with made.connect() as connection:
        unlogged = tables_with_wrong_triggers(connection)
        left = rights_of_roles(connection)
    made.dispose()
    assert unlogged == [], "a test left tables of this worker without the change log's triggers"
    assert granted ^ left == set(), "a test left roles of this worker with other rights"


@pytest.fixture
def engine(worker_engine: Engine) -> Iterator[Engine]:
    """Empty this worker's database, except for what migrations and seeding create. Return an engine."""
    empty(worker_engine)
    yield worker_engine
    if worker_engine.pool.checkedout():  # type: ignore[attr-defined]
        worker_engine.dispose()


@pytest.fixture
def redis(base_settings: Settings) -> Redis:
    """Empty this worker's Redis database. Return a client."""
    connection: Redis = Redis.from_url(base_settings.redis_url)
    connection.flushdb()
    return connection


@pytest.fixture
def app(worker_app: Flask, settings: Settings, engine: Engine, redis: Redis) -> Iterator[Flask]:
    """Return the application on an empty database, Redis and DATA_DIR."""
    before = worker_app.config["SETTINGS"]
    worker_app.config["SETTINGS"] = settings
    yield worker_app
    worker_app.config["SETTINGS"] = before


@pytest.fixture(params=EACH_ENGINE)
def each_engine(app: Flask, request: pytest.FixtureRequest) -> None:
    """Run the test once with each analytical engine."""
    chosen = ENGINES[request.param]
    app.config["SETTINGS"] = dataclasses.replace(
        app.config["SETTINGS"], activity_engine=chosen.name, spark_master=chosen.spark_master
    )


@pytest.fixture
def session(app: Flask, engine: Engine) -> Iterator[Session]:
    """Return a database session, separate from the application's, to arrange and check data."""
    with Session(engine, expire_on_commit=False) as made:
        yield made


@pytest.fixture
def set_clock(engine: Engine) -> Iterator[Callable[[dt.datetime | None], None]]:
    """Return a function that sets the clock, None for the server's own time. It is set right at the end."""

    def move(moment: dt.datetime | None) -> None:
        with engine.begin() as connection:
            clock.move(connection, moment)

    yield move
    move(None)


@pytest.fixture
def world(session: Session, settings: Settings) -> World:
    """Create a row of everything, in two branches."""
    return build(session, settings)


@pytest.fixture
def postbox(app: Flask) -> Iterator[Postbox]:
    """Start a real mail server under SMTP_URL that keeps what it receives."""
    with serving(app) as made:
        yield made


@pytest.fixture
def cli(app: Flask) -> Callable[..., Any]:
    """Run a flask command in this process: ``cli("leads", "import", path)``."""
    return lambda *words: app.test_cli_runner().invoke(args=[str(word) for word in words])


class Person(FlaskClient):
    """The test client of a logged-in user; its posts carry the CSRF token."""

    #: the session's cookie and the secret of its token, which stays the same as long as the session
    _csrf: tuple[str, str] | None = None

    def submit(self, path: str, data: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """POST a form as a browser would, with the session's token."""
        return self.post(path, data={**(data or {}), "csrf_token": self.token()}, **kwargs)

    def token(self) -> str:
        """Return the session's CSRF token."""
        cookie = self.get_cookie("lead_monitor")
        if self._csrf is None or cookie is None or self._csrf[0] != cookie.value:
            with self.session_transaction() as stored:
                secret = stored.setdefault("csrf_token", uuid.uuid4().hex)
            cookie = self.get_cookie("lead_monitor")
            self._csrf = (cookie.value if cookie else "", secret)
        signer = URLSafeTimedSerializer(self.application.secret_key, salt="wtf-csrf-token")
        return str(signer.dumps(self._csrf[1]))


@pytest.fixture
def login(app: Flask, session: Session) -> Callable[..., Person]:
    """Return a function that creates a user with a role and branch, and returns their logged-in client."""

    def make(role: str, *, branch: Branch | None = None, language: str = "en", username: str = "") -> Person:
        name = username or f"{role.lower()}-{uuid.uuid4().hex[:6]}"
        user = make_staff(session, name, role, branch=branch, language=language)
        client = Person(app, app.response_class, use_cookies=True)
        with client.session_transaction() as stored:
            stored["_user_id"], stored["_fresh"], stored["locale"] = str(user.id), True, language
        return client

    return make


def make_staff(
    session: Session, username: str, role: str, *, branch: Branch | None = None, language: str = "en"
) -> Staff:
    """Create a user of the given role with the tests' password."""
    user = Staff(
        username=username,
        first_name="试",
        last_name="测",
        email=f"{username}@example.com",
        active=True,
        password=generate_password_hash(PASSWORD, method=FAST_HASH),
        language=language,
        branch_id=branch.id if branch else None,
        roles=[session.scalars(select(Role).where(Role.name == role)).one()],
    )
    session.add(user)
    session.commit()
    return user


@pytest.fixture
def sample_env(settings: Settings) -> dict[str, str]:
    """Return the environment of a separate command on this worker's database, with the sample's key."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("FLASK_", "PYTEST_"))},
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key,
        "PII_KEY": settings.pii_key,
        "ID_HASH_KEY": "sample-key-for-tests-only-32bytes",
        "ID_HASH_ALGORITHM": "sm3",
    }

"""Settings of the product, read once from the environment.

Nothing here starts a server or connects to a database. Secrets that the environment does not set are
generated once and kept in ``DATA_DIR/secrets.env`` (mode 0600); production requires them in the environment.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from redis.backoff import NoBackoff
from redis.retry import Retry

SECRET_NAMES = ("SECRET_KEY", "PII_KEY", "ID_HASH_KEY")
MIN_SECRET_BYTES = 32
#: 32 random hexadecimal digits have fewer distinct characters once in 28 million cases
MIN_CHARACTERS = 8
MAKE_SECRET = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"  # noqa: S105 - a command, no secret
#: a key version is seven bits of the first byte of every encrypted phone
MAX_KEY_VERSION = 127


class ConfigError(Exception):
    """A setting is missing or invalid; the text names it."""


@dataclass(frozen=True)
class Settings:
    """Typed settings. An empty ``database_url`` or ``redis_url`` selects the embedded server."""

    data_dir: Path
    database_url: str
    redis_url: str
    app_env: str
    timezone: str
    id_hash_algorithm: str
    secret_key: str = field(repr=False)
    pii_key: str = field(repr=False)
    id_hash_key: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    t1_time: time = time(6, 0)
    activity_engine: Literal["duckdb", "spark"] = "duckdb"
    spark_master: str = ""
    activity_memory: str = "2GB"
    activity_store: str = ""
    activity_cache_path: Path | None = None
    activity_cache_gb: int = 20
    events_retention_days: int = 400
    inbox_quiet_seconds: int = 120
    max_upload_mb: int = 300
    max_body_kb: int = 2048
    worker_memory_mb: int = 6144
    workbook_memory_mb: int = 2048
    workbook_seconds: int = 300
    https_only: bool = False
    idle_minutes: int = 15
    session_hours: int = 12
    generated_secrets: tuple[str, ...] = ()
    pii_cipher: str = "aes-256-gcm"
    pii_key_version: int = 1
    pii_keys_old: tuple[tuple[int, str], ...] = field(default=(), repr=False)
    pii_index_key: str = field(default="", repr=False)
    reveals_per_hour: int = 30
    test_sms_per_hour: int = 10
    leads_purge_days: int = 30
    outcomes_retention_days: int = 1830
    exports_keep_days: int = 30
    unmasked_exports: bool = False
    export_rows_alone: int = 10_000
    public_url: str = ""
    webhook_allow: tuple[str, ...] = ()
    smtp_url: str = field(default="", repr=False)
    mail_from: str = "lead-monitor@localhost"
    drop_roots: tuple[str, ...] = ()
    target_stop_days: int = 3
    gateway_tries: int = 6
    requests_per_minute: int = 300
    second_factor: str = "offered"
    web_statement_seconds: int = 30
    web_lock_seconds: int = 5
    web_idle_seconds: int = 120
    audit_checkpoint_path: Path | None = None

    @property
    def production(self) -> bool:
        """Return whether ``APP_ENV`` is ``production``."""
        return self.app_env == "production"

    @property
    def activity_cache(self) -> Path:
        """Return the folder that keeps files of an object storage."""
        return self.activity_cache_path or self.data_dir / "activity-cache"

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone of dates, hours and schedules."""
        return ZoneInfo(self.timezone)

    def today(self, now: datetime) -> date:
        """Return the local date of a moment with a time zone."""
        return now.astimezone(self.zone).date()

    def check_production(self, *, debug: bool = False) -> None:
        """Raise ConfigError with everything that production forbids. Do nothing in development."""
        if not self.production:
            return
        problems = [f"{name} was generated, not given" for name in self.generated_secrets]
        problems += self._weak_secrets()
        if not self.database_url:
            problems.append("DATABASE_URL is empty: the embedded PostgreSQL is not for production")
        if not self.redis_url:
            problems.append("REDIS_URL is empty: the embedded Redis is not for production")
        if debug:
            problems.append("FLASK_DEBUG is on")
        if problems:
            raise ConfigError("APP_ENV=production refuses to start: " + "; ".join(problems))

    def _weak_secrets(self) -> list[str]:
        """Return the weaknesses of the secrets, each with a remedy and none with the secret itself."""
        agree = f"agree with the log provider on one made by `{MAKE_SECRET}`"
        make = f"make one by `{MAKE_SECRET}`"
        rotate = "encrypt with a better one: `APP_ENV=development flask pii rotate`, then drop it"
        entries = [("SECRET_KEY", self.secret_key, make), ("PII_KEY", self.pii_key, make)]
        entries += [("ID_HASH_KEY", self.id_hash_key, agree)]
        entries += [(f"PII_KEYS_OLD version {version}", key, rotate) for version, key in self.pii_keys_old]
        problems = [
            f"{name} {why} ({remedy})" for name, key, remedy in entries if (why := weakness(key)) is not None
        ]
        if len({self.secret_key, self.pii_key, self.id_hash_key}) < len(SECRET_NAMES):
            problems.append(f"two of {', '.join(SECRET_NAMES)} are the same")
        return problems


def weakness(secret: str) -> str | None:
    """Return why a secret can't be 32 or more random bytes, None when it may be."""
    size = len(secret.encode())
    if size < MIN_SECRET_BYTES:
        return f"has {size} bytes, {MIN_SECRET_BYTES} random ones are the least"
    if len(set(secret)) < MIN_CHARACTERS:
        return "is made of a few characters over and over"
    if (secret + secret).find(secret, 1) < len(secret):
        return "is one part repeated"
    return None


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``env``, by default the process environment.

    Raises ConfigError with the variable's name for an invalid value, and for secrets that are missing in
    production.
    """
    env = os.environ if env is None else env
    data_dir = Path(env.get("DATA_DIR") or "./var").expanduser().resolve()
    app_env = _choice(env, "APP_ENV", "development", ("development", "production"))
    keys, generated = _secrets(env, data_dir, app_env)
    old_keys = _old_keys(env)
    settings = Settings(
        data_dir=data_dir,
        database_url=_database_url(env.get("DATABASE_URL", "")),
        redis_url=env.get("REDIS_URL", ""),
        app_env=app_env,
        timezone=_timezone(env),
        id_hash_algorithm=_choice(env, "ID_HASH_ALGORITHM", "sm3", ("sm3", "sha256")),
        secret_key=keys["SECRET_KEY"],
        pii_key=keys["PII_KEY"],
        id_hash_key=keys["ID_HASH_KEY"],
        host=env.get("HOST") or "127.0.0.1",
        port=_integer(env, "PORT", 8080, 1, 65535),
        t1_time=_time(env, "T1_TIME", "06:00"),
        activity_engine=_engine(env),
        spark_master=(env.get("SPARK_MASTER") or "").strip(),
        activity_memory=env.get("ACTIVITY_MEMORY") or "2GB",
        activity_store=activity_place(env.get("ACTIVITY_STORE") or "", env),
        activity_cache_path=_path(env, "ACTIVITY_CACHE"),
        activity_cache_gb=_integer(env, "ACTIVITY_CACHE_GB", 20, 1, 1 << 20),
        events_retention_days=_integer(env, "EVENTS_RETENTION_DAYS", 400, 31, 36500),
        max_upload_mb=_integer(env, "MAX_UPLOAD_MB", 300, 1, 4096),
        max_body_kb=_integer(env, "MAX_BODY_KB", 2048, 64, 1 << 20),
        worker_memory_mb=_integer(env, "WORKER_MEMORY_MB", _worker_memory(env), 512, 1 << 20),
        workbook_memory_mb=_integer(env, "WORKBOOK_MEMORY_MB", 2048, 256, 1 << 20),
        workbook_seconds=_integer(env, "WORKBOOK_SECONDS", 300, 10, 86_400),
        idle_minutes=_integer(env, "IDLE_MINUTES", 15, 3, 1440),
        session_hours=_integer(env, "SESSION_HOURS", 12, 1, 720),
        inbox_quiet_seconds=_integer(env, "INBOX_QUIET_SECONDS", 120, 0, 86_400),
        https_only=_choice(env, "HTTPS_ONLY", "1" if app_env == "production" else "0", ("0", "1")) == "1",
        generated_secrets=generated,
        pii_cipher=_choice(env, "PII_CIPHER", "aes-256-gcm", ("aes-256-gcm", "sm4-gcm")),
        pii_key_version=_key_version(env, old_keys),
        pii_keys_old=old_keys,
        pii_index_key=_index_key(env),
        reveals_per_hour=_integer(env, "REVEALS_PER_HOUR", 30, 1, 10_000),
        test_sms_per_hour=_integer(env, "TEST_SMS_PER_HOUR", 10, 1, 100),
        leads_purge_days=_integer(env, "LEADS_PURGE_DAYS", 30, 0, 3650),
        outcomes_retention_days=_integer(env, "OUTCOMES_RETENTION_DAYS", 1830, 31, 36500),
        exports_keep_days=_integer(env, "EXPORTS_KEEP_DAYS", 30, 1, 3650),
        export_rows_alone=_integer(env, "EXPORT_ROWS_ALONE", 10_000, 0, 1 << 30),
        unmasked_exports=_choice(env, "UNMASKED_EXPORTS", "0", ("0", "1")) == "1",
        public_url=_url(env, "PUBLIC_URL", ("http", "https")).rstrip("/"),
        webhook_allow=_words(env, "WEBHOOK_ALLOW"),
        smtp_url=_url(env, "SMTP_URL", ("smtp", "smtps", "smtp+plain")),
        mail_from=_mail_from(env),
        drop_roots=_words(env, "DROP_ROOTS"),
        second_factor=_choice(
            env,
            "SECOND_FACTOR",
            "required" if app_env == "production" else "offered",
            ("required", "offered"),
        ),
        requests_per_minute=_integer(env, "REQUESTS_PER_MINUTE", 300, 30, 100_000),
        web_statement_seconds=_integer(env, "WEB_STATEMENT_SECONDS", 30, 1, 3600),
        web_lock_seconds=_integer(env, "WEB_LOCK_SECONDS", 5, 1, 3600),
        web_idle_seconds=_integer(env, "WEB_IDLE_SECONDS", 120, 1, 3600),
        target_stop_days=_integer(env, "TARGET_STOP_DAYS", 3, 1, 365),
        gateway_tries=_integer(env, "GATEWAY_TRIES", 6, 1, 100),
        audit_checkpoint_path=_file(env, "AUDIT_CHECKPOINT_PATH"),
    )
    settings.check_production(debug=env.get("FLASK_DEBUG", "0") not in ("", "0", "false"))
    return settings


def flask_config(settings: Settings) -> dict[str, Any]:
    """Return the configuration of Flask, Flask-AppBuilder and the extensions."""
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "pool_pre_ping": True,
            "pool_timeout": 10,
            "hide_parameters": True,
            "connect_args": {
                "options": "-c timezone=UTC",
                "application_name": "lead-monitor",
                "connect_timeout": 5,
            },
        },
        "MAX_CONTENT_LENGTH": settings.max_body_kb << 10,
        "MAX_FORM_MEMORY_SIZE": settings.max_body_kb << 10,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.https_only,
        "SESSION_COOKIE_NAME": "lead_monitor",
        "PERMANENT_SESSION_LIFETIME": settings.idle_minutes * 60,
        "WTF_CSRF_TIME_LIMIT": None,
        "APP_NAME": "智能营销管理平台",
        "BABEL_DEFAULT_LOCALE": "zh",
        "BABEL_DEFAULT_TIMEZONE": settings.timezone,
        "LANGUAGES": {"zh": {"flag": "cn", "name": "中文"}, "en": {"flag": "gb", "name": "English"}},
        "AUTH_ROLE_ADMIN": "Admin",
        "AUTH_ROLE_PUBLIC": "Public",
        "RATELIMIT_ENABLED": bool(settings.redis_url),
        "RATELIMIT_STORAGE_URI": settings.redis_url.replace("unix://", "redis+unix://") or "memory://",
        "RATELIMIT_STORAGE_OPTIONS": _redis_options(settings.redis_url),
        "RATELIMIT_KEY_PREFIX": "lead-monitor",
        "RATELIMIT_SWALLOW_ERRORS": True,
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
        "FAB_CREATE_DB": False,
        "FAB_UPDATE_PERMS": False,
        "FAB_BASE_TEMPLATE": "frame.html",
        "FAB_INDEX_VIEW": "app.screens.home.HomeView",
        "FAB_SECURITY_MANAGER_CLASS": "app.security.StaffSecurityManager",
        "FAB_API_SWAGGER_UI": False,
        "FAB_API_KEY_ENABLED": True,
        "FAB_API_KEY_PREFIXES": ["lm_"],
        # A key is 32 random bytes: a slow hash guards it no better, and each request would pay for it.
        "FAB_API_KEY_HASH_METHOD": "pbkdf2:sha256:1000",
        "FAB_ADD_MENU_API": False,
        "FAB_ADD_OPENAPI_VIEWS": False,
        "FAB_ADD_SECURITY_PERMISSION_VIEW": False,
        "FAB_ADD_SECURITY_VIEW_MENU_VIEW": False,
        "FAB_ADD_SECURITY_PERMISSION_VIEWS_VIEW": False,
        "FAB_API_MAX_PAGE_SIZE": 200,
    }


def _redis_options(url: str) -> dict[str, Any]:
    """Return options of the rate limiter's connection, so that no page waits for a Redis that is away."""
    if not url:
        return {}
    return {"retry": Retry(NoBackoff(), 0), "socket_connect_timeout": 2, "socket_timeout": 2}


def _database_url(url: str) -> str:
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url[len(prefix) :]
    if url and not url.startswith("postgresql+psycopg://"):
        raise ConfigError("DATABASE_URL: only PostgreSQL is supported (postgresql://…)")
    return url


def _choice(env: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = env.get(name) or default
    if value not in allowed:
        raise ConfigError(f"{name}: {value!r} is not one of {', '.join(allowed)}")
    return value


def _integer(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ConfigError(f"{name}: {text!r} is not a whole number from {low} to {high}")
    return int(text)


def _engine(env: Mapping[str, str]) -> Literal["duckdb", "spark"]:
    if _choice(env, "ACTIVITY_ENGINE", "duckdb", ("duckdb", "spark")) == "duckdb":
        return "duckdb"
    if "://" in env.get("ACTIVITY_STORE", ""):
        raise ConfigError("ACTIVITY_ENGINE: spark reads a folder that the cluster sees, not object storage")
    if not (env.get("SPARK_MASTER") or "").strip():
        raise ConfigError(
            "SPARK_MASTER: ACTIVITY_ENGINE=spark needs the cluster's, such as spark://host:7077"
        )
    if find_spec("pyspark") is None:
        raise ConfigError("ACTIVITY_ENGINE: spark needs the packages of requirements-spark.txt")
    java = Path(env["JAVA_HOME"], "bin", "java") if env.get("JAVA_HOME") else "java"
    if shutil.which(java, path=env.get("PATH")) is None:
        raise ConfigError(
            "ACTIVITY_ENGINE: spark needs Java 17 or newer, as `java` or in JAVA_HOME"
            " (Debian's package openjdk-17-jre-headless)"
        )
    return "spark"


def activity_place(text: str, env: Mapping[str, str]) -> str:
    """Return an absolute folder or the address of an object storage; an empty text stays empty.

    Raises ConfigError.
    """
    text = text.strip().rstrip("/")
    if "://" not in text:
        return str(Path(text).expanduser().resolve()) if text else ""
    split = urlsplit(text)
    # It may hold a password, so it isn't quoted.
    if "@" in split.netloc or split.query or split.fragment:
        raise ConfigError(
            "ACTIVITY_STORE: credentials come from the AWS SDK's variables, not from the address"
        )
    if split.scheme != "s3" or not split.netloc:
        raise ConfigError(
            f"ACTIVITY_STORE: {text!r} is neither a folder nor s3://bucket/prefix; of other storage it is not"
            " known how to write on condition"
        )
    if find_spec("s3fs") is None:
        raise ConfigError("ACTIVITY_STORE: s3:// needs the packages of requirements-s3.txt")
    return text


def _path(env: Mapping[str, str], name: str) -> Path | None:
    text = env.get(name) or ""
    return Path(text).expanduser().resolve() if text else None


def _worker_memory(env: Mapping[str, str]) -> int:
    """Return the default memory limit of a job in MB: that of the analytical engine plus 4 GB, else 64 GB."""
    text = (env.get("ACTIVITY_MEMORY") or "2GB").strip().upper()
    size = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([KMGT])I?B", text)
    powers = {"K": 2**-10, "M": 1, "G": 2**10, "T": 2**20}
    return 4096 + math.ceil(float(size[1]) * powers[size[2]]) if size else 65_536


def _words(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the values of a comma-separated list."""
    return tuple(word.strip() for word in (env.get(name) or "").split(",") if word.strip())


def _url(env: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    """Return an address with a host, or an empty text. Errors don't quote it, as it may hold a password."""
    text = (env.get(name) or "").strip()
    if not text:
        return ""
    try:
        split = urlsplit(text)
        valid = split.scheme in schemes and bool(split.hostname) and split.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(f"{name}: not an address such as {schemes[0]}://host:port")
    return text


def _mail_from(env: Mapping[str, str]) -> str:
    text = (env.get("MAIL_FROM") or "lead-monitor@localhost").strip()
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", text):
        raise ConfigError(f"MAIL_FROM: {text!r} is not an e-mail address")
    return text


def _file(env: Mapping[str, str], name: str) -> Path | None:
    text = env.get(name) or ""
    if not text:
        return None
    path = Path(text).expanduser()
    if not path.is_absolute() or path.is_dir():
        raise ConfigError(f"{name}: {text!r} is not the absolute path of a file")
    return path


def _time(env: Mapping[str, str], name: str, default: str) -> time:
    text = env.get(name) or default
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {text!r} is not a time of day such as 06:00") from error


def _timezone(env: Mapping[str, str]) -> str:
    name = env.get("TIMEZONE") or "Asia/Shanghai"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"TIMEZONE: {name!r} is not a known time zone") from error
    return name


def _old_keys(env: Mapping[str, str]) -> tuple[tuple[int, str], ...]:
    """Parse ``PII_KEYS_OLD=1:key,2:key``, sorted by version. Errors don't quote keys."""
    keys: dict[int, str] = {}
    for place, part in enumerate((env.get("PII_KEYS_OLD") or "").split(","), 1):
        if not part.strip():
            continue
        version, _, key = part.strip().partition(":")
        if not (version.isascii() and version.isdigit() and 1 <= int(version) <= MAX_KEY_VERSION and key):
            raise ConfigError(
                f"PII_KEYS_OLD: entry {place} is not version:key, version from 1 to {MAX_KEY_VERSION}"
            )
        if int(version) in keys:
            raise ConfigError(f"PII_KEYS_OLD: version {int(version)} is there twice")
        keys[int(version)] = key
    return tuple(sorted(keys.items()))


def _key_version(env: Mapping[str, str], old: tuple[tuple[int, str], ...]) -> int:
    newest = max((version for version, _key in old), default=0)
    version = _integer(env, "PII_KEY_VERSION", newest + 1, 1, MAX_KEY_VERSION)
    if version <= newest:
        raise ConfigError(f"PII_KEY_VERSION: {version} is not newer than version {newest} in PII_KEYS_OLD")
    return version


def _index_key(env: Mapping[str, str]) -> str:
    key = env.get("PII_INDEX_KEY") or ""
    if key and not re.fullmatch(r"[0-9a-f]{64}", key):
        raise ConfigError("PII_INDEX_KEY: not 64 hexadecimal digits as `flask pii index-key` prints them")
    return key


def _secrets(env: Mapping[str, str], data_dir: Path, app_env: str) -> tuple[dict[str, str], tuple[str, ...]]:
    keys = {name: env[name] for name in SECRET_NAMES if env.get(name)}
    missing = tuple(name for name in SECRET_NAMES if name not in keys)
    if not missing:
        return keys, ()
    if app_env == "production":
        raise ConfigError("APP_ENV=production refuses to start without: " + ", ".join(missing))
    return keys | _kept_secrets(data_dir, missing), missing


def _kept_secrets(data_dir: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return the named secrets from ``secrets.env``, generating missing ones under a file lock."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data_dir / "secrets.env", os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = dict(line.split("=", 1) for line in file.read().splitlines() if "=" in line)
        new = {name: secrets.token_urlsafe(48) for name in names if name not in kept}
        if new:
            file.seek(0, os.SEEK_END)
            file.writelines(f"{name}={value}\n" for name, value in new.items())
            file.flush()
            os.fsync(file.fileno())
    return {name: (kept | new)[name] for name in names}

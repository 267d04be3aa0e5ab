"""Settings: defaults, refusals, generated secrets, and the demands of production."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest

from config import ConfigError, Settings, flask_config, load_settings, weakness

SECRETS = {
    "SECRET_KEY": "Yx3-session-signing-key-for-tests",
    "PII_KEY": "0123456789abcdef0123456789abcdee",
    "ID_HASH_KEY": "sample-key-for-tests-only-32bytes",
}
PRODUCTION = {
    "APP_ENV": "production",
    "DATABASE_URL": "postgresql://bank@db/leads",
    "REDIS_URL": "redis://cache/0",
    **SECRETS,
}


def test_defaults(tmp_path: Path) -> None:
    settings = load_settings({"DATA_DIR": str(tmp_path)})
    assert (settings.app_env, settings.timezone, settings.id_hash_algorithm) == (
        "development",
        "Asia/Shanghai",
        "sm3",
    )
    assert (settings.database_url, settings.redis_url, settings.host) == ("", "", "127.0.0.1")
    assert settings.t1_time == dt.time(6)


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    first = load_settings({"DATA_DIR": str(tmp_path)})
    second = load_settings({"DATA_DIR": str(tmp_path)})
    assert (first.secret_key, first.pii_key, first.id_hash_key) == (
        second.secret_key,
        second.pii_key,
        second.id_hash_key,
    )
    assert len({first.secret_key, first.pii_key, first.id_hash_key}) == 3
    assert min(len(first.secret_key), len(first.pii_key)) >= 32
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600
    assert first.secret_key not in repr(first)


def test_a_given_secret_wins_and_is_not_written(tmp_path: Path) -> None:
    settings = load_settings({"DATA_DIR": str(tmp_path), "ID_HASH_KEY": "agreed with the provider"})
    assert settings.id_hash_key == "agreed with the provider"
    assert "agreed" not in (tmp_path / "secrets.env").read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ENV", "prod"),
        ("ID_HASH_ALGORITHM", "md5"),
        ("ACTIVITY_ENGINE", "pandas"),
        ("TIMEZONE", "Asia/Shangri-La"),
        ("PORT", "0"),
        ("PORT", "http"),
        ("T1_TIME", "6 o'clock"),
        ("DATABASE_URL", "mysql://localhost/leads"),
        ("EVENTS_RETENTION_DAYS", "-1"),
    ],
)
def test_a_bad_value_names_the_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load_settings({"DATA_DIR": str(tmp_path), **SECRETS, name: value})


def test_spark_needs_its_packages_java_and_a_master(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "java").write_text("#!/bin/sh\n")
    (tmp_path / "java").chmod(0o755)
    spark = {"DATA_DIR": str(tmp_path), **SECRETS, "ACTIVITY_ENGINE": "spark", "PATH": str(tmp_path)}
    monkeypatch.setattr("config.find_spec", lambda name: name)
    with pytest.raises(ConfigError, match="SPARK_MASTER"):
        load_settings(spark)
    spark["SPARK_MASTER"] = "spark://master:7077"
    settings = load_settings(spark)
    assert (settings.activity_engine, settings.spark_master) == ("spark", "spark://master:7077")
    for without in ({"PATH": "/nowhere"}, {"JAVA_HOME": "/nowhere"}):
        with pytest.raises(ConfigError, match="openjdk"):
            load_settings(spark | without)
    monkeypatch.setattr("config.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"requirements-spark\.txt"):
        load_settings(spark)


def test_the_activity_store_is_a_folder_or_object_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"DATA_DIR": str(tmp_path), **SECRETS}
    settings = load_settings(given)
    assert (settings.activity_store, settings.activity_cache) == ("", tmp_path / "activity-cache")
    assert load_settings(given | {"ACTIVITY_STORE": str(tmp_path / "a/../b/")}).activity_store == str(
        tmp_path / "b"
    )
    s3 = given | {"ACTIVITY_STORE": "s3://bucket/some/prefix/"}
    assert load_settings(s3).activity_store == "s3://bucket/some/prefix"
    for place in ("gs://bucket/x", "s3:///x", "ftp://host"):
        with pytest.raises(ConfigError, match=r"ACTIVITY_STORE: .* neither a folder nor s3://"):
            load_settings(given | {"ACTIVITY_STORE": place})
    with pytest.raises(ConfigError, match="ACTIVITY_STORE: credentials") as caught:
        load_settings(given | {"ACTIVITY_STORE": "s3://key:hush@bucket/x"})
    assert "hush" not in str(caught.value)
    with pytest.raises(ConfigError, match="ACTIVITY_ENGINE: spark reads a folder"):
        load_settings(s3 | {"ACTIVITY_ENGINE": "spark", "SPARK_MASTER": "local", "JAVA_HOME": str(tmp_path)})
    monkeypatch.setattr("config.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"requirements-s3\.txt"):
        load_settings(s3)


def test_production_starts_with_everything_given(tmp_path: Path) -> None:
    settings = load_settings({"DATA_DIR": str(tmp_path), **PRODUCTION})
    assert settings.production
    assert not (tmp_path / "secrets.env").exists()
    assert flask_config(settings)["SESSION_COOKIE_SECURE"] is True


@pytest.mark.parametrize("missing", ["SECRET_KEY", "PII_KEY", "ID_HASH_KEY", "DATABASE_URL", "REDIS_URL"])
def test_production_refuses_what_is_missing(tmp_path: Path, missing: str) -> None:
    environment = {key: value for key, value in PRODUCTION.items() if key != missing}
    with pytest.raises(ConfigError, match=missing):
        load_settings({"DATA_DIR": str(tmp_path), **environment})
    assert not (tmp_path / "secrets.env").exists()


def test_production_refuses_debug(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FLASK_DEBUG"):
        load_settings({"DATA_DIR": str(tmp_path), **PRODUCTION, "FLASK_DEBUG": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PII_CIPHER", "des"),
        ("PII_KEYS_OLD", "secret-without-version"),
        ("PII_KEYS_OLD", "0:secret"),
        ("PII_KEYS_OLD", "128:secret"),
        ("PII_KEYS_OLD", "1:"),
        ("PII_KEYS_OLD", "1:secret,1:other"),
        ("PII_KEY_VERSION", "0"),
        ("PII_INDEX_KEY", "secret"),
        ("REVEALS_PER_HOUR", "0"),
        ("EXPORTS_KEEP_DAYS", "-1"),
    ],
)
def test_wrong_privacy_settings_are_named_without_their_secret(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        load_settings({"DATA_DIR": str(tmp_path), name: value})
    assert "secret" not in str(caught.value)


def test_key_versions(tmp_path: Path) -> None:
    def settings(**env: str) -> Settings:
        return load_settings({"DATA_DIR": str(tmp_path), **env})

    assert settings().pii_key_version == 1
    assert settings(PII_KEYS_OLD="2:b, 1:a").pii_keys_old == ((1, "a"), (2, "b"))
    assert settings(PII_KEYS_OLD="1:a,2:b").pii_key_version == 3
    assert settings(PII_KEY_VERSION="3").pii_key_version == 3
    with pytest.raises(ConfigError, match="PII_KEY_VERSION"):
        settings(PII_KEYS_OLD="2:b", PII_KEY_VERSION="2")


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Asia/Shanghai", "2028-03-01"), ("America/New_York", "2028-02-29"), ("UTC", "2028-02-29")],
)
def test_today_is_the_date_of_the_configured_zone(tmp_path: Path, zone: str, day: str) -> None:
    settings = load_settings({"DATA_DIR": str(tmp_path), "TIMEZONE": zone})
    assert settings.today(dt.datetime(2028, 2, 29, 16, 30, tzinfo=dt.UTC)) == dt.date.fromisoformat(day)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SECRET_KEY", "x", "SECRET_KEY has 1 bytes, 32 random ones are the least (make one by `python -c"),
        ("PII_KEY", "0123456789abcdef0123456789abcde", "PII_KEY has 31 bytes"),
        ("PII_KEY", "0123456789abcdef" * 2, "PII_KEY is one part repeated"),
        (
            "ID_HASH_KEY",
            "k" * 64,
            "ID_HASH_KEY is made of a few characters over and over (agree with the log",
        ),
        ("ID_HASH_KEY", "abcabcab" * 8, "ID_HASH_KEY is made of a few characters"),
        ("PII_KEYS_OLD", "1:short", "PII_KEYS_OLD version 1 has 5 bytes"),
        ("SECRET_KEY", SECRETS["PII_KEY"], "two of SECRET_KEY, PII_KEY, ID_HASH_KEY are the same"),
    ],
)
def test_production_demands_secrets_of_32_random_bytes(
    name: str, value: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({"DATA_DIR": str(tmp_path), **PRODUCTION, name: value})
    assert why in str(refused.value)
    assert len(value) < 5 or value not in str(refused.value)
    assert load_settings({"DATA_DIR": str(tmp_path), **SECRETS, name: value})


def test_an_agreed_key_of_chinese_characters_is_counted_in_bytes(tmp_path: Path) -> None:
    key = "与供应商约定的密钥一共三十二个字节"
    assert load_settings({"DATA_DIR": str(tmp_path), **PRODUCTION, "ID_HASH_KEY": key}).id_hash_key == key


def test_secrets_made_by_the_program_are_good_enough(tmp_path: Path) -> None:
    made = load_settings({"DATA_DIR": str(tmp_path)})
    assert [weakness(key) for key in (made.secret_key, made.pii_key, made.id_hash_key)] == [None] * 3

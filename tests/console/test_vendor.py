"""Third-party scripts match the manifest and package-lock.json, and are served compressed."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "app" / "static" / "vendor"
MANIFEST: dict[str, Any] = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))


def test_every_script_is_in_the_manifest() -> None:
    assert {path.name for path in VENDOR.glob("*.js")} == set(MANIFEST)
    assert {path.name for path in VENDOR.glob("*.gz")} == {f"{name}.gz" for name in MANIFEST}


@pytest.mark.parametrize("name", MANIFEST)
def test_a_script_is_what_the_manifest_says(name: str) -> None:
    content = (VENDOR / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == MANIFEST[name]["sha256"]
    assert gzip.decompress((VENDOR / f"{name}.gz").read_bytes()) == content


def test_the_versions_are_the_locked_ones() -> None:
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    packages = [each for script in MANIFEST.values() for each in script["packages"]]
    assert packages
    for each in packages:
        entry = locked[f"node_modules/{each['name']}"]
        assert (entry["version"], entry["license"]) == (each["version"], each["licence"])


@pytest.mark.parametrize("name", MANIFEST)
def test_a_script_travels_compressed(app: Flask, name: str) -> None:
    answer = app.test_client().get(f"/static/vendor/{name}", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.data) < 400_000
    assert gzip.decompress(answer.data) == (VENDOR / name).read_bytes()

"""Bundle third-party scripts into app/static/vendor and write their manifest.

The packages come from package-lock.json by `npm ci`. Each module of scripts/bundles becomes one ES module
with a compressed copy, which browsers get.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "app" / "static" / "vendor"
ESBUILD = PACKAGES / ".bin" / "esbuild"
OPTIONS = ("--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8")
LICENCES = ("LICENSE", "LICENCE", "NOTICE")


def bundle(source: Path) -> dict[str, Any]:
    """Write the bundle of a module. Return its entry in the manifest."""
    target = VENDOR / source.name
    with tempfile.NamedTemporaryFile(suffix=".json") as meta:
        files = (str(source), f"--outfile={target}", f"--metafile={meta.name}")
        subprocess.run(
            [str(ESBUILD), *OPTIONS, "--legal-comments=none", "--log-level=warning", *files],
            cwd=ROOT,
            check=True,
        )
        inputs = json.loads(Path(meta.name).read_text(encoding="utf-8"))["inputs"]
    content = target.read_bytes()
    target.with_suffix(".js.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "packages": [package(name) for name in sorted({_package(path) for path in inputs} - {""})],
    }


def _package(path: str) -> str:
    """Return the package of a file in node_modules, empty for one of our files."""
    parts = Path(path).parts
    if parts[0] != PACKAGES.name:
        return ""
    return "/".join(parts[1:3] if parts[1].startswith("@") else parts[1:2])


def package(name: str) -> dict[str, str]:
    """Copy a package's licence file, if it has one. Return its name, version and licence."""
    folder = PACKAGES / name
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()) if path.stem in LICENCES]
    if texts:
        own = VENDOR / "licences" / f"{name.replace('/', '-')}.txt"
        own.parent.mkdir(exist_ok=True)
        own.write_text("\n".join(texts), encoding="utf-8")
    metadata = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    return {"name": name, "version": metadata["version"], "licence": metadata["license"]}


if __name__ == "__main__":
    manifest = {source.name: bundle(source) for source in sorted((ROOT / "scripts" / "bundles").glob("*.js"))}
    (VENDOR / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for path in sorted(VENDOR.glob("*.gz")):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")

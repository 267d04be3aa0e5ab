"""Cold start: what a fresh installation already knows."""

from __future__ import annotations

from pathlib import Path

from app.rules.config_file import apply_config
from app.rules.definition import read_config_file

PRESETS = Path(__file__).parent / "presets.yaml"


def apply_presets() -> dict[str, int]:
    """Put in what is missing of the presets. Idempotent; leaves everything that exists as it is."""
    return apply_config(read_config_file(PRESETS), PRESETS.name, "coldstart", overwrite=False)

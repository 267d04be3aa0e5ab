"""Cold start: the preset rules, schedules, institutions and outreach texts of a fresh installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.coldstart import outreach
from app.extensions import db
from app.models import CloseReason, PresetApplied, Rule
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import ConfigFile, read_config

PRESETS = Path(__file__).parent / "presets.yaml"
KINDS = ("institutions", "rules", "schedules")
CLOSE_REASON = "close_reason"
CLOSE_REASONS = ("暂无需求", "已在他行办理", "多次未接通", "空号或停机", "拒绝营销", "资质不符", "其他")
REFUSAL = "拒绝营销"


def apply_presets() -> dict[str, int]:
    """Add the presets that were never applied. Return how many of each kind were added.

    Idempotent. Existing objects are not changed, and deleted presets don't come back.
    """
    fresh = _never_applied(read_config(PRESETS))
    db.session.add_all(
        PresetApplied(kind=kind, code=preset.code) for kind in KINDS for preset in getattr(fresh, kind)
    )
    _add_close_reasons()
    outreach.add_presets()
    return apply_config(fresh, "coldstart", overwrite=False)


def _add_close_reasons() -> None:
    """Add the preset close reasons that were never applied and don't exist."""
    applied = select(PresetApplied.code).where(PresetApplied.kind == CLOSE_REASON)
    known = set(db.session.scalars(applied)) | set(db.session.scalars(select(CloseReason.name)))
    for place, name in enumerate(CLOSE_REASONS, start=1):
        if name not in known:
            db.session.add(CloseReason(name=name, position=place * 10, refusal=name == REFUSAL))
            db.session.add(PresetApplied(kind=CLOSE_REASON, code=name))


def _never_applied(presets: ConfigFile) -> ConfigFile:
    """Return the presets not applied before; schedules lose rules that were deleted."""
    applied = {(row.kind, row.code) for row in db.session.scalars(select(PresetApplied))}
    new: dict[str, list[Any]] = {
        kind: [preset for preset in getattr(presets, kind) if (kind, preset.code) not in applied]
        for kind in KINDS
    }
    rules = set(db.session.scalars(select(Rule.code))) | {rule.code for rule in new["rules"]}
    kept = [
        s.model_copy(update={"rules": [code for code in s.rules if code in rules]}) for s in new["schedules"]
    ]
    return ConfigFile(
        institutions=new["institutions"], rules=new["rules"], schedules=[s for s in kept if s.rules]
    )

"""Cold start: the presets of a fresh installation, of every kind that a bank doesn't bring itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.channels import targets
from app.extensions import db
from app.models import CloseReason, ContactResult, ForbiddenWord, PresetApplied, ResultKind, Rule, Target
from app.rulesfile.apply import apply_config
from app.rulesfile.kind import Kind
from app.rulesfile.kinds import KINDS
from app.rulesfile.schema import ConfigFile, read_config

FOLDER = Path(__file__).parent / "presets"
USER = "coldstart"
CLOSE_REASON, RESULT, WORD, TARGET = "close_reason", "contact_result", "forbidden_word", "target"
#: targets of the schedules among the presets: code → channel and name
TARGETS = {"staff": ("reminder", "营销专员与主管")}
CLOSE_REASONS = (
    "暂无需求",
    "已在他行办理",
    "多次未接通",
    "空号或停机",
    "非本人",
    "拒绝营销",
    "资质不符",
    "其他",
)
REFUSAL = "拒绝营销"
#: result of a contact → its English name, and what follows: its kind, and the days until the next contact or
#: the reason for closing
RESULTS: dict[str, tuple[str, ResultKind, int | str]] = {
    "接通有意向": ("Interested", ResultKind.NEXT, 1),
    "接通考虑中": ("Considering", ResultKind.NEXT, 3),
    "接通无意向": ("Not interested", ResultKind.CLOSE, "暂无需求"),
    "约定回电": ("Call back agreed", ResultKind.CALL_BACK, 0),
    "未接": ("No answer", ResultKind.NEXT, 1),
    "空号/停机": ("Number not in service", ResultKind.CLOSE, "空号或停机"),
    "非本人": ("Not the customer", ResultKind.CLOSE, "非本人"),
    "拒绝并免打扰": ("Refused, do not disturb", ResultKind.CLOSE, REFUSAL),
}
#: results that say that the number is not the customer's
WRONG_NUMBER = ("空号/停机", "非本人")
WORDS = (
    *("保本", "保收益", "无风险", "零风险", "稳赚", "最高收益", "国家级", "最低利率", "包过", "必批"),
    *("秒批", "不看征信", "黑户", "套现"),
)


@cache
def presets() -> ConfigFile:
    """Return the presets that are items of a configuration file."""
    return read_config(FOLDER)


def apply_presets() -> dict[str, int]:
    """Add the presets that were never applied. Return how many of each kind of the file were added.

    Idempotent. Existing objects are not changed, and deleted presets don't come back. A preset that doesn't
    fit what a bank has made itself, such as a fact with the name of another one, is left out for good.
    """
    _add_close_reasons()
    _add_results()
    _add_forbidden_words()
    _add_targets()
    fresh = _never_applied(presets())
    db.session.add_all(
        PresetApplied(kind=kind.name, code=kind.key(item)) for kind in KINDS for item in kind.items(fresh)
    )
    return apply_config(_fitting(fresh), USER, overwrite=False)


def _add_close_reasons() -> None:
    for name in _missing(CLOSE_REASON, CLOSE_REASONS, CloseReason.name):
        position = 10 * (CLOSE_REASONS.index(name) + 1)
        db.session.add(CloseReason(name=name, position=position, refusal=name == REFUSAL))


def _add_results() -> None:
    """Add the results of contacts. One whose reason for closing the bank has deleted is left out for good."""
    db.session.flush()
    reasons = {each.name: each for each in db.session.scalars(select(CloseReason))}
    for name in _missing(RESULT, tuple(RESULTS), ContactResult.name):
        english, kind, more = RESULTS[name]
        position = 10 * (list(RESULTS).index(name) + 1)
        result = ContactResult(name=name, name_en=english, kind=kind, position=position)
        result.wrong_number = name in WRONG_NUMBER
        if isinstance(more, int):
            result.next_days = more
        elif more in reasons:
            result.close_reason = reasons[more]
        else:
            continue
        db.session.add(result)


def _add_forbidden_words() -> None:
    for word in _missing(WORD, WORDS, ForbiddenWord.word):
        db.session.add(ForbiddenWord(word=word, created_by=USER))


def _add_targets() -> None:
    for code in _missing(TARGET, tuple(TARGETS), Target.code):
        kind, name = TARGETS[code]
        targets.create(kind, code, name, {}, USER)


def _missing(kind: str, names: tuple[str, ...], column: Any) -> list[str]:
    """Return the preset names that were never applied and that nobody has made, and note them as applied."""
    applied = select(PresetApplied.code).where(PresetApplied.kind == kind)
    known = set(db.session.scalars(applied)) | set(db.session.scalars(select(column)))
    missing = [name for name in names if name not in known]
    db.session.add_all(PresetApplied(kind=kind, code=name) for name in missing)
    return missing


def _never_applied(config: ConfigFile) -> ConfigFile:
    """Return the presets not applied before."""
    applied = {(row.kind, row.code) for row in db.session.scalars(select(PresetApplied))}
    return _limited(config, lambda kind, item: (kind.name, kind.key(item)) not in applied)


def _fitting(config: ConfigFile) -> ConfigFile:
    """Return the items that can be applied beside what is stored and each other."""
    refused = {
        (kind.name, kind.key(kind.items(config)[number]))
        for kind in KINDS
        for number, _line in kind.problems(config)
    }
    if not refused:
        return config
    return _fitting(_limited(config, lambda kind, item: (kind.name, kind.key(item)) not in refused))


def _limited(config: ConfigFile, keeps: Callable[[Kind[Any], Any], bool]) -> ConfigFile:
    """Return the items that ``keeps`` accepts; schedules push only rules that are stored or among them."""
    kept: dict[str, Any] = {
        kind.name: [item for item in kind.items(config) if keeps(kind, item)] for kind in KINDS
    }
    rules = set(db.session.scalars(select(Rule.code))) | {rule.code for rule in kept["rules"]}
    schedules = [
        each.model_copy(update={"rules": [code for code in each.rules if code in rules]})
        for each in kept["schedules"]
    ]
    single = {kind.name: next(iter(kept[kind.name]), None) for kind in KINDS if kind.single}
    return ConfigFile(**kept | single | {"schedules": [each for each in schedules if each.rules]})

"""Rules in the configuration file. They become active at once, a changed one in a new version."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.extensions import db
from app.models import Rule, RuleStatus
from app.rules import check, lead_filter
from app.rules.definition import DEFAULT_GRADE_BANDS, DEFAULT_HALF_LIFE_DAYS, DEFAULT_WEIGHTS, RuleDef
from app.rules.differences import rule_changes
from app.rules.versions import activate, add_version, rule_def
from app.rulesfile.kind import Kind
from app.rulesfile.segments import named_in

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


def _active() -> list[Rule]:
    active = select(Rule).where(Rule.active_version_id.is_not(None), Rule.status == RuleStatus.ACTIVE)
    return list(db.session.scalars(active.order_by(Rule.id)))


def _read() -> list[RuleDef]:
    return [rule_def(row.active_version) for row in _active() if row.active_version]


def _dormant() -> Collection[str]:
    return set(db.session.scalars(select(Rule.code))) - {row.code for row in _active()}


def _known(config: ConfigFile) -> check.Catalogue:
    products = [each.code for each in config.products]
    return check.read_catalogue().extended(config.institutions, products, named_in(config))


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    known = _known(config)
    for number, rule in enumerate(config.rules):
        for each in check.check(rule, known):
            if each.kind == "unknown" and (
                each.path[0] in ("conditions", "products") or each.path[1:] == ("filter",)
            ):
                yield number, _line(each)
        for name in lead_filter.unknown(rule.lead_filter, {each.name for each in config.segments}):
            yield number, f".lead_filter.{name.field}[{name.position}]: {name.name!r}: {name.why}"


def never_met(config: ConfigFile) -> Iterator[tuple[int, str]]:
    """Yield the conditions that no lead can ever meet: the number of the rule, and the rest of the line.

    Forms refuse such rules, but a file that could be applied before must remain applicable.
    """
    known = _known(config)
    for number, rule in enumerate(config.rules):
        yield from ((number, _line(each)) for each in check.check(rule, known) if each.kind == "never")


def _line(problem: check.Problem) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.path)
    return f"{path}: {problem.value!r}: {problem.error}"


def _apply(item: RuleDef, user: str, overwrite: bool) -> None:
    rule = db.session.scalar(select(Rule).where(Rule.code == item.code))
    if rule is None:
        rule = Rule(code=item.code, name=item.name, description=item.description)
        db.session.add(rule)
        db.session.flush()
    elif not overwrite:
        return
    current = rule.active_version
    if current is not None and rule_def(current) == item:
        rule.status = RuleStatus.ACTIVE
        return
    activate(add_version(rule, item, user), user)


def _as_yaml(item: RuleDef) -> dict[str, Any]:
    content = item.model_dump(mode="json", exclude_defaults=True)
    if item.lead_filter:
        content["lead_filter"] = item.lead_filter.as_yaml()
    content["match"] = item.match
    content["cooldown_days"] = item.cooldown_days
    for key, default in (
        ("half_life_days", DEFAULT_HALF_LIFE_DAYS),
        ("weights", DEFAULT_WEIGHTS),
        ("grade_bands", DEFAULT_GRADE_BANDS),
    ):
        if content.get(key) == default:
            content.pop(key)
    order = ("code", "name", "description", "match", "cooldown_days", "lead_filter", "conditions")
    return {key: content[key] for key in (*order, *(k for k in content if k not in order)) if key in content}


RULES = Kind(
    "rules",
    read=_read,
    apply=_apply,
    problems=_problems,
    as_yaml=_as_yaml,
    changes=rule_changes,
    dormant=_dormant,
    always=True,
)

"""Rules as they are evaluated: as queries of the activity cube, and how they score their hits."""

from __future__ import annotations

from typing import NamedTuple, Self

from app.activity.score import Score
from app.activity.spec import Condition, RuleSpec
from app.models import RuleVersion
from app.rules import catalogue
from app.rules.definition import ConditionDef, RuleDef
from app.rules.versions import rule_def


class Evaluated(NamedTuple):
    """A rule's version to evaluate: the ids of both, its definition, and the query to which that compiles."""

    rule_id: int
    version_id: int
    definition: RuleDef
    spec: RuleSpec

    @classmethod
    def of(cls, version: RuleVersion) -> Self:
        """Return a version as it is evaluated."""
        definition = rule_def(version)
        return cls(version.rule_id, version.id, definition, compile_rule(definition))


def compile_rule(definition: RuleDef) -> RuleSpec:
    """Compile a rule to a query specification for the activity cube, resolving its institution filters."""
    return RuleSpec(match=definition.match, conditions=tuple(_compile(c) for c in definition.conditions))


def _compile(condition: ConditionDef) -> Condition:
    return Condition(
        metric=condition.metric,
        op=condition.op,
        value=condition.value,
        window_days=condition.window_days,
        hours=(condition.hours[0], condition.hours[1]),
        institutions=catalogue.resolve(condition),
        event_types=frozenset(condition.event_types) or None,
        result=condition.result,
    )


def score_of(definition: RuleDef) -> Score:
    """Return how a rule scores its hits."""
    return Score(
        definition.half_life_days, {str(kind): weight for kind, weight in definition.weights.items()}
    )


def grade_of(score: float, definition: RuleDef) -> str:
    """Return the grade of a score: the first band, from A down, whose lower edge the score reaches."""
    bands = {str(grade): edge for grade, edge in definition.grade_bands.items()}
    return next((grade for grade in "ABCD" if score >= bands[grade]), "D")

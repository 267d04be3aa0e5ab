"""What a filter demands of activity alone, against all that its other tests may say."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.segments.filter import AllOf, AnyOf, MetricTest, NotOf, OptedOutTest, of_activity
from tests.thorough import examples

#: tests of activity by threshold, and others, told apart by their place in the filter
ACTIVE = st.builds(lambda n: MetricTest(metric="calls", op=">=", value=n, window_days=1), st.integers(0, 2))
OTHER = st.booleans().map(lambda flag: OptedOutTest(opted_out=flag))
filters = st.recursive(
    ACTIVE | OTHER,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(all=parts))
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(any=parts))
        | inner.map(lambda part: NotOf.model_construct(not_=part))
    ),
    max_leaves=6,
)


def truth(part: Any, active: tuple[bool, ...], others: list[bool]) -> bool:
    """Return whether a filter holds; its other tests take their truth in turn."""
    match part:
        case MetricTest(value=n):
            return active[n or 0]
        case OptedOutTest():
            return others.pop()
        case AllOf(all=parts) | AnyOf(any=parts):
            # Every part takes its turn, whatever those before it say.
            found = [truth(each, active, others) for each in parts]
            return all(found) if isinstance(part, AllOf) else any(found)
    return not truth(part.not_, active, others)


def others_in(part: Any) -> int:
    match part:
        case OptedOutTest():
            return 1
        case AllOf(all=parts) | AnyOf(any=parts):
            return sum(map(others_in, parts))
        case NotOf(not_=inner):
            return others_in(inner)
    return 0


@given(filters)
@examples(100, 1000)
def test_it_admits_whoever_the_filter_may_admit(whole: Any) -> None:
    found = of_activity(whole)
    for active in product((False, True), repeat=3):
        possible = any(
            truth(whole, active, list(others)) for others in product((False, True), repeat=others_in(whole))
        )
        assert (found is None or truth(found, active, [])) == possible

"""Checks that what a filter names exists and can be tested so."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.facts import catalogue, conditions
from app.facts.conditions import FactTest
from app.facts.definition import FactDef
from app.models import Branch, Product, Tag
from app.segments.filter import ANY, AttributeTest, OutcomeTest, tests_of


@dataclass(frozen=True)
class Known:
    """What filters may name: facts by code, codes of branches and products, codes and names of tags."""

    facts: Mapping[str, FactDef]
    branches: Collection[str]
    tags: Collection[str]
    products: Collection[str] = ()

    def extended(self, more: Known) -> Known:
        """Return this with more added, or replaced."""
        names = ("branches", "tags", "products")
        both = {name: {*getattr(self, name), *getattr(more, name)} for name in names}
        return Known({**self.facts, **more.facts}, **both)


NOTHING = Known({}, (), ())


def read_known() -> Known:
    """Return what there is in the database."""
    facts = {fact.code: fact for fact in catalogue.definitions().values()}
    tags = {name for row in db.session.execute(select(Tag.code, Tag.name)) for name in row}
    branches, products = (set(db.session.scalars(select(each.code))) for each in (Branch, Product))
    return Known(facts, branches, tags, products)


def problems(whole: Any, known: Known) -> Iterator[DomainError]:
    """Yield why the tests of a filter can't be made."""
    for test in tests_of(whole) if whole else ():
        if isinstance(test, FactTest):
            try:
                conditions.check(test, known.facts)
            except DomainError as error:
                yield error
        elif isinstance(test, OutcomeTest) and test.outcome not in (ANY, *known.products):
            yield DomainError("There is no product with the code %(code)s.", code=test.outcome)
        elif isinstance(test, AttributeTest) and test.attribute in ("branch", "tag"):
            there = known.branches if test.attribute == "branch" else known.tags
            yield from (
                DomainError("There is no branch with the code %(name)s.", name=name)
                if test.attribute == "branch"
                else DomainError("There is no tag “%(name)s”.", name=name)
                for name in test.in_
                if name not in there
            )


def check(whole: Any) -> None:
    """Raise DomainError for the first test of a filter that can't be made."""
    for problem in problems(whole, read_known()):
        raise problem

"""Products in the configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.products import catalogue
from app.products.definition import ProductDef, check_names
from app.rules import lead_filter
from app.rulesfile.kind import Kind, taken_names
from app.rulesfile.segments import named_in
from app.segments import check as filter_check

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    known = filter_check.read_known().extended(named_in(config))
    for number, product in enumerate(config.products):
        for problem in filter_check.problems(product.eligible.filter, known):
            yield number, f".eligible: {problem}"
        for each in lead_filter.unknown(product.eligible, {each.name for each in config.segments}):
            yield number, f".eligible.{each.field}[{each.position}]: {each.name!r}: {each.why}"
    yield from taken_names(config.products, catalogue.definitions(), check_names)


def _apply(item: ProductDef, user: str, overwrite: bool) -> None:
    catalogue.apply(item, user, overwrite=overwrite)


PRODUCTS = Kind(
    "products",
    read=catalogue.definitions,
    apply=_apply,
    problems=_problems,
    as_yaml=ProductDef.as_yaml,
)

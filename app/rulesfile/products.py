"""Products in the configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.errors import FieldError
from app.products import catalogue
from app.products.definition import ProductDef, check_names
from app.rules import lead_filter
from app.rulesfile.kind import Kind

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    after = {product.code: product for product in [*catalogue.definitions(), *config.products]}
    for number, product in enumerate(config.products):
        for each in lead_filter.unknown(product.eligible):
            yield number, f".eligible.{each.field}[{each.position}]: {each.name!r}: {each.why}"
        try:
            check_names([*(each for each in after.values() if each.code != product.code), product])
        except FieldError as error:
            yield number, f": {error}"


def _apply(item: ProductDef, user: str, overwrite: bool) -> None:
    catalogue.apply(item, user, overwrite=overwrite)


PRODUCTS = Kind("products", read=catalogue.definitions, apply=_apply, problems=_problems)

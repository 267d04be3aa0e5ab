"""Definitions of products: code, line, margin rate, dates of sale and eligible customers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from app.errors import FieldError
from app.lib.fields import Name, Word, iso_date
from app.lib.strict import Code, Stored
from app.rules.definition import LeadFilterDef

DEFAULT_MARGIN_RATE = 0.03
Day = Annotated[dt.date | None, BeforeValidator(iso_date)]


class ProductDef(Stored):
    """A product: what it is called, its line, its margin, when it is sold and to whom.

    ``margin_rate`` is the share of an amount that the bank earns where an outcome states no margin.
    ``valid_from`` and ``valid_until`` (both included; None: no limit) are ``from`` and ``until`` in the
    configuration file.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    code: Code
    name: Name
    line: Word
    margin_rate: Annotated[float, Field(ge=0, le=1)] = DEFAULT_MARGIN_RATE
    valid_from: Annotated[Day, Field(alias="from")] = None
    valid_until: Annotated[Day, Field(alias="until")] = None
    eligible: LeadFilterDef = LeadFilterDef()

    @model_validator(mode="after")
    def _is_sold_for_a_time(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("until comes before from")
        return self

    def as_row(self) -> dict[str, Any]:
        """Return the values of the columns of its row."""
        return self.model_dump() | {"eligible": self.eligible.as_json()}

    def as_yaml(self) -> dict[str, Any]:
        """Return the definition as the configuration file states it, without defaults."""
        content = self.model_dump(by_alias=True, exclude_defaults=True)
        return content | ({"eligible": self.eligible.as_yaml()} if self.eligible else {})


def product_def(row: Any) -> ProductDef:
    """Return the definition of a stored row of Product."""
    values = {name: getattr(row, name) for name in ProductDef.model_fields}
    return ProductDef(
        **values | {"margin_rate": float(row.margin_rate), "eligible": LeadFilterDef(**row.eligible)}
    )


def check_names(product: ProductDef, others: Iterable[ProductDef]) -> None:
    """Raise FieldError when another product has the code or name of this one: files name it by either."""
    owner = {text.casefold(): other.code for other in others for text in (other.code, other.name)}
    for field in ("code", "name"):
        text = getattr(product, field)
        if other := owner.get(text.casefold()):
            raise FieldError(field, "“%(name)s” already names the product %(other)s.", name=text, other=other)

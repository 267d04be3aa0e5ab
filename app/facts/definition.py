"""Definitions of facts: code, kind, unit, choices, purpose and retention."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from stdnum import luhn

from app.errors import FieldError
from app.leads.columns import HEADERS, fields_by_alias, normalise_header
from app.leads.masking import holds_id
from app.lib.fields import Name, Word
from app.lib.strict import Code, Stored

MAX_CHOICES = 200
DEFAULT_KEEP_DAYS = 1100
MAX_TEXT = 200
MAX_ROUND_TO = 1_000_000_000
#: header of the column with the date of a row's values
AS_OF = ("数据日期", "日期", "as_of")
#: columns of a file that say whom and when its facts are about
PERSON_HEADERS = {name: HEADERS[name] for name in ("lead_no", "id_number", "id_hash")} | {"as_of": AS_OF}
_CARD = re.compile(r"(?<!\d)\d(?:[ \-]?\d){12,18}(?!\d)")

Kind = Literal["number", "money", "date", "choice", "flag", "text"]
Purpose = Literal["marketing", "service", "risk"]


class FactDef(Stored):
    """A fact: what it is called, which values it takes, what it may be used for, and how long it is kept."""

    code: Code
    name: Name
    name_en: Annotated[str, Field(max_length=128)] = ""
    kind: Kind
    unit: Annotated[str, Field(max_length=16)] = ""
    purpose: Purpose = "marketing"
    sensitive: bool = False
    keep_days: Annotated[int, Field(ge=1, le=36500)] = DEFAULT_KEEP_DAYS
    choices: Annotated[list[Word], Field(max_length=MAX_CHOICES)] = []
    #: texts to customers round amounts of money to multiples of it
    round_to: Annotated[int, Field(ge=1, le=MAX_ROUND_TO)] = 1

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if error := refusal(self):
            raise ValueError(str(error))
        return self

    def names(self) -> tuple[str, ...]:
        """Return the names by which a column of a file can be headed."""
        return tuple(name for name in (self.code, self.name, self.name_en) if name)


def fact_def(row: Any) -> FactDef:
    """Return the definition of a stored row of FactDefinition."""
    return FactDef(**{name: getattr(row, name) for name in FactDef.model_fields})


def checked_def(values: dict[str, Any]) -> FactDef:
    """Return the definition of typed values. Raises FieldError for a value that is refused."""
    if error := refusal(FactDef.model_construct(**values)):
        raise error
    try:
        return FactDef(**values)
    except ValidationError as refused:
        field = str(refused.errors()[0]["loc"][0])
        raise FieldError(field, "This value is not allowed.") from None


def refusal(fact: FactDef) -> FieldError | None:
    """Return why the parts of a definition don't fit together, None when they do."""
    person = fields_by_alias(PERSON_HEADERS)
    for field in ("code", "name", "name_en"):
        if text := getattr(fact, field):
            header = normalise_header(text)
            if not header or header in person:
                return FieldError(field, "“%(name)s” can't be the header of a fact's column.", name=text)
    if (fact.kind == "choice") != bool(fact.choices):
        return FieldError("choices", "A fact of the kind “choice” needs choices; other kinds have none.")
    if fact.round_to != 1 and fact.kind != "money":
        return FieldError("round_to", "Only amounts of money are rounded.")
    return _refusal_of_choices(fact.choices)


def _refusal_of_choices(choices: list[str]) -> FieldError | None:
    if len({each.strip().casefold() for each in choices}) != len(choices):
        return FieldError("choices", "The same choice stands twice.")
    if any(each != each.strip() or not each for each in choices):
        return FieldError("choices", "A choice must not be empty, nor begin or end with a space.")
    if any(holds_number(each) for each in choices):
        return FieldError("choices", "A choice looks like an ID or card number.")
    return None


def check_names(fact: FactDef, others: Iterable[FactDef]) -> None:
    """Raise FieldError when another fact has the code or a name of this one, as headers are compared."""
    owner = {normalise_header(text): other.code for other in others for text in other.names()}
    for field in ("code", "name", "name_en"):
        text = getattr(fact, field)
        if text and (other := owner.get(normalise_header(text))):
            raise FieldError(field, "“%(name)s” already names the fact %(other)s.", name=text, other=other)


def holds_number(text: str) -> bool:
    """Return whether a text contains what looks like an ID number or the number of a bank card."""
    folded = unicodedata.normalize("NFKC", text)
    cards = (re.sub(r"\D", "", match[0]) for match in _CARD.finditer(folded))
    return holds_id(text) or any(luhn.is_valid(card) for card in cards)

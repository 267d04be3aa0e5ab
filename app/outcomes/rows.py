"""Checks of the rows of a delivery of outcomes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from app.errors import N_
from app.leads.columns import HEADERS as LEAD_HEADERS
from app.leads.errors import MissingId, RowError
from app.leads.free_text import clean_text
from app.leads.identity import IdHasher, canonical_hash, canonical_id, usable_id_number
from app.lib.amounts import parse_amount
from app.lib.spreadsheet import parse_date

#: the accepted headers of each field
HEADERS: dict[str, tuple[str, ...]] = {
    "outcome_id": ("业务结果编号", "结果编号", "业务编号", "业务流水号", "outcome_id"),
    **{name: LEAD_HEADERS[name] for name in ("lead_no", "id_number", "id_hash")},
    "product": ("产品", "产品代码", "产品名称", "product", "product_code", "product name"),
    "date": ("日期", "业务日期", "成交日期", "办理日期", "date"),
    "amount": ("金额", "业务金额", "成交金额", "amount"),
    "margin": ("利润", "毛利", "业务利润", "margin"),
}
MAX_ID = 128
#: what a row stages as the hash of nobody: its ID number and hash are of different people
NOBODY = "-"


class StagedOutcome(NamedTuple):
    """An accepted row for storage; the person is known by hash, number or both."""

    row: int
    outcome_id: str
    id_hash: str
    lead_no: str
    product_id: int
    on_date: dt.date
    amount: Decimal
    margin: Decimal | None


class MissingOutcomeId(RowError, reason="missing_outcome_id", fields=("outcome_id",)):
    """A row without a usable id of its outcome."""


class UnknownProduct(RowError, reason="unknown_product", fields=("product",)):
    """A row with neither the code nor the name of a product."""


class BadDate(RowError, reason="bad_date", fields=("date",)):
    """A row whose date is none or lies in the future."""


class BadAmount(RowError, reason="bad_amount", fields=("amount",)):
    """A row whose amount is not an amount of money."""


class BadMargin(RowError, reason="bad_amount", fields=("margin",)):
    """A row whose margin is not an amount of money."""


class RepeatedOutcome(RowError, reason="duplicate_in_file", fields=("outcome_id",)):
    """A row with the outcome number of an earlier row that was not rejected."""


class OutcomeRows:
    """Checks the rows of one delivery in order, rejecting repeated outcomes.

    ``columns`` are the positions of fields, ``products`` the ids by code and name in lower case. A date after
    ``latest`` is refused.
    """

    def __init__(
        self, columns: Mapping[str, int], products: Mapping[str, int], hasher: IdHasher, latest: dt.date
    ) -> None:
        self._columns, self._products = columns, products
        self._hasher, self._latest = hasher, latest
        self._seen: set[str] = set()

    def check(self, number: int, cells: Sequence[str]) -> StagedOutcome:
        """Return the row to stage. Raises the first RowError that applies, in the order of the contract."""
        outcome_id = self._outcome_id(cells)
        id_hash, lead_no = self._person(cells)
        staged = StagedOutcome(
            number,
            outcome_id,
            id_hash,
            lead_no,
            self._product(cells),
            self._date(cells),
            self._amount(cells),
            self._margin(cells),
        )
        if outcome_id in self._seen:
            raise RepeatedOutcome("outcome_repeated", N_("An earlier row has the same outcome number"))
        self._seen.add(outcome_id)
        return staged

    def _cell(self, cells: Sequence[str], field: str) -> str:
        at = self._columns.get(field, len(cells))
        return cells[at].strip() if at < len(cells) else ""

    def _outcome_id(self, cells: Sequence[str]) -> str:
        outcome_id = clean_text(self._cell(cells, "outcome_id"))
        if not outcome_id:
            raise MissingOutcomeId("outcome_id_missing", N_("There is no outcome number"))
        if len(outcome_id) > MAX_ID:
            raise MissingOutcomeId(
                "outcome_id_long", N_("The outcome number has more than %(most)s characters"), most=MAX_ID
            )
        return outcome_id

    def _person(self, cells: Sequence[str]) -> tuple[str, str]:
        """Return ID hash and lead number, each empty when it is not given."""
        given, lead_no = self._cell(cells, "id_hash"), clean_text(self._cell(cells, "lead_no"))
        id_number = usable_id_number(self._cell(cells, "id_number"), given)
        if not (given or id_number or lead_no):
            raise MissingId("person_missing", N_("There is no lead number, ID number or its hash"))
        hashes = {self._hasher.hash(canonical_id(id_number))} if id_number else set()
        if given:
            hashes.add(canonical_hash(given))
        return (NOBODY if len(hashes) > 1 else "".join(hashes)), lead_no

    def _product(self, cells: Sequence[str]) -> int:
        text = clean_text(self._cell(cells, "product"))
        product = self._products.get(text.casefold())
        if product is None:
            raise UnknownProduct("outcome_product", N_("There is no product with this code or name"))
        return product

    def _date(self, cells: Sequence[str]) -> dt.date:
        day = parse_date(self._cell(cells, "date"))
        if day is None:
            raise BadDate("outcome_date", N_("The date is not one such as 2027-01-31 or 2027年1月31日"))
        if day > self._latest:
            raise BadDate("outcome_future", N_("The date is in the future"))
        return day

    def _amount(self, cells: Sequence[str]) -> Decimal:
        amount = parse_amount(self._cell(cells, "amount"))
        if amount is None or amount < 0:
            raise BadAmount("outcome_amount", N_("The amount is not an amount of money, 0 or more"))
        return amount

    def _margin(self, cells: Sequence[str]) -> Decimal | None:
        cell = self._cell(cells, "margin")
        margin = parse_amount(cell) if cell else None
        if cell and margin is None:
            raise BadMargin("outcome_margin", N_("The margin is not an amount of money"))
        return margin

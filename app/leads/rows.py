"""One row of a lead file: checked, and turned into what may be stored of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.errors import N_
from app.leads.errors import DuplicateInFile, InvalidIdNumber, MissingId, MissingName
from app.leads.identity import IdHasher, canonical_hash, canonical_id
from app.leads.masking import holds_id, mask_ids
from app.leads.phone import PhoneVault, mask_phone, normalise_phone
from app.leads.reasons import mask_numbers

MAX_NAME = 128
MAX_SOURCE = 64
MAX_BRANCH = 64
MAX_LEAD_NO = 32
_FIELDS = ("lead_no", "name", "phone", "id_number", "id_hash", "source", "branch")


class StagedLead(NamedTuple):
    """An accepted row as it is stored: no ID number, no phone in clear. Empty texts mean not given."""

    row: int
    lead_no: str
    name: str
    id_hash: str
    phone_cipher: bytes
    phone_index: str
    phone_masked: str
    source: str
    branch: str


class RowChecker:
    """Checks the rows of one file in order; remembers whom it has accepted.

    ``branch_of`` gives the branch for the name in the row, or raises a RowError.
    """

    def __init__(
        self,
        columns: dict[str, int],
        hasher: IdHasher,
        vault: PhoneVault,
        branch_of: Callable[[str], str] = str,
    ) -> None:
        self._positions = [columns.get(name) for name in _FIELDS]
        self._hasher = hasher
        self._vault = vault
        self._branch_of = branch_of
        self._seen: set[bytes] = set()

    def check(self, number: int, cells: Sequence[str]) -> StagedLead:
        """The lead in row ``number``. Raises a RowError, the first that applies in the contract's order."""
        width = len(cells)
        lead_no, name, phone, id_number, id_hash, source, branch = (
            cells[position] if position is not None and position < width else ""
            for position in self._positions
        )
        name = _name(name)
        person = self._person(id_number.strip(), id_hash.strip())
        phone = normalise_phone(phone)
        branch = self._branch_of(_free(branch, MAX_BRANCH))
        self._once(person)
        return StagedLead(
            number,
            _lead_no(lead_no),
            name,
            person,
            self._vault.encrypt(phone),
            self._vault.index(phone),
            mask_phone(phone),
            _free(source, MAX_SOURCE),
            branch,
        )

    def _person(self, id_number: str, id_hash: str) -> str:
        if not id_number and not id_hash:
            raise MissingId("id_missing", N_("There is neither an ID number nor its hash"))
        if not id_number:
            return canonical_hash(id_hash)
        person = self._hasher.hash(canonical_id(id_number))
        if id_hash and canonical_hash(id_hash) != person:
            raise InvalidIdNumber("id_hash_differs", N_("The ID hash is not that of the ID number"))
        return person

    def _once(self, person: str) -> None:
        key = bytes.fromhex(person)
        if key in self._seen:
            raise DuplicateInFile("duplicate", N_("The same person is in an earlier row of this file"))
        self._seen.add(key)


def clean_text(text: str) -> str:
    """``text`` without control and invisible characters and outer spaces."""
    if not text.isprintable():
        text = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _invisible(c))
    return text.strip()


def _free(text: str, most: int) -> str:
    """What stands in a column of free text, without ID numbers and mobile numbers in clear."""
    return mask_numbers(clean_text(text))[:most] if text else ""


def _invisible(character: str) -> bool:
    return unicodedata.category(character)[0] == "C"


def _name(text: str) -> str:
    name = clean_text(text)
    if not name:
        raise MissingName("name_missing", N_("There is no customer name"))
    if len(name) > MAX_NAME:
        raise MissingName("name_too_long", N_("The name is longer than %(most)s characters"), most=MAX_NAME)
    if mask_ids(name) != name:
        raise MissingName("name_is_id", N_("An ID number stands where the name should be"))
    return name


def _lead_no(text: str) -> str:
    """The number the file gives, or nothing when it can't serve as one."""
    lead_no = clean_text(text)
    return "" if len(lead_no) > MAX_LEAD_NO or holds_id(lead_no) else lead_no

"""Checks of the rows of a lead file, which become staged leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from app.errors import N_
from app.leads.errors import (
    DuplicateInFile,
    InvalidBranch,
    InvalidIdNumber,
    InvalidName,
    MissingId,
    MissingName,
)
from app.leads.free_text import (
    clean_text,
    is_not_a_branch,
    is_not_a_name,
    is_not_a_value,
    unusable_characters,
)
from app.leads.identity import IdHasher, canonical_hash, canonical_id, usable_id_number
from app.leads.masking import holds_id, mask_ids, mask_phone
from app.leads.phone import PhoneVault, normalise_phone
from app.leads.reasons import mask_numbers
from app.leads.remarks import CUT, LOST, NO_LEAD_NUMBER, NO_VALUE, Note
from app.leads.samples import masked_cell

MAX_NAME = 128
MAX_SOURCE = 64
MAX_BRANCH = 64
MAX_LEAD_NO = 32
#: the replacement character, which programs write for a character they could not read
_LOST = "\ufffd"
_FIELDS = ("lead_no", "name", "phone", "id_number", "id_hash", "source", "branch")


class StagedLead(NamedTuple):
    """An accepted row for storage, without ID number or phone in clear. An empty text means no value."""

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
    """Checks the rows of one file in order, rejecting repeated people.

    It reports what is left out of an accepted row to ``note``. ``branch_of`` returns the branch for a name,
    or raises a RowError.
    """

    def __init__(
        self,
        columns: dict[str, int],
        hasher: IdHasher,
        vault: PhoneVault,
        note: Note,
        branch_of: Callable[[str], str] = str,
    ) -> None:
        self._positions = [columns.get(name) for name in _FIELDS]
        self._hasher = hasher
        self._vault = vault
        self._note = note
        self._branch_of = branch_of
        self._seen: set[bytes] = set()

    def check(self, number: int, cells: Sequence[str]) -> StagedLead:
        """Return the lead of row ``number``.

        Raises the first RowError that applies, in the order of the contract.
        """
        width = len(cells)
        lead_no, name, phone, id_number, id_hash, source, branch = (
            cells[position] if position is not None and position < width else ""
            for position in self._positions
        )
        person_name = _name(name)
        person = self._person(
            usable_id_number(id_number, id_hash) if id_hash else id_number.strip(), id_hash.strip()
        )
        phone = normalise_phone(phone)
        branch_name = self._branch_of(_branch(branch)) if branch else ""
        self._check_unique(person)
        if not (
            name.isprintable() and branch.isprintable() and source.isprintable() and lead_no.isprintable()
        ):
            self._note_unusable(number, name=name, branch=branch, source=source, lead_no=lead_no)
        return StagedLead(
            number,
            self._lead_no(number, lead_no) if lead_no else "",
            person_name,
            person,
            self._vault.encrypt(phone),
            self._vault.index(phone),
            mask_phone(phone),
            self._source(number, source) if source else "",
            branch_name,
        )

    def _person(self, id_number: str, id_hash: str) -> str:
        if not id_number and not id_hash:
            raise MissingId("id_missing", N_("There is neither an ID number nor its hash"))
        if not id_number:
            return canonical_hash(id_hash)
        person = self._hasher.hash(canonical_id(id_number))
        if id_hash and canonical_hash(id_hash) != person:
            raise InvalidIdNumber("id_hash_differs", N_("The ID hash does not match the ID number"))
        return person

    def _check_unique(self, person: str) -> None:
        key = bytes.fromhex(person)
        if key in self._seen:
            raise DuplicateInFile("duplicate", N_("The same person is in an earlier row of this file"))
        self._seen.add(key)

    def _note_unusable(self, number: int, **given: str) -> None:
        for field, text in given.items():
            if lost := unusable_characters(text):
                self._note(number, field, LOST, lost=", ".join(lost))

    def _lead_no(self, number: int, text: str) -> str:
        """Return the lead number of the row, empty when it is unusable."""
        lead_no = clean_text(text)
        if len(lead_no) > MAX_LEAD_NO or holds_id(lead_no) or (lead_no and is_not_a_value(lead_no)):
            self._note(number, "lead_no", NO_LEAD_NUMBER, value=masked_cell(lead_no))
            return ""
        return lead_no

    def _source(self, number: int, text: str) -> str:
        source = _masked(text)
        if source and is_not_a_value(source):
            self._note(number, "source", NO_VALUE, value=masked_cell(source))
            return ""
        if len(source) > MAX_SOURCE:
            self._note(number, "source", CUT, value=masked_cell(source), most=MAX_SOURCE)
        return source[:MAX_SOURCE]


@lru_cache(maxsize=4096)
def _masked(text: str) -> str:
    """Return a cell of free text with ID numbers and mobile numbers masked."""
    return mask_numbers(clean_text(text))


def _name(text: str) -> str:
    name = clean_text(text)
    if not name:
        raise MissingName("name_missing", N_("There is no customer name"))
    if len(name) > MAX_NAME:
        raise MissingName("name_too_long", N_("The name is longer than %(most)s characters"), most=MAX_NAME)
    if mask_ids(name) != name:
        raise MissingName("name_is_id", N_("The name is an ID number"))
    if is_not_a_name(name):
        raise InvalidName("name_invalid", N_("This is not a name"))
    if _LOST in name:
        raise InvalidName("name_damaged", N_("The name lost a character before this file was made"))
    return name


@lru_cache(maxsize=4096)
def _branch(text: str) -> str:
    branch = _masked(text)
    if branch and (is_not_a_branch(branch) or _LOST in branch):
        raise InvalidBranch("branch_invalid", N_("This is not a branch"))
    if len(branch) > MAX_BRANCH:
        raise InvalidBranch(
            "branch_too_long", N_("The branch is longer than %(most)s characters"), most=MAX_BRANCH
        )
    return branch

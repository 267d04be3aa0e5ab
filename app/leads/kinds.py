"""The kinds of files that are imported in steps: which columns each has and which it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.errors import N_
from app.leads.columns import HEADERS, by_alias, plain
from app.leads.suppression_file import SUPPRESSION_HEADERS


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    ``headers`` are the names each field is known by; ``needs`` groups of fields of which one must have a
    column, with what to say when none has.
    """

    name: str
    headers: Mapping[str, tuple[str, ...]]
    needs: tuple[tuple[tuple[str, ...], str], ...]

    def fields(self, header: Sequence[str]) -> list[str | None]:
        """The field that each cell of a header names, None for an unknown name."""
        known = by_alias(self.headers)
        return [known.get(plain(cell)) for cell in header]

    def lacks(self, columns: Mapping[str, int]) -> str | None:
        """What to say about the first need that the columns don't meet."""
        return next((said for fields, said in self.needs if not columns.keys() & set(fields)), None)


LEADS = FileKind(
    "leads",
    HEADERS,
    (
        (("name",), N_("Choose which column has the customers' names.")),
        (("phone",), N_("Choose which column has the phone numbers.")),
        (("id_number", "id_hash"), N_("Choose which column has the ID numbers or their hashes.")),
    ),
)
SUPPRESSIONS = FileKind(
    "suppressions",
    SUPPRESSION_HEADERS,
    (
        (
            ("phone", "id_number", "id_hash"),
            N_("Choose which column has the phone numbers, or the ID numbers or their hashes."),
        ),
    ),
)
KINDS = {kind.name: kind for kind in (LEADS, SUPPRESSIONS)}

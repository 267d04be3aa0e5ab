"""Tags in the configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from sqlalchemy import select

from app.extensions import db
from app.leads.tags import PALETTE
from app.lib.strict import Code, Strict
from app.models import Tag
from app.rules import lead_filter
from app.rulesfile.kind import Kind

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


def _in_palette(colour: str) -> str:
    if colour not in PALETTE:
        raise ValueError(f"not one of {', '.join(PALETTE)}")
    return colour


class TagDef(Strict):
    """A tag and its colour."""

    code: Code
    name: Annotated[str, Field(min_length=1, max_length=32)]
    colour: Annotated[str, AfterValidator(_in_palette)] = PALETTE[0]


def _read() -> list[TagDef]:
    rows = db.session.scalars(select(Tag).order_by(Tag.id))
    return [TagDef(code=row.code, name=row.name, colour=row.colour) for row in rows]


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    here = {item.code for item in config.tags}
    taken = {item.name: item.code for item in _read() if item.code not in here}
    for number, item in enumerate(config.tags):
        if taken.setdefault(item.name, item.code) != item.code:
            yield number, f".name: {item.name!r}: is the name of the tag {taken[item.name]}"


def _apply(item: TagDef, user: str, overwrite: bool) -> None:
    row = db.session.scalar(select(Tag).where(Tag.code == item.code))
    if row is None:
        db.session.add(Tag(**item.model_dump(), created_by=user))
    elif overwrite:
        row.name, row.colour = item.name, item.colour
        lead_filter.check_change(row)
    db.session.flush()


TAGS = Kind("tags", read=_read, apply=_apply, problems=_problems)

"""Templates in the configuration file. What a command applies counts as approved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from sqlalchemy import select

from app.errors import FieldError
from app.extensions import db
from app.facts import catalogue as fact_catalogue
from app.lib.fields import Word
from app.lib.strict import Code, Strict
from app.models import OutreachTemplate
from app.outreach import templates
from app.products import catalogue as product_catalogue
from app.rulesfile.kind import Kind

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


class TemplateDef(Strict):
    """A text of an SMS or a script of a call, and the products that it is about."""

    code: Code
    name: Word
    channel: Literal["sms", "call"]
    text: Annotated[str, Field(min_length=1)]
    products: list[Code] = []
    active: bool = True


def _definition(row: OutreachTemplate) -> TemplateDef:
    return TemplateDef(
        code=row.code,
        name=row.name,
        channel=row.channel,  # type: ignore[arg-type]
        text=row.versions[0].body,
        products=list(row.products),
        active=row.active,
    )


def _read() -> list[TemplateDef]:
    rows = db.session.scalars(select(OutreachTemplate).order_by(OutreachTemplate.id))
    return [_definition(row) for row in rows if row.versions]


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    stored = {item.code: item for item in _read()}
    products = {each.code for each in [*product_catalogue.definitions(), *config.products]}
    here = {item.code for item in config.templates}
    facts = {fact.code: fact for fact in [*fact_catalogue.definitions().values(), *config.facts]}
    taken = {item.name: item.code for item in stored.values() if item.code not in here}
    for number, item in enumerate(config.templates):
        if taken.setdefault(item.name, item.code) != item.code:
            yield number, f".name: {item.name!r}: is the name of the template {taken[item.name]}"
        if stored.get(item.code, item).channel != item.channel:
            yield number, f".channel: {item.channel!r}: the template is for {stored[item.code].channel}"
        for place, code in enumerate(item.products):
            if code not in products:
                yield number, f".products[{place}]: {code!r}: unknown product code"
        try:
            templates.check_body(item.channel, item.text, facts.values())
        except FieldError as error:
            yield number, f".text: {error}"


def _apply(item: TemplateDef, user: str, overwrite: bool) -> None:
    row = db.session.scalar(select(OutreachTemplate).where(OutreachTemplate.code == item.code))
    if row is None:
        row = OutreachTemplate(code=item.code, channel=item.channel, created_by=user, versions=[])
    elif not overwrite:
        return
    row.name, row.products, row.active = item.name, item.products, item.active
    templates.store(row, item.text, user)


TEMPLATES = Kind("templates", read=_read, apply=_apply, problems=_problems)

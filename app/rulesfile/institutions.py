"""Institutions in the configuration file."""

from __future__ import annotations

from sqlalchemy import select

from app.extensions import db
from app.models import Institution
from app.rules.definition import InstitutionDef
from app.rulesfile.kind import Kind


def _read() -> list[InstitutionDef]:
    rows = db.session.scalars(select(Institution).where(Institution.listed).order_by(Institution.id))
    return [
        InstitutionDef(code=row.code, name=row.name, category=row.category, region=row.region) for row in rows
    ]


def _apply(item: InstitutionDef, _user: str, overwrite: bool) -> None:
    row = db.session.scalar(select(Institution).where(Institution.code == item.code))
    if row is None:
        db.session.add(Institution(**item.model_dump(), listed=True))
    elif overwrite or not row.listed:
        for name, value in item.model_dump().items():
            setattr(row, name, value)
        row.listed = True
    db.session.flush()


INSTITUTIONS = Kind("institutions", read=_read, apply=_apply, always=True)

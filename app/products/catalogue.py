"""The products: reading, storing and deleting them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import any_, bindparam, func, literal, select, union
from sqlalchemy.dialects.postgresql import JSONPATH

from app.errors import DomainError
from app.extensions import db
from app.models import (
    OutreachTemplate,
    Product,
    Rule,
    RuleStatus,
    RuleVersion,
    Segment,
    StrategyRow,
    StrategyTable,
    VersionStatus,
)
from app.products.definition import ProductDef, check_names, product_def

_BINDING = (VersionStatus.SUBMITTED, VersionStatus.ACTIVE)


def definitions() -> list[ProductDef]:
    """Return all products in the order in which they were made."""
    return [product_def(row) for row in db.session.scalars(select(Product).order_by(Product.id))]


def names() -> dict[str, str]:
    """Return the names of all products by code, in the order in which they were made."""
    query = select(Product.code, Product.name).order_by(Product.id)
    return dict(db.session.execute(query).tuples().all())


def check_new(product: ProductDef) -> None:
    """Raise FieldError when another product has its code or name."""
    check_names(product, (each for each in definitions() if each.code != product.code))


def apply(product: ProductDef, user: str, *, overwrite: bool = True) -> None:
    """Create the product or change the stored one of its code, without committing."""
    row = db.session.scalar(select(Product).where(Product.code == product.code))
    if row is None:
        db.session.add(Product(**product.as_row(), updated_by=user))
    elif overwrite and product_def(row) != product:
        for name, value in product.as_row().items():
            setattr(row, name, value)
        row.updated_by = user
    # Ids give the order of an export, so they follow the order of the file.
    db.session.flush()


def delete(row: Product) -> None:
    """Delete a product without committing. Raises DomainError while a rule or template names it."""
    if users := used_by(row.code):
        raise DomainError(
            "“%(name)s” is used by %(users)s; change them first.", name=row.name, users=", ".join(users)
        )
    db.session.delete(row)


def used_by(code: str) -> list[str]:
    """Return the codes of what names a product: templates, segments, strategy tables, rules in any version.

    Former versions of rules made hits.
    """
    rules = (
        select(Rule.code)
        .join(RuleVersion, RuleVersion.rule_id == Rule.id)
        .where(literal(code) == any_(RuleVersion.products))
    )
    templates = select(OutreachTemplate.code).where(literal(code) == any_(OutreachTemplate.products))
    segments = select(Segment.code).where(_tests(Segment.definition, code))
    tables = (
        select(StrategyTable.code)
        .join(StrategyRow, StrategyRow.table_id == StrategyTable.id)
        .where(literal(code) == any_(StrategyRow.products))
    )
    filters = (
        select(Rule.code)
        .join(RuleVersion, RuleVersion.rule_id == Rule.id)
        .where(RuleVersion.status.in_(_BINDING), _tests(RuleVersion.lead_filter, code))
    )
    return sorted(db.session.scalars(union(rules, templates, segments, tables, filters)))


def _tests(definition: Any, code: str) -> Any:
    """Return whether a filter stored as JSON has a test of outcomes of the product at any depth."""
    path = bindparam(None, "$.**.outcome ? (@ == $code)", type_=JSONPATH)
    return func.jsonb_path_exists(definition, path, func.jsonb_build_object("code", code))


def rules_in_force(code: str) -> list[str]:
    """Return the codes of the rules in force whose conversions are outcomes of a product."""
    rules = (
        select(Rule.code)
        .join(RuleVersion, RuleVersion.id == Rule.active_version_id)
        .where(Rule.status == RuleStatus.ACTIVE, literal(code) == any_(RuleVersion.products))
    )
    return list(db.session.scalars(rules.order_by(Rule.code)))

"""Approval of changes to products that rules in force name."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from flask_babel import lazy_gettext

from app import approvals
from app.approvals.definitions import DefinitionKind
from app.models import Product
from app.products import catalogue
from app.products.definition import ProductDef, product_def
from app.rules.definition import LeadFilterDef
from app.rules.sentence import lead_filter_sentence


def _rate(rate: float) -> str:
    return f"{rate * 100:g} %"


def _day(day: dt.date | None) -> str:
    return day.isoformat() if day else ""


def _parsed(values: dict[str, Any]) -> ProductDef:
    return ProductDef.model_validate_json(json.dumps(values))


def _eligible(values: dict[str, Any]) -> str:
    return lead_filter_sentence(LeadFilterDef(**values))


PRODUCTS = DefinitionKind(
    "product",
    Product,
    of=product_def,
    parsed=_parsed,
    shown={
        "line": (lazy_gettext("Product line"), str),
        "margin_rate": (lazy_gettext("Margin rate"), _rate),
        "valid_from": (lazy_gettext("Sold from"), _day),
        "valid_until": (lazy_gettext("Sold until"), _day),
        "eligible": (lazy_gettext("Eligible leads"), _eligible),
    },
    rules=catalogue.rules_in_force,
)
approvals.register(PRODUCTS)

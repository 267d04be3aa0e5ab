"""What the demo bank knows of its customers: files of facts as its data warehouse delivers them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from app.demo.batches import backdate
from app.demo.people import Customer
from app.extensions import db
from app.facts import catalogue
from app.facts.importer import import_facts
from app.leads.importer import ImportOrder
from app.lib.settings import current_settings

#: days ago of the deliveries; each is about the day before
DELIVERIES = (75, 45, 15, 1)
#: share of the customers whose assets fall by a third or more, and between which deliveries
LEAVING, FALLS = 0.06, (2, 3)
WITH_DEPOSIT, TERMS = 0.55, (90, 180, 365)
AFFLUENT = 300_000
AGES = ((25, "25岁及以下"), (35, "26至35岁"), (45, "36至45岁"), (55, "46至55岁"), (200, "56岁及以上"))
#: channels by weight, of customers up to 35 and of others
CHANNELS = ("手机银行", "电话", "短信", "网点")
YOUNG, OTHERS = (64, 8, 18, 10), (34, 24, 16, 26)
RISKS = ("C1 保守型", "C2 稳健型", "C3 平衡型", "C4 成长型", "C5 进取型")
ADVISERS = ("沈敏", "陆文涛", "顾雪", "程立", "韩雨佳", "姚建军")
FILE = "客户事实_{:%Y%m%d}.csv"


@dataclass(frozen=True)
class Profile:
    """What is true of a customer at a time; ``falls_at`` is the number of the delivery that shows a fall."""

    lead_no: str
    assets: int
    due: dt.date | None
    products: int
    fixed: tuple[str, ...]
    falls_at: int | None

    def later(self, number: int, day: dt.date, random: Random) -> Profile:
        """Return the profile of a later date: assets move, a deposit that fell due is renewed."""
        factor = random.uniform(0.3, 0.65) if self.falls_at == number else random.gauss(1.01, 0.04)
        due = self.due
        while due is not None and due <= day:
            due += dt.timedelta(days=random.choice(TERMS))
        more = random.random() < 0.03
        return replace(self, assets=_rounded(self.assets * factor), due=due, products=self.products + more)

    def row(self) -> dict[str, Any]:
        """Return the cells of what changes over time."""
        due = self.due.isoformat() if self.due else ""
        return {
            "lead_no": self.lead_no,
            "金融资产": self.assets,
            "存款到期日": due,
            "持有产品数": self.products,
        }

    def whole_row(self) -> dict[str, Any]:
        """Return all cells."""
        names = ("代发工资", "年龄段", "渠道偏好", "专属客户经理", "风险承受等级")
        return self.row() | dict(zip(names, self.fixed, strict=True))


def profiles(customers: Iterable[Customer], day: dt.date, random: Random) -> list[Profile]:
    """Return what is true of the customers on a date."""
    return [_profile(customer, day, random) for customer in customers]


def _profile(customer: Customer, day: dt.date, random: Random) -> Profile:
    age = day.year - int(customer.id_number[6:10])
    assets = _rounded(random.lognormvariate(10.6 + min(age, 60) / 60, 1.15))
    has_deposit = random.random() < WITH_DEPOSIT
    due = day + dt.timedelta(days=random.randint(1, random.choice(TERMS))) if has_deposit else None
    weights = YOUNG if age <= 35 else OTHERS
    fixed = (
        "是" if random.random() < (0.45 if age < 60 else 0.1) else "否",
        next(name for limit, name in AGES if age <= limit),
        random.choices(CHANNELS, weights)[0],
        random.choice(ADVISERS) if assets >= AFFLUENT else "",
        random.choices(RISKS, (14, 30, 32, 17, 7))[0] if random.random() < 0.6 else "",
    )
    falls_at = random.choice(FALLS) if random.random() < LEAVING else None
    products = 1 + has_deposit + (random.random() < 0.4) + (assets >= AFFLUENT)
    return Profile(customer.lead_no, assets, due, products, fixed, falls_at)


def _rounded(amount: float) -> int:
    return max(int(round(amount, -2)), 100)


def deliver(customers: Sequence[Customer], folder: Path, user: str, today: dt.date, random: Random) -> int:
    """Import the files of all deliveries, each as on its day. Return the number of values stored."""
    known = profiles(customers, today - dt.timedelta(days=DELIVERIES[0]), random)
    facts, stored = catalogue.definitions(), 0
    for number, days in enumerate(DELIVERIES):
        day = today - dt.timedelta(days=days)
        if number:
            known = [profile.later(number, day, random) for profile in known]
        path = folder / FILE.format(day)
        rows = [profile.row() if number else profile.whole_row() for profile in known]
        pd.DataFrame([*rows, *_mistakes(rows)]).to_csv(path, index=False, encoding="utf-8-sig")
        order = ImportOrder(path, path.name, user, current_settings())
        result = import_facts(db.engine, order, facts, day)
        backdate(result.batch, day)
        stored += result.created
    return stored


def _mistakes(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows that the import has to reject: people not on the list, and a cell without a value."""
    first = rows[0]
    yield first | {"lead_no": "L9900001"}
    yield first | {"lead_no": "L9900002"}
    yield rows[-1] | {"金融资产": "约五万"}

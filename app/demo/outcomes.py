"""What the demo bank's customers bought: files of outcomes as its core system delivers them.

Some buy without being asked, hit or not. Whether contact changes anything depends on the rule: of one the
held-out customers buy as often as the others, of one hardly ever, of the rest less often.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random

import pandas as pd
from sqlalchemy import exists, select

from app.demo.batches import backdate
from app.extensions import db
from app.leads.importer import ImportOrder
from app.lib.settings import current_settings
from app.models import Hit, HitStatus, Lead, Outreach, Product, Rule, RuleVersion
from app.outcomes.importer import import_outcomes

#: share that buys, of those marked as converted, of those contacted, and of the others
CONFIRMED, CONTACTED, UNASKED = 0.78, 0.12, 0.02
#: a rule's share of held-out customers that buy, relative to that of the others
AS_OFTEN = {"R-CREDIT-CALLS-7D": 0.12, "R-FACE-3D": 1.0}
LESS_OFTEN = 0.5
#: a rule's share of treated customers that buy at least, because contacts depend on weekdays and holidays
AT_LEAST = {"R-CREDIT-CALLS-7D": 0.28}
#: median amount and the step to which amounts are rounded
AMOUNTS = {
    "LOAN-C": (30_000, 1_000),
    "AUTO": (90_000, 1_000),
    "CARD": (18_000, 1_000),
    "DEPOSIT-T": (60_000, 5_000),
    "WEALTH": (80_000, 5_000),
    "INSURANCE": (9_000, 100),
}
#: the product whose amounts marketers note
LENT = "LOAN-C"
#: share of all customers that bought in the weeks before the first hit, and since then without a hit
BEFORE, SINCE = 0.07, 0.012
WEEKS_BEFORE, QUIET_DAYS = 8, 10
WITH_MARGIN, CORRECTED, UNMATCHED = 0.3, 6, 12
FILE = "业务结果_{:%Y%m%d}.csv"


@dataclass(frozen=True)
class Sale:
    """A row of a file."""

    outcome_id: str
    lead_no: str
    product: str
    date: dt.date
    amount: int
    margin: str = ""
    id_hash: str = ""


@dataclass(frozen=True)
class Person:
    """A customer with their first hit of a rule, in the order of the rule's draw."""

    lead_no: str
    hit_date: dt.date
    held_out: bool
    contacted: bool
    claimed_on: dt.date | None
    amount: float | None
    products: list[str] = field(default_factory=list)


class Sales:
    """The sales up to a date. A customer decides about a product once, and buys it at most once."""

    def __init__(self, yesterday: dt.date, products: Sequence[str], random: Random) -> None:
        self._yesterday, self._products, self._random = yesterday, list(products), random
        self._decided: set[tuple[str, str]] = set()
        self._bought: set[tuple[str, str]] = set()
        self.sales: list[Sale] = []

    def of_rule(self, rule: str, people: Sequence[Person]) -> None:
        """Let customers of a rule buy: the treated one by one, then the held-out by the treated's share."""
        treated = [each for each in people if not each.held_out]
        for each in treated:
            if self._random.random() < self._chance(each):
                self._buy(each)
        self._top_up(treated, AT_LEAST.get(rule, 0.0))
        share = sum(map(self._has_bought, treated)) / max(len(treated), 1)
        self._top_up([each for each in people if each.held_out], share * AS_OFTEN.get(rule, LESS_OFTEN))
        self._decided.update((each.lead_no, self._wanted(each)) for each in people)

    def _top_up(self, people: Sequence[Person], share: float) -> None:
        """Let people who have not decided yet buy until a share of all has bought."""
        free = [each for each in people if (each.lead_no, self._wanted(each)) not in self._decided]
        free = [each for each in free if not self._has_bought(each)]
        missing = math.floor(share * len(people) + 0.5) - sum(map(self._has_bought, people))
        for each in self._random.sample(free, min(max(missing, 0), len(free))):
            self._buy(each)

    def _has_bought(self, person: Person) -> bool:
        return (person.lead_no, self._wanted(person)) in self._bought

    def _wanted(self, person: Person) -> str:
        """Return the product that a customer decides about: the rule's first, or one by their number."""
        if person.products:
            return person.products[0]
        return self._products[int(person.lead_no.lstrip("L")) % len(self._products)]

    def _chance(self, person: Person) -> float:
        if person.claimed_on:
            return CONFIRMED
        if (person.lead_no, self._wanted(person)) in self._decided:
            return 0.0
        return CONTACTED if person.contacted else UNASKED

    def _buy(self, person: Person) -> None:
        product = self._wanted(person)
        latest = (self._yesterday - person.hit_date).days
        later = dt.timedelta(days=self._random.randint(min(1, latest), latest))
        on = min(person.claimed_on or person.hit_date + later, self._yesterday)
        self._add(person.lead_no, product, on, person.amount if product == LENT else None)

    def unasked(self, lead_nos: Sequence[str], share: float, first: dt.date, last: dt.date) -> None:
        """Let a share of customers buy anything between two dates."""
        for lead_no in self._random.sample(lead_nos, round(share * len(lead_nos))):
            on = first + dt.timedelta(days=self._random.randint(0, (last - first).days))
            self._add(lead_no, self._random.choice(self._products), on)

    def _add(self, lead_no: str, product: str, on: dt.date, amount: float | None = None) -> None:
        if (lead_no, product) in self._bought:
            return
        self._bought.add((lead_no, product))
        median, step = AMOUNTS[product]
        drawn = amount or median * self._random.lognormvariate(0, 0.5)
        rounded = max(round(drawn / step), 1) * step
        margin = f"{rounded * self._random.uniform(0.006, 0.03):.2f}"
        number = f"YW{on:%Y%m%d}{len(self.sales) + 1:05d}"
        stated = margin if self._random.random() < WITH_MARGIN else ""
        self.sales.append(Sale(number, lead_no, product, on, rounded, stated))


def deliver(folder: Path, user: str, yesterday: dt.date, random: Random) -> tuple[int, int]:
    """Import two files: of the weeks before the first hits, and of the days since, with corrections.

    Return how many outcomes were created and how many corrected.
    """
    names = dict(db.session.execute(select(Product.code, Product.name).order_by(Product.id)).tuples().all())
    begin = yesterday - dt.timedelta(days=QUIET_DAYS)
    sales = Sales(yesterday, [code for code in names if code in AMOUNTS], random)
    everybody = list(db.session.scalars(select(Lead.lead_no).order_by(Lead.id)))
    sales.unasked(everybody, BEFORE, begin - dt.timedelta(weeks=WEEKS_BEFORE), begin)
    first = list(sales.sales)
    people = dict(sorted(_people().items(), key=lambda each: each[0] not in AS_OFTEN))
    hit = {each.lead_no for group in people.values() for each in group}
    for rule, group in people.items():
        sales.of_rule(rule, group)
    sales.unasked([each for each in everybody if each not in hit], SINCE, begin, yesterday)
    wrong = _misstated(first)
    corrected = [each for each in first if each.outcome_id in wrong]
    second = [*sales.sales[len(first) :], *corrected, *_strangers(yesterday, random)]
    told = [wrong.get(each.outcome_id, each) for each in first]
    created, _none = _import(told, names, folder, user, begin + dt.timedelta(days=1))
    later, changed = _import(second, names, folder, user, yesterday + dt.timedelta(days=1))
    return created + later, changed


def _people() -> dict[str, list[Person]]:
    """Return by the rules' codes whom each hit, first hits only."""
    contacted = exists().where(Outreach.hit_id == Hit.id, Outreach.sent_at.is_not(None))
    query = (
        select(Rule.code, Lead.lead_no, Hit, contacted, RuleVersion.products)
        .join(Rule, Rule.id == Hit.rule_id)
        .join(Lead, Lead.id == Hit.lead_id)
        .join(RuleVersion, RuleVersion.id == Hit.version_id)
        .order_by(Rule.code, Lead.lead_no, Hit.hit_date)
    )
    found: dict[str, dict[str, Person]] = {}
    for code, lead_no, hit, was_contacted, products in db.session.execute(query):
        found.setdefault(code, {}).setdefault(lead_no, _person(lead_no, hit, was_contacted, products))
    return {code: list(group.values()) for code, group in found.items()}


def _person(lead_no: str, hit: Hit, contacted: bool, products: list[str]) -> Person:
    claimed = hit.converted_at if hit.status == HitStatus.CONVERTED else None
    on = claimed.astimezone(current_settings().zone).date() if claimed else None
    amount = float(hit.amount) if hit.amount else None
    return Person(lead_no, hit.hit_date, hit.holdout, contacted, on, amount, products)


def _misstated(sales: Sequence[Sale]) -> dict[str, Sale]:
    """Return by number what the bank tells wrong at first: an amount that is too large."""
    wrong = sales[:: max(len(sales) // CORRECTED, 1)]
    amounts = [each.amount * 10 if place % 2 else each.amount + 5_000 for place, each in enumerate(wrong)]
    return {each.outcome_id: replace(each, amount=n) for each, n in zip(wrong, amounts, strict=True)}


def _strangers(day: dt.date, random: Random) -> Iterator[Sale]:
    """Yield sales to people who are not on the list, and two rows that have to be rejected."""
    sale = Sale("", "", "DEPOSIT-T", day, 50_000, id_hash=random.randbytes(32).hex())
    for number in range(UNMATCHED):
        stranger = random.randbytes(32).hex()
        yield replace(sale, outcome_id=f"YW{day:%Y%m%d}9{number:04d}", id_hash=stranger)
    yield replace(sale, outcome_id=f"YW{day:%Y%m%d}99901", product="GOLD")
    yield sale


def _import(
    sales: Iterable[Sale], names: dict[str, str], folder: Path, user: str, day: dt.date
) -> tuple[int, int]:
    path = folder / FILE.format(day)
    rows = pd.DataFrame([asdict(sale) for sale in sales])
    rows["product"] = rows["product"].map(lambda code: names.get(code, code))
    rows.to_csv(path, index=False, encoding="utf-8-sig")
    result = import_outcomes(db.engine, ImportOrder(path, path.name, user, current_settings()), day)
    backdate(result.batch, day)
    return result.created, result.updated

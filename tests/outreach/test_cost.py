"""Cost of contacts, stored when each is handed over, at the prices of that moment."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import update

from app.models import OutreachTemplateVersion
from tests.conftest import Person
from tests.outreach.conftest import Bank


def test_the_prices_of_the_moment_of_sending_stay(bank: Bank, manager: Person) -> None:
    bank.session.execute(update(OutreachTemplateVersion).values(body="{name}" + "好" * 70))
    bank.rules(cost_sms=0.05, cost_call=0.6, sms_cap=9, total_cap=9)
    one, two, held = [*bank.people(2), bank.ids["hit_home_failed"]]
    batch = bank.start(manager, [one, two, held])
    assert set(bank.costs(batch).values()) == {(None, None)}
    bank.confirm(manager, batch)
    bank.send()
    sent = {one: (2, Decimal("0.1000")), two: (2, Decimal("0.1000")), held: (None, None)}
    assert bank.costs(batch) == sent
    bank.rules(cost_sms=1, cost_call=2.5, sms_cap=9, total_cap=9)
    call = bank.start(manager, [one], "call")
    bank.confirm(manager, call)
    bank.send()
    assert bank.costs(call) == {one: (1, Decimal("2.5000"))}
    assert bank.costs(batch) == sent
    assert (bank.batch(batch).spent, bank.batch(call).spent) == (Decimal("0.2"), Decimal("2.5"))

"""The facts on a lead's page."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import FactDefinition, Lead
from tests.conftest import Person
from tests.console.test_translations import words_of
from tests.facts.conftest import Bank, ago, bank

__all__ = ["bank"]


def test_what_is_known_with_its_dates_and_sensitive_values_only_for_those_who_may(
    app: Flask, bank: Bank, session: Session, login: Callable[..., Person]
) -> None:
    bank.rows(["lead_no", "aum", "due", "payroll"], ["L1001", "1234567.5", "2027-01-31", "是"])
    session.execute(update(FactDefinition).where(FactDefinition.code == "due").values(sensitive=True))
    session.commit()
    lead = session.scalars(select(Lead.id).where(Lead.lead_no == "L1001")).one()
    path = f"/leadview/show/{lead}"
    page = login("Manager", username="m1", language="zh").get(path).text
    seen = " ".join(words_of(page).split())
    assert "金融资产 1,234,567.5 元 #" in seen
    assert page.count(f"<td><time>{ago(1)}</time></td>") == 6, "true on and known since, of three facts"
    assert "2027-01-31" in seen
    assert seen.index("金融资产") < seen.index("到期日") < seen.index("代发客户")
    auditor = login("Auditor", username="u1", language="en")
    seen = " ".join(words_of(auditor.get(path).text).split())
    assert "assets 1,234,567.5 元" in seen
    assert "2027-01-31" not in seen
    other = session.scalars(select(Lead.id).where(Lead.lead_no == "L1002")).one()
    assert "Nothing is known of this customer." in auditor.get(f"/leadview/show/{other}").text


def test_data_held_about_a_customer_names_facts_with_their_unit_in_the_language_of_the_page(
    app: Flask, bank: Bank, session: Session, login: Callable[..., Person]
) -> None:
    bank.rows(["lead_no", "aum", "payroll"], ["L1001", "36900", "否"])
    lead = session.scalars(select(Lead.id).where(Lead.lead_no == "L1001")).one()
    for language, fact in (("zh", "金融资产 36,900 元 营销"), ("en", "assets 36,900 元 Marketing")):
        admin = login("Admin", username=f"root-{language}", language=language)
        page = admin.get(f"/subjectrequestview/held/{lead}").text
        assert fact in " ".join(words_of(page).split())

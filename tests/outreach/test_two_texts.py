"""Two templates in one batch: assigned at random by person, shown, sent, filtered and compared."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from app.extensions import db
from app.models import (
    Approval,
    ForbiddenWord,
    Outcome,
    Outreach,
    OutreachBatch,
    OutreachTemplate,
    OutreachTemplateVersion,
    Product,
    SandboxMessage,
)
from app.outreach import comparison, preflight
from app.outreach.comparison import Figures
from app.outreach.variants import Draw
from app.rules.proportion import Share
from app.screens.outreach import variants
from tests import clock
from tests.conftest import Person
from tests.outreach.conftest import Bank

OTHER = "{name}，新额度已为您准备。" + "好" * 60


@pytest.fixture
def second(bank: Bank) -> OutreachTemplate:
    """Create a second SMS template of two segments."""
    version = OutreachTemplateVersion(number=1, body=OTHER, created_by="x")
    template = OutreachTemplate(channel="sms", name="第二个", created_by="x", versions=[version])
    bank.session.add(template)
    bank.session.commit()
    return template


def started(bank: Bank, person: Person, hits: list[int], second: OutreachTemplate, **more: Any) -> Any:
    chosen = ",".join(map(str, hits))
    texts = {"template": bank.templates["sms"].id, "template_b": second.id, "share_b": 40}
    form = {"name": "对比", **texts, **more}
    return person.submit(f"/hitview/contact_many/sms?ids={chosen}", form)


def letters(bank: Bank, batch: int) -> dict[int, int]:
    """Return the version of each hit of a batch."""
    bank.session.rollback()
    found = select(Outreach.hit_id, Outreach.version_id).where(Outreach.batch_id == batch)
    return dict(bank.session.execute(found).tuples().all())


def test_two_texts_from_the_form_to_the_customers(
    bank: Bank, login: Callable[..., Person], second: OutreachTemplate
) -> None:
    bank.rules(approval_above=1, cost_sms=0.1, excluded_hit_statuses=[])
    maker = login("Manager", username="chen", language="zh")
    checker = login("Manager", username="lin", language="zh")
    same_person = [bank.ids["hit_home_waiting"], bank.ids["hit_home_in_progress"]]
    hits = [*same_person, *bank.people(38)]
    page = maker.get(f"/hitview/contact_many/sms?ids={hits[0]},{hits[1]}").text
    assert "第二个模板，用于对比" in page
    batch = int(started(bank, maker, hits, second).headers["Location"].rsplit("/", 1)[1])
    got = letters(bank, batch)
    a, b = bank.templates["sms"].versions[0].id, second.versions[0].id
    assert set(got.values()) == {a, b}
    assert got[same_person[0]] == got[same_person[1]]
    planned = bank.batch(batch).planned
    assert planned["held"] == {"twice": 1}
    assert sum(text["go"] for text in planned["texts"].values()) == planned["go"] == 39
    on_b = planned["texts"][str(b)]
    assert on_b["segments"] == 2 * on_b["go"], "each row counted with its own text"
    shown = maker.get(f"/outreachbatchview/show/{batch}").text
    assert "尊敬的客先生/女士，HOME 支行邀您了解新额度。拒收请回复R" in shown
    assert "客**" in shown
    assert "新额度已为您准备" in shown
    assert "40%" in shown
    assert f"¥{on_b['go'] * 0.2:,.2f}（{on_b['go'] * 2} 条短信）" in shown
    maker.submit(f"/outreachbatchview/confirm/{batch}", {"reason": "对比"})
    asked = bank.session.scalars(select(Approval).order_by(Approval.id.desc()).limit(1)).one()
    request = checker.get(f"/approvalview/show/{asked.id}").text
    assert "邀您了解新额度" in request
    assert "新额度已为您准备" in request
    assert f"模板 B（40%，{on_b['go']} 次触达）" in request
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    bank.send()
    said = bank.session.execute(
        select(Outreach.version_id, SandboxMessage.body).join(SandboxMessage)
    ).tuples()
    assert Counter((version, "已为您准备" in body) for version, body in said) == {
        (a, False): planned["texts"][str(a)]["go"],
        (b, True): on_b["go"],
    }
    only_b = maker.get(f"/outreachview/list/?_flt_0_batch={batch}&_flt_0_letter=B&psize_OutreachView=100")
    assert only_b.text.count("第二个 v1") == sum(version == b for version in got.values())
    assert "模板 sms v1" not in only_b.text
    assert maker.get("/outreachview/list/?_flt_0_letter=C").status_code == 400


def test_chance_is_the_batch_s_own_and_stays(bank: Bank, second: OutreachTemplate) -> None:
    people = [f"{number:064d}" for number in range(4000)]
    with bank.app.app_context():
        draws = [
            [Draw(OutreachBatch(id=key, share_b=30)).gets_b(person) for person in people] for key in (1, 1, 2)
        ]
    assert draws[0] == draws[1] != draws[2]
    assert 1050 < sum(draws[0]) < 1350
    both = sum(one and other for one, other in zip(draws[0], draws[2], strict=True))
    assert 270 < both < 450, "the draws of two batches know nothing of each other"


def test_a_second_template_that_can_not_be(bank: Bank, manager: Person, second: OutreachTemplate) -> None:
    hits = bank.people(2)
    same = started(bank, manager, hits, bank.templates["sms"])
    assert "请选择与第一个不同的模板" in same.text
    for share in ("", "0", "100", "x"):
        assert started(bank, manager, hits, second, share_b=share).status_code == 200
    other_channel = started(bank, manager, hits, bank.templates["call"])
    assert "请选择模板" in other_channel.text
    bank.session.add(ForbiddenWord(word="已为您准备", created_by="x"))
    bank.session.commit()
    forbidden = started(bank, manager, hits, second)
    assert "已为您准备" in forbidden.text
    assert bank.session.scalar(select(func.count()).select_from(OutreachBatch)) == 0
    alone = manager.get(f"/hitview/contact_one/{hits[0]}/sms").text
    assert "template_b" not in alone, "one person has nobody to be compared with"


def test_an_approval_is_about_who_gets_which(
    bank: Bank, login: Callable[..., Person], second: OutreachTemplate
) -> None:
    bank.rules(approval_above=1)
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    batch = int(started(bank, maker, bank.people(6), second).headers["Location"].rsplit("/", 1)[1])
    maker.submit(f"/outreachbatchview/confirm/{batch}", {"reason": "x"})
    bank.session.execute(update(Outreach).values(version_id=second.versions[0].id))
    bank.session.commit()
    asked = bank.session.scalars(select(Approval).order_by(Approval.id.desc()).limit(1)).one()
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert bank.batch(batch).status == "waiting"


def test_which_did_better(bank: Bank, manager: Person, second: OutreachTemplate) -> None:
    batch = int(started(bank, manager, bank.people(60), second).headers["Location"].rsplit("/", 1)[1])
    bank.confirm(manager, batch)
    bank.send()
    a, b = bank.templates["sms"].versions[0].id, second.versions[0].id
    page = manager.get(f"/outreachbatchview/show/{batch}").text
    assert "回执尚未返回" in page
    assert "暂时看不出差别" not in page
    bank.session.execute(update(Outreach).values(status="delivered"))
    bank.session.commit()
    page = manager.get(f"/outreachbatchview/show/{batch}").text
    assert "有回应：暂时看不出差别" in page
    bank.session.execute(delete(Outcome))
    # Of B everybody answers; of A one hit is converted by hand, and one had been before the contact.
    bank.session.execute(update(Outreach).where(Outreach.version_id == b).values(status="refused"))
    bank.session.commit()
    of_a = [hit for hit, version in letters(bank, batch).items() if version == a]
    now = clock.now()
    for hit, days in zip(of_a, (0, 3), strict=False):
        bank.set(type(bank.hit(hit)), hit, status="converted", converted_at=now - dt.timedelta(days=days))
    with bank.app.app_context():
        figures = comparison.by_text(db.session.get_one(OutreachBatch, batch))
    assert figures[a].converted == Share(1, len(of_a))
    assert figures[b].answered == Share(60 - len(of_a), 60 - len(of_a))
    page = manager.get(f"/outreachbatchview/show/{batch}").text
    assert "有回应：模板 B 高 100.0 个百分点" in page
    assert page.count("：暂时看不出差别") == 2, "conversions and opt-outs"
    assert "尚未收到业务结果" in page
    assert "95% 置信区间。 自触达当天起的转化均计入" in page
    called = " ".join(re.sub("<[^>]+>", "", page).split())
    assert "模板 A（60%） · " in called, "letters of templates don't look like grades"
    assert 'class="tag letter"' not in page
    # Outcomes count for both alike, from the hit date on, whatever anybody marked.
    of_b = [hit for hit, version in letters(bank, batch).items() if version == b]
    bought = [*of_a[:2], *of_b[:3]]
    product = bank.session.scalars(select(Product.id)).first()
    for number, hit in enumerate(bank.hit(each) for each in bought):
        told = {"outcome_id": f"O-{number}", "lead_id": hit.lead_id, "product_id": product, "amount": 1}
        bank.session.add(Outcome(on_date=hit.hit_date, **told))
    bank.session.commit()
    with bank.app.app_context():
        figures = comparison.by_text(db.session.get_one(OutreachBatch, batch))
    assert (figures[a].converted.part, figures[b].converted.part) == (2, 3)
    page = manager.get(f"/outreachbatchview/show/{batch}").text
    assert "尚未收到业务结果" not in page
    assert page.count("系统确认") == 1, "nobody marked anything of B"
    assert "标记 2（系统确认 2）" in page
    shown = page[page.index('id="comparison"') : page.index("触达与拦截")]
    assert re.findall(r'<th scope="[a-z]+"[^>]*>([^<]*转化[^<]*)', shown) == ["转化"], (
        "one number is called so"
    )
    assert "「转化」与各处口径相同：客户自命中日期起" in shown
    assert "购买客户 / 触达客户" in shown
    # What was bought before the contact is not what the customers of a text bought since.
    told |= {"outcome_id": "late", "amount": 3000}
    bank.session.add(Outcome(on_date=clock.today(), **told))
    bank.session.commit()
    of_a, of_b = len(of_a), len(of_b)
    page = manager.get(f"/outreachbatchview/show/{batch}").text
    assert f"1 / {of_b}" in page.split('id="money"')[1]
    assert f"0 / {of_a}" in page.split('id="money"')[1]
    assert f"人均金额（B − A）：¥{3000 / of_b:,.2f}（95% 区间" in page
    assert f"人均利润（B − A）：¥{90 / of_b:,.2f}（95% 区间" in page


@pytest.mark.parametrize(
    ("a", "b", "better"),
    [
        ((10, 100), (30, 100), "模板 B 高 20.0"),
        ((30, 100), (10, 100), "模板 A 高 20.0"),
        ((10, 100), (15, 100), "暂时看不出差别"),
    ],
)
def test_the_verdict(bank: Bank, a: tuple[int, int], b: tuple[int, int], better: str) -> None:
    def figures(share: tuple[int, int]) -> Figures:
        return Figures(
            share[1], Share(*share), Share(0, share[1]), Share(0, share[1]), share[0], 0, Decimal()
        )

    batch = OutreachBatch(version_id=1, version_b_id=2, share_b=50)
    with bank.app.test_request_context():
        answered, *others = variants.measures(batch, {1: figures(a), 2: figures(b)})
    assert better in answered.verdict
    assert all("暂时看不出差别" in each.verdict for each in others)


def test_progress_of_a_large_check_and_its_end(
    bank: Bank, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "AT_ONCE", 2)
    monkeypatch.setattr(preflight, "STEP", 4)
    hits, seen = bank.people(10), []
    report = preflight._report

    def elsewhere(request: Callable[[], Any]) -> Any:
        """Make the request in another thread, with a session of its own."""
        with ThreadPoolExecutor(1) as other:
            return other.submit(request).result()

    def watched(batch_id: int, done: int) -> None:
        if done == 4 and len(seen) == 1:
            elsewhere(lambda: manager.submit(f"/outreachbatchview/action/cancel/{batch_id}"))
        seen.append(elsewhere(lambda: manager.get(f"/outreachbatchview/progress/{batch_id}").json))
        report(batch_id, done)

    monkeypatch.setattr(preflight, "_report", watched)
    cancelled = bank.start(manager, hits)
    assert bank.batch(cancelled).status == "checking", "it is a worker's"
    with bank.app.app_context():
        preflight.run(cancelled)
    assert bank.batch(cancelled).status == "cancelled"
    assert bank.outcomes(cancelled) == {}
    assert [state["status_text"] for state in seen] == ["校验中", "已取消"]
    whole = bank.start(manager, hits)
    # More than a statement has places for: those that are not there (any more) are left out.
    bank.set(OutreachBatch, whole, selection={"ids": [*hits, *range(10**6, 10**6 + 70_000)]})
    with bank.app.app_context():
        preflight.run(whole)
    assert [state["progress"] for state in seen[2:]] == [0, 0, 40, 80]
    assert "10 条命中已检查 4 条" in seen[4]["summary"]
    assert bank.batch(whole).status == "checked"
    assert len(bank.outcomes(whole)) == 10

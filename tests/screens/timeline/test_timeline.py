"""The time line of a customer: what each source says, filters, pages, what was known when, who may see."""

from __future__ import annotations

import datetime as dt
import html
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.facts import store as facts
from app.models import (
    ExportJob,
    FactDefinition,
    Hit,
    HitEvent,
    ImportBatch,
    Institution,
    Lead,
    LeadBefore,
    Outcome,
    OutcomeFormer,
    Outreach,
    OutreachBatch,
    OutreachEvent,
    OutreachTemplateVersion,
    Product,
    Reveal,
    SubjectRequest,
    Suppression,
)
from config import Settings
from tests import clock
from tests.access.world import World
from tests.activity.support import row, take, write
from tests.conftest import Person
from tests.leads.support import write_csv
from tests.thorough import share, thorough

ZONE = dt.timezone(dt.timedelta(hours=8))
TODAY = clock.today()
FACTS = """\
facts:
- {code: aum, name: 金融资产, name_en: Assets, kind: money, unit: 元, purpose: service}
- {code: risk, name: 风险等级, kind: choice, choices: [R1, R2], purpose: risk, sensitive: true}
"""


def day(ago: int) -> dt.date:
    return TODAY - dt.timedelta(days=ago)


def at(ago: int, hour: int = 10) -> dt.datetime:
    """Return an hour of a local date, ``ago`` days before today."""
    return dt.datetime.combine(day(ago), dt.time(hour), ZONE)


class Story:
    """A customer with something of every kind, and their time line as people read it."""

    def __init__(self, session: Session, world: World, settings: Settings, cli: Any, folder: Path) -> None:
        self.session, self.world, self.settings, self.cli, self.folder = session, world, settings, cli, folder
        self.lead = session.get_one(Lead, world.ids["lead_home"])
        self.path = f"/leadview/timeline/{self.lead.id}"
        for table in (Hit, Outcome):
            session.execute(delete(table).where(table.lead_id == self.lead.id))
        session.execute(update(Lead).where(Lead.id == self.lead.id).values(created_at=at(100)))
        session.commit()

    def batch(self, ago: int, name: str, **values: Any) -> ImportBatch:
        done = {"created_at": at(ago, 8), "finished_at": at(ago, 9), "status": "done", "created_by": "ops"}
        batch = ImportBatch(file_name=name, file_digest=name.ljust(64, "0"), **{**done, **values})
        self.session.add(batch)
        self.session.commit()
        return batch

    def changed(self, batch: ImportBatch, **before: Any) -> None:
        """Note what the lead was before an import."""
        kept = ("name", "phone_cipher", "phone_index", "phone_masked", "source", "branch_id")
        values = {name: getattr(self.lead, name) for name in kept} | before
        self.session.add(LeadBefore(batch_id=batch.id, lead_id=self.lead.id, after=b"x", **values))
        self.session.commit()

    def hit(self, ago: int, made: int, grade: str = "A") -> Hit:
        hit = Hit(
            rule_id=self.world.ids["rule"],
            version_id=self.world.ids["version"],
            lead_id=self.lead.id,
            hit_date=day(ago),
            made_on=day(made),
            values=[5],
            score=5.0,
            grade=grade,
            evidence=EVIDENCE,
            last_met_on=day(ago),
        )
        self.session.add(hit)
        self.session.commit()
        return hit

    def step(self, hit: Hit, kind: str, ago: int, **values: Any) -> None:
        given_ = {
            "from_status": "waiting",
            "to_status": "waiting",
            "person": "li",
            "at": at(ago, 14),
            **values,
        }
        self.session.add(HitEvent(hit_id=hit.id, kind=kind, **given_))
        self.session.commit()

    def contact(self, hit: Hit, ago: int, status: str, *answers: tuple[str, int, int], **values: Any) -> None:
        """Add a contact, with answers as (outcome, days ago, days ago when received)."""
        batch = OutreachBatch(
            channel="sms",
            version_id=self.session.scalars(select(OutreachTemplateVersion.id)).first(),
            status="done",
            selection={},
            created_by="wang",
            confirmed_at=at(ago, 9),
        )
        self.session.add(batch)
        self.session.flush()
        contact = Outreach(
            batch_id=batch.id,
            hit_id=hit.id,
            lead_id=self.lead.id,
            version_id=batch.version_id,
            channel="sms",
            id_hash=self.lead.id_hash,
            phone_index=self.lead.phone_index,
            status=status,
            **({"sent_at": at(ago, 11)} | values),
        )
        self.session.add(contact)
        self.session.flush()
        self.session.add_all(
            OutreachEvent(
                outreach_id=contact.id,
                outcome=outcome,
                at=at(when, 12),
                source="gw",
                received_at=at(heard, 13),
            )
            for outcome, when, heard in answers
        )
        self.session.commit()

    def facts(self, ago: int, aum: str, risk: str, *options: str) -> None:
        file = write_csv(
            self.folder / f"facts-{ago}-{aum}.csv",
            [["lead_no", "aum", "risk"], [self.lead.lead_no, aum, risk]],
        )
        done = self.cli("facts", "import", file, "--as-of", day(ago), *options)
        assert done.exit_code == 0, done.output

    def stated(self, ago: int, delivered: int, value: float) -> None:
        """State a fact on one date that is delivered on another."""
        fact = self.session.scalars(select(FactDefinition.id).where(FactDefinition.code == "aum")).one()
        column = facts.Column(fact, "money", 1100)
        rows = self.folder / "stated.parquet"
        dated = pa.array([day(ago)], pa.date32())
        pq.write_table(pa.table({"lead": [self.lead.id], "as_of": dated, column.name: [value]}), rows)
        facts.append(self.settings.data_dir / "activity", rows, [column], facts.Delivery(1, day(delivered)))

    def calls(self, ago: int, delivered: int, institution: str = "I-1", n: int = 2) -> None:
        """Deliver a file of calls of one date on another."""
        name = f"{ago}-{delivered}-{institution}"
        rows = [
            row(
                f"{name}-{number}",
                f"{day(ago)} 1{number}:00:00",
                institution_code=institution,
                id_hash=self.lead.id_hash,
            )
            for number in range(n)
        ]
        root = self.settings.data_dir / "activity"
        take(root, write(self.folder / f"{name}.csv", rows), now=clock.now())
        journal = root / "deliveries.jsonl"
        *before, last = journal.read_text("utf-8").splitlines(keepends=True)
        # The journal has the present time; another one of the same length makes it another date's delivery.
        moved = re.sub(r'(?<="time":")[^"]+', at(delivered, 13).astimezone(dt.UTC).isoformat(), last)
        assert len(moved) == len(last)
        journal.write_text("".join([*before, moved]), "utf-8")

    def read(self, person: Person, query: str = "") -> list[str]:
        """Return the entries of a page, each ``date time kind …`` in one line."""
        answer = person.get(f"{self.path}?{query}")
        assert answer.status_code == 200, answer.text
        return entries(answer.text)


KINDS = ("hits", "facts", "activity", "contacts")
EVIDENCE = {
    "conditions": [{"metric": "calls", "op": ">=", "value": 3, "window_days": 7, "actual": 5, "met": True}],
    "institutions": ["I-1"],
    "terms": [{"event_type": "face_verify", "age_days": 0, "n": 5}],
    "weights": {"face_verify": 1.0},
    "half_life_days": 7,
    "first_at": "2026-10-26T09:00:00",
    "last_at": "2026-10-26T10:00:00",
}


def entries(page: str) -> list[str]:
    found = []
    for date, of_day in re.findall(
        r'<section class="line-day" aria-label="([^"]+)">(.*?)</section>', page, re.S
    ):
        found += [
            f"{date} {plain(each)}" for each in re.findall(r"<li class=\"line-entry.*?</li>", of_day, re.S)
        ]
    return found


def plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


@pytest.fixture
def story(
    session: Session, world: World, settings: Settings, cli: Callable[..., Any], tmp_path: Path
) -> Story:
    return Story(session, world, settings, cli, tmp_path)


@pytest.fixture
def auditor(login: Callable[..., Person]) -> Person:
    return login("Auditor")


@pytest.fixture
def eventful(story: Story, login: Callable[..., Person]) -> Story:
    """A customer of whom each source has something to say."""
    story.session.add(Institution(code="I-7", name="晨光银行", category="bank"))
    story.lead.batch = story.batch(90, "first.csv")
    story.changed(story.batch(60, "second.csv"), name="旧名", source="线下活动")
    hit = story.hit(20, 19)
    story.session.execute(update(Hit).values(holdout=True).where(Hit.id == hit.id))
    story.step(hit, "claim", 18, owner="li", next_on=day(17))
    story.step(hit, "follow_up", 17, note="客户在开会", next_on=day(10), to_status="in_progress")
    story.contact(hit, 16, "interested", ("delivered", 16, 16), ("interested", 15, 15))
    story.contact(hit, 12, "held", sent_at=None, reason="opted_out")
    suppress(story)
    looked = Reveal(lead_id=story.lead.id, reason="回电", revealed_by="li", address="::1", revealed_at=at(2))
    story.session.add(looked)
    story.session.commit()
    story.calls(21, 20, "I-7", 3)
    typed = {"name": "新名", "new_phone": "", "source": "官网预约", "status": "paused"}
    assert login("Manager").submit(f"/leadview/edit/{story.lead.id}", typed).status_code == 302
    return story


def suppress(story: Story) -> None:
    """Put the customer on the do-not-disturb list twice: one entry is removed, one expires."""
    common = {"shown": "x", "created_by": "wang"}
    removed = {"removed_at": at(4), "removed_by": "chen", "removal_reason": "已同意"}
    person, phone = {"id_hash": story.lead.id_hash}, {"phone_index": story.lead.phone_index}
    story.session.add_all(
        [
            Suppression(**common, **person, reason="客户要求", created_at=at(8), **removed),
            Suppression(**common, **phone, reason="投诉", created_at=at(7), expires_on=day(3)),
        ]
    )


def test_each_source_says_what_happened(eventful: Story, auditor: Person) -> None:
    lines = eventful.read(auditor)
    read = [re.sub(r"^\S+ ", "", each) for each in lines]
    said = {
        "Imports Added to the lead list Import #": "first.csv",
        "Imports Changed by an import": "旧名 → became",
        "Activity 3 calls": "Bank 3",
        "Hits 一 v1 A Holdout group": "calls",
        "14:00 Follow-up Claimed": f"Next contact {day(17)} li",
        "14:00 Follow-up Followed up In progress": "客户在开会",
        "11:00 Contacts SMS Interested": "Delivered",
        "09:00 Contacts SMS Held back": "短信模板",
        "10:00 Do not disturb Put on the do-not-disturb list 客户要求": "no end date wang",
        "10:00 Do not disturb Taken off the do-not-disturb list 已同意": "chen",
        "Changes by hand Tag removed": "VIP",
        "Do not disturb Do-not-disturb entry expired": "",
        "10:00 Phone number views Full phone number viewed 回电": "li",
        "Changes by hand Record changed by hand Customer name": "Paused",
    }
    for begin, part in said.items():
        found = [each for each in read if begin in each]
        assert len(found) == 1, (begin, read)
        one = found[0]
        assert part in one, one
    dates = [each[:10] for each in lines]
    assert dates == sorted(dates, reverse=True)
    assert f"{day(20)} Hits" in "\n".join(lines)
    assert {each.split()[1] for each in eventful.read(auditor, "kind=activity")} == {"Activity"}
    two = eventful.read(auditor, "kind=hits&kind=contacts")
    assert len(two) == 3
    assert {each.split()[2] for each in two if "Contacts" in each} == {"Contacts"}


def test_facts_stand_with_the_date_and_the_values_between_which_they_changed(
    story: Story, login: Callable[..., Person], cli: Callable[..., Any], tmp_path: Path
) -> None:
    definitions = tmp_path / "facts.yaml"
    definitions.write_text(FACTS, "utf-8")
    assert cli("config", "apply", definitions).exit_code == 0
    story.facts(30, "120000", "R1", "--backfill")
    story.facts(20, "120000", "R2", "--backfill")
    story.facts(10, "64000.5", "R2")
    manager, marketer = login("Manager"), login("Marketer", branch=story.world.home)

    new, changed, first = story.read(manager, "kind=facts")
    assert new.startswith(f"{day(10)} Facts 1 changed Assets 120,000 元 → became 64,000.5 元")
    assert f"known since {day(1)}" in new
    assert "风险等级 R1 → became R2" in changed
    assert "Assets" not in changed
    assert f"counted as known on {day(30)} (backfill)" in first
    assert "120,000 元" in first
    assert len(story.read(manager, f"kind=facts&known_on={day(2)}")) == 2, "delivered later, known later"
    hidden = " ".join(story.read(marketer, "kind=facts"))
    assert "风险等级 not shown (sensitive)" in hidden
    assert "R2" not in hidden

    page = plain(manager.get(story.path).text)
    assert "Facts: Service Assets Purpose: Service · Kept: 1100 days" in page
    assert "Facts: Risk control 风险等级" in page


def test_pages_follow_each_other_without_gap_or_repetition(
    story: Story, login: Callable[..., Person], session: Session
) -> None:
    session.add_all(
        Reveal(
            lead_id=story.lead.id,
            reason=f"r{n}",
            revealed_by="li",
            address="::1",
            revealed_at=at(n // 3, n % 3),
        )
        for n in range(240)
    )
    session.commit()
    for ago in (1, 2, 70, 300):
        story.calls(ago, ago - 1)
    auditor, seen, pages, path = login("Auditor"), [], 0, story.path
    while path:
        text = auditor.get(path).text
        seen += entries(text)
        pages += 1
        older = re.search(r'rel="next" href="([^"]+)"', text)
        path = html.unescape(older[1]) if older else ""
    reasons = re.findall(r"viewed (r\d+)", " ".join(seen))
    assert sorted(reasons) == sorted(f"r{n}" for n in range(240))
    assert sum("Activity" in each for each in seen) == 4
    assert [each[:10] for each in seen] == sorted((each[:10] for each in seen), reverse=True)
    assert 5 <= pages <= 7


@thorough
@pytest.mark.parametrize("seed", share(range(20), 2))
def test_nothing_is_seen_that_became_known_later(
    seed: int, story: Story, auditor: Person, cli: Callable[..., Any], tmp_path: Path
) -> None:
    """A world of things that happened on one date and became known on a later one, seen as of every date."""
    definitions = tmp_path / "facts.yaml"
    definitions.write_text(FACTS, "utf-8")
    assert cli("config", "apply", definitions).exit_code == 0
    draw = random.Random(seed)
    pairs = [(ago, draw.randint(1, ago)) for ago in draw.sample(range(2, 25), 9)]
    #: (date, what is seen of it): since how many days it is known
    known: dict[tuple[dt.date, str], int] = {}
    for number, (ago, later) in enumerate(pairs):
        kind = number % 3
        if kind == 0:
            story.hit(ago, later)
            known[day(ago), "Hits"] = later
        elif kind == 1:
            story.stated(ago, later, float(number))
            # A delivery counts from the day before it.
            known[day(ago), "Facts"] = min(ago, later + 1)
        else:
            story.calls(ago, later)
            known[day(ago), "Activity"] = later
    hit = story.hit(30, 29)
    story.contact(hit, 26, "interested", ("delivered", 26, 20), ("interested", 25, 10))
    for ago in range(31):
        read = story.read(auditor, f"known_on={day(ago)}&" + "&".join(f"kind={kind}" for kind in KINDS))
        seen = {(dt.date.fromisoformat(each[:10]), each.split()[1]) for each in read if "11:00" not in each}
        since = {what for what, first in known.items() if first >= ago}
        assert seen == since | ({(day(30), "Hits")} if ago <= 29 else set()), ago
        contact = " ".join(each for each in read if "11:00 Contacts" in each)
        assert ("Contacts" in contact) == (ago <= 26)
        assert ("Delivered" in contact) == (ago <= 20)
        assert ("Interested" in contact) == (ago <= 10)


def test_an_outcome_is_what_had_been_told_by_then(
    story: Story, session: Session, login: Callable[..., Person], auditor: Person
) -> None:
    common = {"lead_id": story.lead.id, "product_id": session.scalars(select(Product.id)).first()}
    outcome = Outcome(outcome_id="o-1", on_date=day(20), amount=900, corrections=1, told_at=at(10), **common)
    session.add(outcome)
    session.flush()
    session.add(
        OutcomeFormer(
            current_id=outcome.id,
            on_date=day(21),
            amount=500,
            told_at=at(15),
            corrected_at=at(10),
            **common,
        )
    )
    session.commit()
    (now,) = story.read(auditor, "kind=outcomes")
    assert now.startswith(f"{day(20)} Outcomes")
    assert "900.00" in now
    assert f"{day(21)}, ¥500.00" in now
    assert "900.00" in story.read(auditor, f"kind=outcomes&known_on={day(10)}")[0]
    (then,) = story.read(auditor, f"kind=outcomes&known_on={day(11)}")
    assert then.startswith(f"{day(21)} Outcomes")
    assert "500.00" in then
    assert "900" not in then
    assert story.read(auditor, f"kind=outcomes&known_on={day(16)}") == []
    assert story.read(login("Marketer", branch=story.world.home), "kind=outcomes") == []


def test_dates_with_later_calls_are_named_and_left_out(story: Story, auditor: Person) -> None:
    story.calls(9, 8)
    story.calls(9, 3, "I-2")
    assert "4 calls" in story.read(auditor, "kind=activity")[0]
    text = plain(auditor.get(f"{story.path}?known_on={day(5)}").text)
    assert f"which of them were known then is not kept: {day(9)}" in text
    assert story.read(auditor, f"kind=activity&known_on={day(5)}") == []
    assert len(story.read(auditor, f"kind=activity&known_on={day(3)}")) == 1


def test_who_saw_the_data_is_for_those_who_may_read_the_change_log(
    story: Story, session: Session, auditor: Person, login: Callable[..., Person]
) -> None:
    lead = story.lead
    mine = {"status": "done", "format": "csv", "requested_by": "me", "finished_at": at(1)}
    me = login("Manager", username="me")
    session.add_all(
        [
            Reveal(lead_id=lead.id, reason="回电", revealed_by="li", address="::1"),
            SubjectRequest(kind="export", lead_no=lead.lead_no, created_by="zhao"),
            ExportJob(kind="leads", filters=[["source", "is", lead.source]], **mine),
            ExportJob(kind="leads", filters=[["source", "is", "没有"]], **mine),
            ExportJob(kind="hits", filters=[["segment", "is", "1"]], clear=True, approved_by="chen", **mine),
        ]
    )
    session.commit()
    assert me.get("/api/v1/leads/").status_code == 200
    text = plain(auditor.get(story.path).text)
    who = text[text.index("Who saw it") :]
    assert "li" in who
    assert "full phone number" in who
    assert "zhao" in who
    assert "Exported as a file" in who
    assert who.count("测试 ") >= 2, "people are named"
    assert who.count("export: Lead list") == 2
    assert "perhaps in the export: Hit list with phone numbers in clear" in who
    assert "1 reads of 3 rows in all" in who
    assert login("DataOperator").get(story.path).status_code != 200
    for other in (me, login("Marketer", branch=story.world.home)):
        text = plain(other.get(story.path).text)
        assert "What we hold and why" in text
        assert "Phone number views 1 view " in text
        assert "Who saw it" not in text
        assert "Phone number views" not in text[: text.index("What we hold")]
        assert "回电" not in text


@pytest.mark.parametrize("query", ["kind=x", "until=2026-02-30", "known_on=gestern", "until=0001-01-01"])
def test_arguments_without_a_meaning_are_refused(query: str, story: Story, auditor: Person) -> None:
    assert auditor.get(f"{story.path}?{query}").status_code == 400
    assert auditor.get(f"{story.path}?until=2999-01-01&known_on=2999-01-01").status_code == 200


def test_buttons_lead_there_and_a_broken_store_takes_only_its_kinds_away(
    story: Story, auditor: Person, settings: Settings
) -> None:
    hit = story.hit(3, 2)
    for page in (f"/leadview/show/{story.lead.id}", f"/hitview/show/{hit.id}"):
        assert f'href="{story.path}">Time line' in auditor.get(page).text
    root = settings.data_dir / "activity"
    root.mkdir(parents=True, exist_ok=True)
    (root / "manifest.json").write_text("{")
    text = auditor.get(story.path).text
    assert "can't be read at the moment" in text
    assert any("Hits" in each for each in entries(text))

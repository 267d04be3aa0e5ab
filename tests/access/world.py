"""A small bank to reach into: two branches, and a row of everything in each."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

from flask_appbuilder.security.sqla.models import ApiKey, Role
from sqlalchemy import Engine, func, inspect, select
from sqlalchemy.orm import Session

from app.errors import Said
from app.leads.phone import PhoneVault
from app.models import (
    Approval,
    AuditJob,
    Backtest,
    Branch,
    BulkJob,
    ChangeLog,
    CloseReason,
    ContactResult,
    ContactStatement,
    ExportJob,
    FactDefinition,
    ForbiddenWord,
    Hit,
    Holiday,
    ImportBatch,
    IngestFile,
    Institution,
    InstitutionDay,
    JobRun,
    Journey,
    JourneyEnrolment,
    JourneySimulation,
    JourneySimulationPath,
    JourneyStep,
    JourneyVersion,
    Lead,
    LogCorrection,
    Outcome,
    Outreach,
    OutreachBatch,
    OutreachGateway,
    OutreachSetting,
    OutreachTemplate,
    OutreachTemplateVersion,
    Product,
    Rule,
    RuleCondition,
    RuleVersion,
    SandboxMessage,
    SavedView,
    Schedule,
    ScheduleVersion,
    Segment,
    Staff,
    StrategyRow,
    StrategyTable,
    Suppression,
    Tag,
)
from app.reports.weeks import last_complete
from app.rules.definition import DEFAULT_GRADE_BANDS, DEFAULT_WEIGHTS, canonical
from app.rules.versions import rule_def
from config import Settings
from tests import clock
from tests.access.push_world import failed_mail, pushes
from tests.access.report_world import reports
from tests.database import LOG, Snapshot, is_empty, superuser_of

DAY = dt.date(2026, 10, 26)


@dataclass
class World:
    """Ids of the rows, by name."""

    ids: dict[str, Any]
    home: Branch
    away: Branch


#: the worlds that were built on an empty database, by engine and key of the phone numbers
_BUILT: dict[tuple[Any, str], tuple[Snapshot, dict[str, Any]]] = {}


def build(session: Session, settings: Settings) -> World:
    """Fill an empty database; after the first time with the same rows again, which is faster."""
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    key = (engine, settings.pii_key)
    if key in _BUILT and _BUILT[key][0].put_back():
        ids = _BUILT[key][1]
        return World({**ids}, session.get_one(Branch, ids["home"]), session.get_one(Branch, ids["away"]))
    was_empty = is_empty(engine)
    world = _build(session, settings)
    if was_empty:
        _BUILT[key] = Snapshot(engine), {**world.ids}
    return world


def _build(session: Session, settings: Settings) -> World:
    branches = {"home": branch(session, "HOME"), "away": branch(session, "AWAY")}
    sub = branch(session, "HOME-SUB", branches["home"])
    rows = {
        **_rules(session),
        **_files(),
        **_jobs(),
        **_schedules(),
        **_journeys(),
        "free_branch": branch(session, "FREE"),
        **_lists(),
        **_people(session, branches["home"]),
        **branches,
    }
    session.add_all(rows.values())
    ids: dict[str, Any] = {}
    for number, (name, where) in enumerate((*branches.items(), ("sub", sub)), 1):
        customer = lead(settings, number, where)
        customer.tags = [rows["tag"]]
        ids[f"phone_{name}"] = customer.phone_index
        session.add(customer)
        session.flush()
        rows[f"lead_{name}"] = customer
        for status in ("waiting", "in_progress", "failed"):
            rows[f"hit_{name}_{status}"] = hit(customer, rows["version"], status)
            session.add(rows[f"hit_{name}_{status}"])
    rows["journey"].active_version = rows["journey_version"]
    for where in branches:
        rows[f"enrolment_{where}"], rows[f"stop_{where}"] = enrolled(rows, rows[f"lead_{where}"])
        rows[f"walked_{where}"] = walked(rows, rows[f"lead_{where}"])
        session.add_all([rows[f"{each}_{where}"] for each in ("enrolment", "stop", "walked")])
    rows["outcome"] = Outcome(
        outcome_id="O-1",
        lead_id=rows["lead_home"].id,
        product_id=rows["product"].id,
        on_date=DAY - dt.timedelta(days=15),
        amount=12000,
    )
    session.add(rows["outcome"])
    session.commit()
    session.expire_all()  # JSONB gives keys back in an order of its own, and the digest is of that
    rows["approval"] = request_for(rows["submitted"], rows["staff"])
    rows["other_approval"] = request_for(rows["other"], rows["staff"])
    session.add_all([rows["approval"], rows["other_approval"]])
    rows |= pushes(session, rows["hit_home_waiting"])
    rows["failed_mail"] = failed_mail(session, rows["staff"].id)
    session.commit()
    session.add_all(institution_days(clock.today()))
    rows |= outreach(session, rows)
    rows |= reports(session, rows)
    session.commit()
    ids["last_week"] = last_complete(clock.today()).isoformat()
    ids["entry"] = session.scalar(select(func.max(ChangeLog.id)).where(ChangeLog.object == "lead"))
    session.commit()
    ids |= {name: row.id for name, row in rows.items() if name != "other"}
    return World(ids, rows["home"], rows["away"])


def _rules(session: Session) -> dict[str, Any]:
    """An active rule with a draft, two whose first version waits, one that nothing needs."""
    rule, version = active_rule(session, "R-1")
    draft = version_of(rule, 2, "draft")
    draft.conditions[0].value = 4
    session.add(draft)
    submitted, other = (version_of(Rule(code=f"R-{n}", name="三"), 1, "submitted") for n in (3, 4))
    session.add_all([submitted, other])
    empty_rule = Rule(code="R-2", name="二")
    session.add(empty_rule)
    empty_rule.versions.append(version_of(None, 1, "draft"))
    return {
        "draft": draft,
        "condition": draft.conditions[0],
        "rule": rule,
        "free_rule": empty_rule,
        "version": version,
        "submitted": submitted,
        "other": other,
        "backtest": backtest(draft, status="done", progress=100, result=BACKTEST),
        "running_backtest": backtest(version, status="running", progress=40),
    }


def _files() -> dict[str, Any]:
    """Uploaded lead files in each state that shows, and a file of the call log."""
    return {
        "batch": ImportBatch(file_name="a.csv", file_digest="0" * 64, status="done", created_by="x"),
        "prepared": upload("prepared"),
        "given_up": upload("failed", error=Said("The import was interrupted")),
        "checked": upload("checked", columns={"name": 0, "phone": 1, "id_number": 2}, checked=CHECKED),
        "ingest": IngestFile(
            digest="1" * 64,
            name="a.csv",
            size_bytes=1,
            rows_read=1,
            accepted=1,
            duplicates=0,
            rejected={},
            days={"2026-10-26": 1},
            ingested_at=dt.datetime(2026, 10, 27, tzinfo=dt.UTC),
        ),
    }


def _jobs() -> dict[str, Any]:
    """Background jobs, and what their person keeps beside them."""
    # Within the days for which events are kept, whatever the date.
    run_on = clock.today() - dt.timedelta(days=40)
    corrected = IngestFile(
        digest="2" * 64,
        name="b.csv",
        size_bytes=1,
        rows_read=1,
        accepted=1,
        duplicates=0,
        rejected={},
        days={},
        ingested_at=dt.datetime(2026, 10, 26, tzinfo=dt.UTC),
        withdrawn_at=dt.datetime(2026, 10, 27, tzinfo=dt.UTC),
    )
    said = {"contacts": 12, "outside_hours": 0, "over_cap": 1, "opted_out": 0, "overrides": 1, "reported": 2}
    return {
        "statement": ContactStatement(day=run_on, **said),
        "corrected_file": corrected,
        "correction": LogCorrection(
            file=corrected,
            reason="x",
            status="done",
            requested_by="x",
            approved_by="y",
            finished_at=dt.datetime(2026, 10, 27, tzinfo=dt.UTC),
            result={"withdrawn": 1, "accepted": 0, "days": [(run_on - dt.timedelta(5)).isoformat()]},
        ),
        "run": JobRun(
            kind="t1",
            day=run_on,
            status="done",
            requested_by="system",
            progress=100,
            finished_at=dt.datetime.combine(run_on, dt.time(22), dt.UTC),
            counts={"other_days": {(run_on - dt.timedelta(2)).isoformat(): 1}},
        ),
        "held": JobRun(
            kind="t1", day=run_on - dt.timedelta(1), status="held", note="incomplete", requested_by="x"
        ),
        "my_export": ExportJob(kind="leads", format="csv", status="done", requested_by="me"),
        "bulk": BulkJob(kind="delete", filters=[["status", "is", "lost"]], requested_by="me", rows=5000),
        "my_audit": AuditJob(
            kind="export",
            status="done",
            filters=[["kind", "is", "insert"]],
            requested_by="me",
            result={"chain": {"ok": False, "entries": 3, "head": "0" * 64, "first_bad": 2}},
        ),
        "my_view": SavedView(
            view="ChangeLogView", name="登录", filters=[["kind", "is", "log_in"]], owner="me"
        ),
    }


def _schedules() -> dict[str, Any]:
    """A schedule in force and one that nothing needs."""
    rows: dict[str, Any] = {
        "schedule": scheduled("S-1", "active"),
        "free_schedule": scheduled("S-2", "draft"),
        "holiday": Holiday(date=dt.date(2026, 5, 2), kind="holiday", name="中文", updated_by="x"),
    }
    rows |= {f"{name}_version": rows[name].versions[0] for name in ("schedule", "free_schedule")}
    rows["schedule"].active_version = rows["schedule_version"]
    return rows


def _journeys() -> dict[str, Any]:
    """A journey in force with a draft, and one that nobody entered."""
    rows: dict[str, Any] = {
        "journey": journey_of("J-1", "active", "active", "draft"),
        "free_journey": journey_of("J-2", "draft", "draft"),
    }
    tables = {
        "strategy_table": StrategyTable(code="ST-1", name="中文", updated_by="x"),
        "free_strategy_table": StrategyTable(code="ST-2", name="线下活动", updated_by="x"),
    }
    for position, grade in enumerate("AB", 1):
        row = StrategyRow(position=position, grades=[grade], hand_to="owner")
        tables["strategy_table"].rows.append(row)
        rows[f"strategy_row_{position}"] = row
    rows |= tables
    journey_versions = rows["journey"].versions
    return {
        **rows,
        "journey_version": journey_versions[0],
        "journey_draft": journey_versions[1],
        "free_journey_version": rows["free_journey"].versions[0],
        "simulation": simulation(journey_versions[1], status="done", progress=100, result=SIMULATED),
        "running_simulation": simulation(journey_versions[0], status="running", progress=40),
    }


def journey_of(code: str, status: str, *statuses: str) -> Journey:
    """A journey with versions of these statuses: a wait of as many days as the number of the version."""
    made = Journey(code=code, name="中文", status=status)
    for number, each in enumerate(statuses, 1):
        steps = [{"id": "wait", "do": "wait", "days": number, "then": "end"}, {"id": "end", "do": "end"}]
        spec = {"code": code, "name": "中文", "trigger": {"on": "hit"}, "steps": steps}
        made.versions.append(JourneyVersion(number=number, status=each, spec=spec, created_by="x"))
    return made


def simulation(version: JourneyVersion, **values: Any) -> JourneySimulation:
    """A simulation of two days in October."""
    return JourneySimulation(
        version=version,
        digest="0" * 64,
        first_day=dt.date(2026, 10, 1),
        last_day=dt.date(2026, 10, 2),
        answers="past",
        calls_a_day=5,
        requested_by="me",
        **values,
    )


#: contacts that a simulation counted, a step for each of its kinds
_CALLS = {
    "calls": 20,
    "highest": 12,
    "on": "2026-10-02",
    "usual": 10.0,
    "days": 2,
    "daily": {"8": 1, "12": 1},
}
FIGURES: dict[str, Any] = {
    "numbers": {
        "entered": 60,
        "still_in": 5,
        "goal": 4,
        "left": 6,
        "steps": {
            "ask": {"entered": 60, "done": 60, "held": 0, "skipped": 0},
            "sms": {"entered": 60, "done": 50, "held": 4, "skipped": 6},
            "wait": {"entered": 50, "done": 45, "held": 0, "skipped": 0},
            "call": {"entered": 24, "done": 20, "held": 0, "skipped": 4},
            "end": {"entered": 45, "done": 45, "held": 0, "skipped": 0},
        },
        "contacts": {"sms": 50, "call": 20},
        "by_day": {"2026-10-01": {"sms": 50, "call": 8}, "2026-10-02": {"call": 12}},
        "outside_hours": 0,
    },
    "spec": {
        "code": "J-1",
        "name": "中文",
        "trigger": {"on": "hit"},
        "steps": [
            {"id": "ask", "do": "split", "parts": {"sms": 60, "call": 40}},
            {"id": "sms", "do": "contact", "channel": "sms", "template": "T-1", "then": "wait"},
            {"id": "wait", "do": "wait", "days": 1, "until": "answered", "then": "end", "timeout": "call"},
            {"id": "call", "do": "contact", "channel": "call", "template": "T-2", "then": "end"},
            {"id": "end", "do": "end"},
        ],
    },
    "waiting": {"wait": 5},
    "ways": {"ask": {"sms": 36, "call": 24}, "wait": {"answered": 21, "timeout": 24}},
    "held": {"sms": {"cap_channel": 3, "phone": 1}},
    "skipped": {"sms": {"holdout": 6}, "call": {"goal": 4}},
    "costs": {
        "sms": {"contacts": 50, "segments": 2, "price": "0.05", "yuan": "5.00"},
        "call": {"contacts": 20, "segments": 1, "price": "0.6", "yuan": "12.0"},
    },
    "load": {**_CALLS, "desks": [{"user": 0, "branch": 0, "people": 2, **_CALLS}], "more": 3},
    "shares": {"sms": 4.5, "call": 40.0},
}
SIMULATED: dict[str, Any] = {
    **FIGURES,
    "number": 2,
    "sample": {"drawn": 30, "of": 60, "rows": 239},
    "active": {**FIGURES, "number": 1, "numbers": {**FIGURES["numbers"], "entered": 50, "goal": 5}},
}


def walked(rows: dict[str, Any], customer: Lead) -> JourneySimulationPath:
    """The simulated path of a customer who is held back, then called on the next day."""
    return JourneySimulationPath(
        simulation=rows["simulation"],
        lead=customer,
        kind="held",
        why="cap_channel",
        asked_for=True,
        steps=[
            ["ask", "2026-10-01T06:00:00+08:00", "2026-10-01T06:00:00+08:00", "done", "sms"],
            ["sms", "2026-10-01T06:00:00+08:00", "2026-10-01T09:30:00+08:00", "held", "cap_channel"],
            ["call", "2026-10-01T09:30:00+08:00", "2026-10-02T09:30:00+08:00", "done", ""],
            ["end", "2026-10-02T09:30:00+08:00", None, "waiting", ""],
        ],
    )


def enrolled(rows: dict[str, Any], customer: Lead) -> tuple[JourneyEnrolment, JourneyStep]:
    """A customer who waits at the first step of the journey in force."""
    entered = dt.datetime(2026, 10, 27, 2, tzinfo=dt.UTC)
    enrolment = JourneyEnrolment(
        journey=rows["journey"], version=rows["journey_version"], lead=customer, entered_at=entered
    )
    there = {"step": "wait", "due_at": entered, "next_at": entered + dt.timedelta(days=1)}
    return enrolment, JourneyStep(enrolment=enrolment, journey_id=rows["journey"].id, number=1, **there)


def _lists() -> dict[str, Any]:
    """What people keep about leads, and an institution."""
    return {
        "institution": Institution(code="I-1", name="机构一", category="bank"),
        "unused_institution": Institution(code="I-0", name="机构零"),
        "tag": Tag(name="VIP", colour="blue", created_by="x"),
        "free_tag": Tag(name="新客", colour="red", created_by="x"),
        "fact": FactDefinition(
            code="aum", name="金融资产", name_en="assets", kind="money", unit="元", updated_by="x"
        ),
        "product": Product(code="LOAN-C", name="消费贷", line="loan", updated_by="x"),
        "free_product": Product(code="DEP", name="存款", line="loan", updated_by="x"),
        "suppression": Suppression(phone_index="0" * 64, shown="139****0000", reason="投诉", created_by="x"),
        "segment": Segment(name="客群", definition={"statuses": ["active"]}, owner="me"),
        "shared_segment": Segment(name="共享客群", definition={}, owner="somebody", shared=True, code="SG-9"),
        "foreign_segment": Segment(name="别人的", definition={}, owner="somebody"),
        "close_reason": CloseReason(name="暂无需求", position=10),
        "result": ContactResult(name="接通考虑中", name_en="Considering", next_days=3, position=10),
    }


def _people(session: Session, home: Branch) -> dict[str, Any]:
    """A marketer of the home branch, a system with its key, somebody without a role, a role nobody has."""
    system = Staff(
        username="bank",
        first_name="",
        last_name="bank",
        email="bank@api.invalid",
        active=True,
        password="x",
        branch_id=home.id,
        roles=[session.scalars(select(Role).where(Role.name == "Integration")).one()],
    )
    session.add(system)
    session.flush()
    return {
        "system": system,
        "key": ApiKey(name="bank", key_hash="x", lookup_hash="x", key_prefix="lm_", user_id=system.id),
        "worker": Staff(
            username="worker",
            first_name="工",
            last_name="人",
            email="w@example.com",
            active=True,
            password="x",
            branch_id=home.id,
            roles=[session.scalars(select(Role).where(Role.name == "Marketer")).one()],
        ),
        "role": Role(name="Helper"),
        "staff": Staff(
            username="somebody",
            first_name="某",
            last_name="某",
            email="s@example.com",
            active=True,
            password="x",
        ),
    }


def institution_days(today: dt.date) -> list[InstitutionDay]:
    """A month of calls of an institution, with a day that is low and one that is missing."""
    calls = dict.fromkeys(range(1, 31), 1200) | {2: 3, 3: 0}
    return [
        InstitutionDay(day=today - dt.timedelta(days=back), institution="I-1", calls=n, source="a")
        for back, n in calls.items()
        if n
    ]


def scheduled(code: str, status: str) -> Schedule:
    """A schedule of R-1 with one version."""
    spec = {"code": code, "name": "中文", "rules": ["R-1"], "preset": "daily"}
    made = Schedule(code=code, name="中文", status=status)
    made.versions.append(ScheduleVersion(number=1, status=status, spec=spec, created_by="x"))
    return made


def outreach(session: Session, rows: dict[str, Any]) -> dict[str, Any]:
    """A batch in each state that shows, with a contact, its template, rules and a gateway."""
    template, unused = templates(session)
    found: dict[str, Any] = {
        "template": template,
        "unused_template": unused,
        "word": ForbiddenWord(word="保本", created_by="x"),
        "setting": OutreachSetting(values={"approval_above": 100}, status="active", created_by="x"),
        "gateway": gateway("sms", "短信网关"),
        "gateway_on": gateway("call", "外呼网关", active=True),
    }
    hit, version = rows["hit_home_waiting"], template.versions[0]
    for status in ("checked", "running", "paused"):
        found[f"outreach_{status}"] = OutreachBatch(
            channel="sms",
            version_id=version.id,
            status=status,
            selection={"ids": [hit.id]},
            candidates=1,
            planned={"go": 1, "held": {"opted_out": 1}},
            gateway="sandbox",
            created_by="me",
        )
    session.add_all(found.values())
    session.flush()
    held = contact(found["outreach_running"], hit, version, status="held", reason="opted_out")
    session.add_all([held, contact(found["outreach_checked"], hit, version)])
    session.flush()
    message = SandboxMessage(
        outreach_id=held.id,
        key=uuid.uuid4(),
        channel="sms",
        phone_masked=hit.lead.phone_masked,
        body="您好",
        accepted_at=dt.datetime(2026, 10, 27, tzinfo=dt.UTC),
    )
    session.add(message)
    return found | {"contact": held, "message": message}


def templates(session: Session) -> tuple[OutreachTemplate, OutreachTemplate]:
    """A template of an SMS that batches use, and one of a call that none does."""
    made = [
        OutreachTemplate(channel=channel, name=name, created_by="x")
        for channel, name in (("sms", "短信模板"), ("call", "外呼模板"))
    ]
    for each in made:
        body = "尊敬的{surname}先生/女士，{branch}邀您了解。"
        each.versions.append(OutreachTemplateVersion(number=1, body=body, created_by="x"))
    session.add_all(made)
    session.flush()
    return made[0], made[1]


def gateway(channel: str, name: str, *, active: bool = False) -> OutreachGateway:
    """A gateway of a channel."""
    settings = {"url": f"https://{channel}.example.com/send"}
    return OutreachGateway(
        channel=channel, name=name, settings=settings, secret_cipher=b"x", active=active, updated_by="x"
    )


def contact(batch: OutreachBatch, hit: Hit, version: OutreachTemplateVersion, **values: Any) -> Outreach:
    """A contact of a batch with a hit."""
    return Outreach(
        batch_id=batch.id,
        hit_id=hit.id,
        lead_id=hit.lead_id,
        version_id=version.id,
        channel="sms",
        id_hash=hit.lead.id_hash,
        phone_index=hit.lead.phone_index,
        **values,
    )


def request_for(version: RuleVersion, by: Staff) -> Approval:
    """A request of ``by`` to put a submitted first version in force."""
    state = f"None {canonical(rule_def(version))}"
    return Approval(
        kind="rule_version",
        subject_id=version.id,
        title="R-3 v1",
        reason="R-3",
        changes={"zh": [["名称", "", "三"]], "en": [["Name", "", "三"]]},
        state=hashlib.sha256(state.encode()).hexdigest(),
        makers=["somebody"],
        requested_by="somebody",
        requested_by_id=by.id,
        expires_at=clock.now() + dt.timedelta(days=1),
    )


#: the figures of a back-test, as they are kept
BACKTEST = {
    "data_batch": 3,
    "op": ">=",
    "threshold": 3,
    "draft": {"hits": 420, "leads": 400, "converted": 48},
    "active": {"hits": 900, "leads": 800, "converted": 60, "number": 1},
    "base": {"everybody": 5000, "leads": 2500, "converted": 100},
    "by_day": {"2026-10-01": 200, "2026-10-02": 220},
    "active_by_day": {"2026-10-01": 450, "2026-10-02": 450},
    "curve": [
        {"threshold": 1, "hits": 2600, "leads": 2500, "converted": 100},
        {"threshold": 2, "hits": 900, "leads": 800, "converted": 60},
        {"threshold": 3, "hits": 420, "leads": 400, "converted": 48},
        {"threshold": 4, "hits": 90, "leads": 90, "converted": 13},
        {"threshold": 5, "hits": 0, "leads": 0, "converted": 0},
    ],
}


def backtest(version: RuleVersion, **values: Any) -> Backtest:
    """A back-test of two days in October."""
    return Backtest(
        version=version,
        digest="0" * 64,
        first_day=dt.date(2026, 10, 1),
        last_day=dt.date(2026, 10, 2),
        days_after=14,
        requested_by="me",
        **values,
    )


#: the outcome of a dry run, as it is kept
CHECKED = {
    "read": 3,
    "created": 2,
    "updated": 0,
    "existing": 0,
    "rejected": {"missing_name": 1},
    "examples": {
        "missing_name": [
            {
                "row": 4,
                "message": "There is no customer name",
                "values": {},
                "cells": {"name": "", "phone": "138*****001", "id_number": "330*************17"},
            }
        ]
    },
    "branches": {"named": [{"name": "新支行", "rows": 2, "nearest": [1]}], "names": 3, "rows": 4},
}


def upload(status: str, **columns: Any) -> ImportBatch:
    """An uploaded file that waits for its person; the file itself is not there."""
    preview = {
        "header": ["A1", "B1", "C1", "D1"],
        "rows": [["客户", "138*****001", "330*************17", ""]],
        "columns": {"name": 0, "phone": 1, "id_number": 2},
        "warnings": ["hidden_rows"],
    }
    return ImportBatch(
        file_name="a.csv",
        file_digest="2" * 64,
        status=status,
        created_by="x",
        upload="/nowhere/a.csv",
        preview=preview,
        rows_total=3,
        **columns,
    )


def branch(session: Session, code: str, parent: Branch | None = None) -> Branch:
    made = Branch(code=code, name=f"{code} 支行", parent=parent)
    session.add(made)
    session.flush()
    made.path = f"{parent.path if parent else '/'}{made.id}/"
    return made


def active_rule(session: Session, code: str) -> tuple[Rule, RuleVersion]:
    rule = Rule(code=code, name="一", status="active")
    version = version_of(rule, 1, "active")
    session.add_all([rule, version])
    session.flush()
    rule.active_version_id = version.id
    return rule, version


def version_of(rule: Rule | None, number: int, status: str) -> RuleVersion:
    return RuleVersion(
        rule=rule,
        number=number,
        status=status,
        name="一",
        match="all",
        cooldown_days=7,
        half_life_days=7,
        weights=DEFAULT_WEIGHTS,
        grade_bands=DEFAULT_GRADE_BANDS,
        created_by="x",
        conditions=[RuleCondition(position=1, metric="calls", op=">=", value=3, window_days=7)],
    )


def lead(settings: Settings, number: int, where: Branch) -> Lead:
    vault, phone = PhoneVault(settings.pii_key), f"1380000000{number}"
    return Lead(
        lead_no=f"L100{number}",
        name=f"客户{where.code}",
        id_hash=hashlib.sha256(str(number).encode()).hexdigest(),
        phone_cipher=vault.encrypt(phone),
        phone_index=vault.index(phone),
        phone_masked=f"138****000{number}",
        source="官网预约",
        branch=where,
    )


def hit(of: Lead, version: RuleVersion, status: str) -> Hit:
    day = DAY - dt.timedelta(days={"waiting": 0, "in_progress": 10, "failed": 20}[status])
    evidence = {
        "conditions": [
            {"metric": "calls", "op": ">=", "value": 3, "window_days": 7, "actual": 5, "met": True}
        ],
        "institutions": ["I-1"],
        "calls": 5,
        "terms": [{"event_type": "face_verify", "age_days": 0, "n": 5}],
        "weights": DEFAULT_WEIGHTS,
        "half_life_days": 7,
        "first_at": "2026-10-26T09:00:00",
        "last_at": "2026-10-26T10:00:00",
    }
    return Hit(
        rule_id=version.rule_id,
        version_id=version.id,
        lead_id=of.id,
        hit_date=day,
        values=[5],
        score=5.0,
        grade="B",
        status=status,
        evidence=evidence,
        last_met_on=day,
        made_on=clock.today(),
    )


def fingerprint(engine: Engine) -> dict[str, str]:
    """A digest of the rows of every table but the change log: equal means that nothing changed.

    Of log-ins only their number counts; what a session keeps changes with every message shown.
    """
    return dict(superuser_of(engine).execute(_digests(engine).encode(), prepare=True).fetchall())


@functools.cache
def _digests(engine: Engine) -> str:
    rows = "SELECT '{0}', coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM \"{0}\" t"
    names = [name for name in inspect(engine).get_table_names() if name not in (*LOG, "login_session")]
    log_ins = "SELECT 'login_session', count(*)::text FROM login_session"
    return " UNION ALL ".join([*(rows.format(name) for name in names), log_ins])

"""Every field of every generated form: filled in like a user, then read back from the database."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash

from app.console.view import ConsoleView
from app.leads.phone import PhoneVault
from app.leads.suppression import person_target
from app.models import Approval, Lead, Staff, Suppression
from app.outreach.http_gateway import opened
from tests.access.world import World
from tests.conftest import PASSWORD, Person
from tests.leads.support import id_number

#: fields that every form has and users don't fill in
FRAME = {"csrf_token", "next", "seen"}
#: screens with their own editors, which have their own tests
EDITORS = {"RuleView", "RuleVersionView", "ScheduleView", "JourneyView", "JourneyVersionView"}


class Form(NamedTuple):
    """The input of an empty form, if any, and of that of ``row``; ``reads`` are values without a column."""

    add: dict[str, Any]
    edit: dict[str, Any] | None = None
    row: str = ""
    reads: Callable[[Any, Any], dict[str, Any]] = lambda row, bank: {}


class Bank(NamedTuple):
    """The data that readers need."""

    app: Flask
    session: Session

    @property
    def settings(self) -> Any:
        return self.app.config["SETTINGS"]

    def reason(self) -> str:
        """Return the reason of the newest request."""
        return self.session.scalars(select(Approval.reason).order_by(Approval.id.desc()).limit(1)).one()


def lead(row: Lead, bank: Bank) -> dict[str, Any]:
    entries = bank.session.scalars(select(Suppression).where(Suppression.id_hash == row.id_hash)).all()
    phone = PhoneVault.of(bank.settings).decrypt(row.phone_cipher)
    known = {person_target(id_number(n), bank.settings).id_hash: id_number(n) for n in (5, 6)}
    return {
        "phone": phone,
        "new_phone": phone,
        "id_number": known.get(row.id_hash),
        "do_not_disturb": row.opted_out,
        "do_not_disturb_reason": entries[-1].reason if entries else "",
    }


def segment(row: Any, bank: Bank) -> dict[str, Any]:
    said = row.definition
    return {
        **{name: said[name] for name in ("sources", "statuses", "created_from", "created_to")},
        "branches": [str(key) for key in said["branches"]],
        "tags": [str(key) for key in said["tags"]],
        "opted_out": "yes" if said["opted_out"] else "no",
        "has_hit": "hits" in said,
        **{f"hit_{name}": said["hits"][name] for name in ("days", "grades", "statuses", "rules")},
        "activity_metric": said["activity"]["metric"],
        "activity_at_least": said["activity"]["at_least"],
        "activity_days": said["activity"]["window_days"],
        "tests": typed_tests(said["filter"]["all"]),
    }


def typed_tests(tests: list[dict[str, Any]]) -> str:
    """Return the rows of the form from the stored tests of SEGMENT."""
    fact, metric, without = tests
    rows = [
        (f"fact:{fact['fact']}", fact["op"], f"{fact['value']:g}", None),
        (f"metric:{metric['metric']}", "fell_by", f"{metric['fell_by'] * 100:g}", metric["against_days"]),
        (f"contacted:{without['not']['contacted']}", "has_not", "", without["not"]["days"]),
    ]
    return json.dumps([dict(zip(("what", "op", "value", "days"), row, strict=True)) for row in rows])


def entry(row: Suppression, bank: Bank) -> dict[str, Any]:
    return {"phone": "13911110000" if row.shown == "139****0000" else row.shown, "id_number": ""}


def fact(row: Any, bank: Bank) -> dict[str, Any]:
    return {"choices": "\n".join(row.choices)}


def product(row: Any, bank: Bank) -> dict[str, Any]:
    rate = f"{row.margin_rate:f}".rstrip("0").rstrip(".")
    return {"margin_rate": rate, "segments": row.eligible.get("segments", [])}


def template(row: Any, bank: Bank) -> dict[str, Any]:
    return {"body": max(row.versions, key=lambda each: each.number).body}


def gateway(row: Any, bank: Bank) -> dict[str, Any]:
    lines = {name: "\n".join(row.settings[name]) for name in ("accepted", "rejected", "busy", "absent")}
    return row.settings | lines | {"secret": opened(row.secret_cipher, bank.settings)}


def staff(row: Staff, bank: Bank) -> dict[str, Any]:
    password = PASSWORD if check_password_hash(row.password, PASSWORD) else "another one"
    return {"access_reason": bank.reason(), "password": password, "conf_password": password}


def role(row: Role, bank: Bank) -> dict[str, Any]:
    chosen = {"1", "2"} & {str(pair.id) for pair in row.permissions}
    return {"permissions": sorted(chosen), "access_reason": bank.reason() if row.name == "Helper" else ""}


STRATEGY_ROW = {
    "segments": ["SG-9"],
    "grades": ["A"],
    "products": ["LOAN-C"],
    "template": "",
    "hand_to": "branch",
}
FACT = {
    "code": "tier",
    "name": "等级",
    "name_en": "tier",
    "kind": "choice",
    "unit": "级",
    "choices": "普通\n金卡",
    "purpose": "service",
    "sensitive": "y",
    "keep_days": "90",
    "round_to": "1",
}
FACT_CHANGED = {
    "name": "资产",
    "name_en": "aum",
    "unit": "万元",
    "choices": "",
    "purpose": "risk",
    "sensitive": "y",
    "keep_days": "9",
    "round_to": "1000",
}
PRODUCT = {
    "code": "CARD",
    "name": "信用卡",
    "line": "card",
    "margin_rate": "0.125",
    "valid_from": "2026-01-01",
    "valid_until": "2027-12-31",
    "segments": ["共享客群"],
}
PRODUCT_CHANGED = {
    "name": "消费贷款",
    "line": "贷款",
    "margin_rate": "0",
    "valid_from": "2026-02-01",
    "valid_until": "",
    "segments": [],
}
SEGMENT = {
    "shared": "y",
    "sources": ["官网预约"],
    "statuses": ["active", "lost"],
    "branches": ["{home}"],
    "tags": ["{tag}"],
    "opted_out": "no",
    "created_from": "2026-01-02",
    "created_to": "2026-03-04",
    "has_hit": "y",
    "hit_days": "9",
    "hit_grades": ["A", "B"],
    "hit_statuses": ["waiting"],
    "hit_rules": ["R-1"],
    "activity_metric": "institutions",
    "activity_at_least": "3",
    "activity_days": "30",
    "tests": '[{"what": "fact:aum", "op": ">=", "value": "100", "days": null},'
    ' {"what": "metric:calls", "op": "fell_by", "value": "50", "days": 30},'
    ' {"what": "contacted:any", "op": "has_not", "value": "", "days": 7}]',
}
GATEWAY = {
    "name": "网关",
    "url": "https://sms.example.com/send",
    "status_url": "https://sms.example.com/ask",
    "request": '{"k": "{key}", "to": "{phone}", "what": "{text}"}',
    "status_request": '{"k": "{key}"}',
    "result": "/data/code",
    "ref": "/data/id",
    "accepted": "0\n1",
    "rejected": "9",
    "busy": "5",
    "absent": "7",
    "seconds": "12",
    "per_second": "40.0",
    "secret": "a-secret-of-some-length",
}
PERSON = {"last_name": "欧阳", "first_name": "明", "email": "ouyang@bank.example", "language": "en"}
ACCESS = {"roles": ["{manager}"], "branch": "{away}", "active": "y", "access_reason": "入职"}
FORMS = {
    "LeadView": Form(
        {
            "name": "欧阳明",
            "phone": "13911110001",
            "id_number": id_number(5),
            "source": "官网预约",
            "branch": "{away}",
            "status": "paused",
        },
        {
            "name": "改名",
            "new_phone": "13911110002",
            "source": "线下活动",
            "branch": "{away}",
            "status": "lost",
            "tags": ["{free_tag}"],
            "do_not_disturb": "y",
            "do_not_disturb_reason": "来电要求",
        },
        "lead_home",
        lead,
    ),
    "SegmentView": Form(
        SEGMENT | {"name": "新群"}, SEGMENT | {"name": "改群", "hit_grades": ["C"]}, "segment", segment
    ),
    "TagView": Form(
        {"name": "新签", "code": "new", "colour": "red"},
        {"name": "改签", "code": "changed", "colour": "grey"},
        "free_tag",
    ),
    "ProductView": Form(PRODUCT, PRODUCT_CHANGED, "product", product),
    "FactView": Form(FACT, FACT_CHANGED, "fact", fact),
    "SuppressionView": Form(
        {"phone": "13911110000", "id_number": "", "reason": "投诉", "expires_on": "2099-12-31"}, reads=entry
    ),
    "BranchView": Form(
        {"code": "NEW", "name": "新支行", "parent": "{home}"},
        {"code": "FREE-2", "name": "改支行", "parent": "{away}"},
        "free_branch",
    ),
    "HolidayView": Form(
        {"date": "2027-01-01", "kind": "holiday", "name": "元旦", "source": "国办通知"},
        {"date": "2027-01-02", "kind": "workday", "name": "调休", "source": "总行通知"},
        "holiday",
    ),
    "OutreachTemplateView": Form(
        {
            "name": "新模板",
            "code": "T-1",
            "channel": "call",
            "body": "您好{surname}",
            "products": ["LOAN-C"],
        },
        {
            "name": "改模板",
            "code": "T-2",
            "body": "您好{surname}，有新产品",
            "active": "y",
            "products": ["LOAN-C"],
        },
        "unused_template",
        template,
    ),
    "StrategyTableView": Form(
        {"name": "新表", "code": "ST-9", "days": "14", "description": "说明"},
        {"name": "改表", "days": "7", "description": "另一说明"},
        "strategy_table",
    ),
    "StrategyRowView": Form(
        STRATEGY_ROW | {"table": "{free_strategy_table}", "place": "1"},
        STRATEGY_ROW | {"grades": ["B", "C"], "place": "2"},
        "strategy_row_1",
        lambda row, bank: {"place": row.position},
    ),
    "ForbiddenWordView": Form({"word": "稳赚", "note": "违规"}, {"word": "必赚", "note": "监管要求"}, "word"),
    "CloseReasonView": Form(
        {"name": "新原因", "position": "7", "active": "y", "refusal": "y"},
        {"name": "改原因", "position": "8", "active": "y", "refusal": "y"},
        "close_reason",
    ),
    "ContactResultView": Form(
        {
            "name": "新结果",
            "name_en": "New",
            "kind": "close",
            "next_days": "2",
            "wrong_number": "y",
            "position": "7",
            "active": "y",
        }
        | {"close_reason": "{close_reason}"},
        {
            "name": "改结果",
            "name_en": "Changed",
            "kind": "close",
            "next_days": "0",
            "wrong_number": "y",
            "position": "8",
            "active": "y",
        }
        | {"close_reason": "{close_reason}"},
        "result",
    ),
    "InstitutionView": Form(
        {"code": "I-9", "name": "九号", "category": "bank", "region": "华东"},
        {"name": "改名", "category": "micro_loan", "region": "华北"},
        "unused_institution",
    ),
    "OutreachGatewayView": Form(GATEWAY | {"channel": "call"}, GATEWAY | {"name": "改"}, "gateway", gateway),
    "StaffView": Form(
        PERSON | ACCESS | {"username": "ouyang", "password": PASSWORD, "conf_password": PASSWORD},
        PERSON | ACCESS,
        "staff",
        staff,
    ),
    "RoleView": Form(
        {"name": "新角色", "permissions": ["1", "2"]},
        {"permissions": ["1", "2"], "access_reason": "需要"},
        "role",
        role,
    ),
    "SavedViewView": Form({}, {"name": "我的", "role": "{manager}"}, "my_view"),
}

#: the forms as pairs of view name and add or edit
FILLED = [(name, what) for name, form in FORMS.items() for what in ("add", "edit") if getattr(form, what)]


def generated(app: Flask) -> set[tuple[str, str]]:
    """Return the generated forms as pairs of view name and add or edit."""
    return {
        (type(view).__name__, what)
        for view in app.appbuilder.baseviews  # type: ignore[attr-defined]
        for what in ("add", "edit")
        if isinstance(view, ConsoleView)
        and f"can_{what}" in view.base_permissions
        and type(view).__name__ not in EDITORS
    }


def test_every_generated_form_is_filled(app: Flask) -> None:
    assert set(FILLED) == generated(app)


@pytest.mark.parametrize(("name", "what"), FILLED)
def test_what_is_typed_is_stored(
    name: str, what: str, app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    admin, form = login("Admin", username="chief"), FORMS[name]
    view = next(each for each in app.appbuilder.baseviews if type(each).__name__ == name)  # type: ignore[attr-defined]
    ids = world.ids | {"manager": session.scalars(select(Role.id).where(Role.name == "Manager")).one()}
    typed = {
        key: _put_in(value, ids) for key, value in ((form.edit if what == "edit" else form.add) or {}).items()
    }
    path = f"{view.route_base}/{what}" + (f"/{ids[form.row]}" if what == "edit" else "")
    page = admin.get(path).text
    shown = set(re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', page[page.index("<main") :]))
    assert shown - FRAME == set(typed), "each field that is shown has a value here"
    answer = admin.submit(path, typed)
    assert answer.status_code == 302, re.findall(r'class="error"[^>]*>([^<]*)', answer.text)
    session.rollback()
    session.expire_all()
    newest = select(view.model).order_by(view.model.id.desc()).limit(1)
    row = session.get(view.model, ids[form.row]) if what == "edit" else session.scalars(newest).one()
    found = stored(row) | form.reads(row, Bank(app, session))
    assert {key: _as_typed(found[key]) for key in typed} == typed


def test_a_value_that_is_taken_is_told_once_in_the_users_language(
    world: World, login: Callable[..., Person]
) -> None:
    for language, told in (("zh", "该值已存在。"), ("en", "Already exists.")):
        admin = login("Admin", language=language)
        admin.submit("/outreachgatewayview/add", GATEWAY | {"channel": "sms"})
        page = admin.submit("/outreachgatewayview/add", GATEWAY | {"channel": "sms"}).text
        assert page.count(told) == 2, "in the summary and beside the field"
        assert language == "en" or "Already exists." not in page


def _put_in(value: Any, ids: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return sorted(_put_in(each, ids) for each in value)
    return (
        str(ids[value[1:-1]])
        if re.fullmatch(r"\{(home|away|tag|free_tag|manager|close_reason|free_strategy_table)\}", value)
        else value
    )


def stored(row: Any) -> dict[str, Any]:
    """Return a row's columns and the keys of related rows."""
    mapped = inspect(row).mapper
    found = {column.key: getattr(row, column.key) for column in mapped.column_attrs}
    for relation in mapped.relationships:
        value = getattr(row, relation.key)
        found[relation.key] = [str(each.id) for each in value] if relation.uselist else value and value.id
    return found


def _as_typed(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(value)
    if isinstance(value, bool):
        return "y" if value else ""
    if isinstance(value, dt.date):
        return value.isoformat()
    return "" if value is None else str(value)

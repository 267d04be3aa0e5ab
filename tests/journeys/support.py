"""Journeys and the file around them, for tests."""

from __future__ import annotations

from typing import Any

CONDITION = {"metric": "calls", "op": ">=", "value": 3, "window_days": 7}
RICH = {"all": [{"fact": "aum", "op": ">=", "value": 100000}]}
#: what the journeys of the tests name
AROUND: dict[str, Any] = {
    "tags": [{"code": "vip", "name": "贵宾"}],
    "facts": [
        {"code": "aum", "name": "金融资产", "kind": "money", "unit": "元"},
        {"code": "due", "name": "到期日", "kind": "date"},
        {"code": "risk", "name": "风险", "kind": "number", "purpose": "risk"},
    ],
    "segments": [{"code": "SG-VIP", "name": "高净值", "filter": RICH}],
    "products": [{"code": "LOAN-C", "name": "消费贷", "line": "loan"}],
    "templates": [
        {"code": "T-LOAN", "name": "短信", "channel": "sms", "text": "{surname}您好"},
        {"code": "T-CALL", "name": "电话", "channel": "call", "text": "您好"},
        {"code": "T-OLD", "name": "旧", "channel": "sms", "text": "您好", "active": False},
    ],
    "rules": [{"code": "R-1", "name": "一", "conditions": [CONDITION]}],
    "schedules": [
        {
            "code": "S-1",
            "name": "每日",
            "rules": ["R-1"],
            "preset": "daily",
            "at": "09:00",
            "channels": [{"kind": "webhook", "target": "crm"}],
        }
    ],
}
END = {"id": "end", "do": "end"}
STEPS: list[dict[str, Any]] = [
    {
        "id": "sms1",
        "do": "contact",
        "channel": "sms",
        "template": "T-LOAN",
        "hold_hours": 24,
        "then": "wait1",
        "held": "call1",
    },
    {"id": "wait1", "do": "wait", "hours": 72, "until": "answered", "then": "end", "timeout": "ask"},
    {"id": "ask", "do": "branch", "cases": [{"when": RICH, "then": "call1"}], "else": "end"},
    {"id": "call1", "do": "contact", "channel": "call", "template": "T-CALL", "then": "end", "held": "end"},
    END,
]
RECALL: dict[str, Any] = {
    "code": "J-RECALL",
    "name": "召回",
    "trigger": {"on": "hit", "rules": ["R-1"], "grades": ["A", "B"]},
    "reentry": {"after_days": 90},
    "goal": {"outcome": "any"},
    "steps": STEPS,
}


def journey(*steps: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return a journey of these steps; the end follows by itself."""
    return {"code": "J", "name": "旅程", "trigger": {"on": "hit"}, "steps": [*steps, END], **values}


def sms(name: str, then: str = "end", **values: Any) -> dict[str, Any]:
    return {"id": name, "do": "contact", "channel": "sms", "template": "T-LOAN", "then": then, **values}


def wait(name: str, then: str = "end", **values: Any) -> dict[str, Any]:
    return {"id": name, "do": "wait", "then": then, **(values or {"hours": 24})}

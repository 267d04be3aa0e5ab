"""Maker and checker: one person asks, another one decides; the same for everything that needs it."""

from app.approvals.kinds import Change, Kind, kind_named, register, subject_row
from app.approvals.requests import approve, ask, expire, others_decide, reject, submit, waiting_for, withdraw

__all__ = [
    "Change",
    "Kind",
    "approve",
    "ask",
    "expire",
    "kind_named",
    "others_decide",
    "register",
    "reject",
    "subject_row",
    "submit",
    "waiting_for",
    "withdraw",
]

"""Maker–checker approvals: requests for a second person's decision, and the kinds that domains register."""

from app.approvals.kinds import Change, Kind, kind_named, register, subject_row
from app.approvals.requests import (
    approve,
    ask,
    expire,
    has_other_deciders,
    open_request,
    reject,
    submit,
    withdraw,
)

__all__ = [
    "Change",
    "Kind",
    "approve",
    "ask",
    "expire",
    "has_other_deciders",
    "kind_named",
    "open_request",
    "register",
    "reject",
    "subject_row",
    "submit",
    "withdraw",
]

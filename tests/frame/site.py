"""The pages of the product and a bank to see on them."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Staff
from tests.access.push_world import reminder_for
from tests.access.world import World, build
from tests.conftest import Person

#: Every kind of page; ``{name}`` is the id of that row of the world.
PAGES = (
    "/leadview/list/",
    "/leadview/list/?_flt_1_status=active&_flt_0_name=x&_oc_LeadView=name&_od_LeadView=desc",
    "/leadview/show/{lead_home}",
    "/leadview/add",
    "/leadview/edit/{lead_home}",
    "/leadview/list/?_flt_0_tag={tag}&_flt_0_segment={segment}&_flt_0_grade=B",
    "/leadview/list/?_flt_0_matrix=hits%3E%3D1~calls%3C1",
    "/segmentview/list/",
    "/segmentview/show/{segment}",
    "/segmentview/add",
    "/segmentview/edit/{segment}",
    "/matrixview/list/",
    "/tagview/list/",
    "/tagview/show/{tag}",
    "/tagview/add",
    "/suppressionview/list/",
    "/suppressionview/show/{suppression}",
    "/suppressionview/add",
    "/suppressionview/upload",
    "/suppressionview/take_off/{suppression}",
    "/branchview/list/",
    "/branchview/add",
    "/importbatchview/list/",
    "/importbatchview/show/{batch}",
    "/importbatchview/show/{prepared}",
    "/importbatchview/upload",
    "/importbatchview/columns/{prepared}",
    "/importbatchview/review/{checked}",
    "/approvalview/list/",
    "/approvalview/show/{approval}",
    "/approvalview/reject/{approval}",
    "/ruleversionview/submit/{draft}",
    "/ruleview/list/",
    "/ruleview/show/{rule}",
    "/ruleview/add",
    "/ruleversionview/list/",
    "/ruleversionview/show/{draft}",
    "/ruleversionview/edit/{draft}",
    "/ruleversionview/backtest/{version}",
    "/backtestview/list/",
    "/backtestview/show/{backtest}",
    "/backtestview/show/{running_backtest}",
    "/scheduleview/list/",
    "/scheduleview/show/{schedule}",
    "/scheduleview/add",
    "/scheduleview/edit/{free_schedule}",
    "/scheduleview/test/{schedule}",
    "/scheduleversionview/list/",
    "/scheduleversionview/show/{free_schedule_version}",
    "/scheduleversionview/submit/{free_schedule_version}",
    "/scheduleversionview/compare/{schedule_version}",
    "/holidayview/list/",
    "/holidayview/add",
    "/holidayview/upload",
    "/pushview/list/",
    "/pushview/show/{push}",
    "/deliveryview/list/",
    "/deliveryview/show/{dead_delivery}",
    "/targetview/list/",
    "/targetview/show/{target}",
    "/targetview/show/{stopped_target}",
    "/targetview/create?kind=webhook",
    "/targetview/create?kind=email",
    "/targetview/create?kind=reminder",
    "/targetview/create?kind=file",
    "/targetview/settings/{target}",
    "/reminderview/list/",
    "/hitview/list/",
    "/hitview/list/?_flt_0_push={push}",
    "/hitview/show/{hit_home_waiting}",
    "/hitview/show/{hit_home_in_progress}",
    "/hitview/show/{hit_home_failed}",
    "/myworkview/list/",
    "/myworkview/list/?show=unclaimed",
    "/closereasonview/list/",
    "/closereasonview/show/{close_reason}",
    "/closereasonview/add",
    "/worksettingview/list/",
    "/institutionview/list/",
    "/institutionview/edit/{institution}",
    "/ingestfileview/list/",
    "/ingestfileview/show/{ingest}",
    "/completenessview/list/?name=I&marked=1",
    "/jobrunview/list/",
    "/jobrunview/show/{held}",
    "/jobrunview/start",
    "/leadview/export_all?_flt_1_status=active",
    "/leadview/bulk?_flt_1_status=active",
    "/bulkjobview/list/",
    "/bulkjobview/show/{bulk}",
    "/exportjobview/list/",
    "/exportjobview/show/{my_export}",
    "/revealview/list/",
    "/subjectrequestview/list/",
    "/subjectrequestview/find",
    "/subjectrequestview/held/{lead_home}",
    "/subjectrequestview/erase/{lead_home}",
    "/users/list/",
    "/users/show/{staff}",
    "/users/add",
    "/users/edit/{staff}",
    "/users/userinfo/",
    "/roles/list/",
    "/roles/show/{role}",
    "/roles/add",
    "/profile/form",
    "/resetmypassword/form",
    "/resetpassword/form?pk={staff}",
    "/nothing-here",
)


def furnished(
    app: Flask, session: Session, login: Callable[..., Person], language: str
) -> tuple[World, Person]:
    """A bank with a row of everything, and an administrator who speaks the language."""
    world = build(session, app.config["SETTINGS"])
    admin = login("Admin", language=language, username="admin")
    reminder_for(session, session.scalars(select(Staff.id).where(Staff.username == "admin")).one())
    return world, admin

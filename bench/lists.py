"""Lists of 5 million leads, compared with the stock Flask-AppBuilder list of the same table.

``python bench/lists.py [LEADS]`` (default 5,000,000). The data set is made once by COPY and kept in
``bench/.data``. Times are those of whole requests inside the server (test client, no network).
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

from flask import Flask
from flask_appbuilder import AppBuilder, ModelView
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select, text

from app.audit.actor import acting_as
from app.audit.events import event
from app.extensions import db
from app.leads.number_limit import KIND
from app.models import Branch, Lead, Staff
from app.screens.leads.views import LeadView
from bench._common import GIVEN, SURNAMES, kept, product

DATA = kept("lists")
SOURCES = ("官网预约", "抖音推广", "线下活动", "熟人转介绍", "搜索引擎")
BRANCHES = 200
REQUESTS = 11
COLUMNS = (
    "lead_no, name, id_hash, phone_cipher, phone_index, phone_masked, source, status, branch_id, created_at"
)


def main() -> None:
    """Create missing data, then print medians, maxima and ratios."""
    leads = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    with product(DATA) as (app, _settings):
        fill(leads)
        results = ours(app)
        stock = theirs(app)
        print(f"{'list':36} {'median':>9} {'max':>9}   {'stock median':>12} {'ratio':>7}")
        for name, times in results.items():
            other = stock.get(name, [])
            middle = statistics.median(times)
            beside = (
                f"{statistics.median(other):9.0f} ms {statistics.median(other) / middle:6.1f}×"
                if other
                else ""
            )
            print(f"{name:36} {middle:6.0f} ms {max(times):6.0f} ms   {beside}", flush=True)


def fill(leads: int) -> None:
    """Create branches, users and leads, if missing."""
    if db.session.scalar(select(func.count()).select_from(Branch)) == 0:
        db.session.add_all(Branch(code=f"B{n}", name=f"支行{n}") for n in range(BRANCHES))
        db.session.flush()
        db.session.execute(text("UPDATE branch SET path = '/' || id || '/'"))
        db.session.commit()
    have = db.session.scalar(text("SELECT count(*) FROM lead")) or 0
    if have < leads:
        print(f"making {leads - have:,} leads …", flush=True)
        connection = db.engine.raw_connection()
        with connection.cursor() as cursor, cursor.copy(f"COPY lead ({COLUMNS}) FROM STDIN") as copy:
            for row in rows(have, leads):
                copy.write_row(row)
        connection.commit()
        connection.close()
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
            plain.execute(text("VACUUM ANALYZE lead"))
    for name, role, branch in (("bench-manager", "Manager", None), ("bench-marketer", "Marketer", 7)):
        if db.session.scalar(select(Staff.id).where(Staff.username == name)) is None:
            user = Staff(username=name, first_name="", last_name=name, email=f"{name}@x.cn", active=True)
            user.roles = [db.session.scalars(select(Role).where(Role.name == role)).one()]
            user.branch_id = branch
            db.session.add(user)
    db.session.commit()


def rows(first: int, last: int) -> Iterator[tuple[Any, ...]]:
    """Yield leads for COPY, spread over two years."""
    chance = random.Random(first + 1)
    cipher = b"\x01" + bytes(40)
    for number in range(first, last):
        name = chance.choice(SURNAMES) + chance.choice(GIVEN) + chance.choice(GIVEN)
        day, second = divmod(number * 13 % 63_072_000, 86_400)
        moment = f"{2024 + day // 365}-{1 + day % 365 // 31:02d}-{1 + day % 28:02d}"
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}+08"
        yield (
            f"L{number:08d}", name, f"{number * 2654435761 % 2**64:064x}", cipher, phone_index(number),
            f"138****{number % 10_000:04d}", SOURCES[number % 5], "active" if number % 10 else "paused",
            1 + number % BRANCHES, f"{moment} {clock}",
        )  # fmt: skip


def phone_index(number: int) -> str:
    """Return a made-up blind index."""
    return f"{number * 40503 % 2**61:064x}"


def ours(app: Flask) -> dict[str, list[float]]:
    """Return the milliseconds of each request to our lists."""
    with acting_as("bench-manager", "cli"):
        event(KIND, "lead", phone_index=phone_index(77))  # a look-up must precede a search by number
    base = "/leadview/list/"
    pages = {
        "first page": base,
        "last page": f"{base}?page_LeadView={LeadView.paging_limit // LeadView.page_size - 1}",
        "exact phone": f"{base}?_flt_0_phone_index={phone_index(77)}",
        "lead number": f"{base}?_flt_0_lead_no=L01234567",
        "name prefix": f"{base}?_flt_0_name=王伟",
        "source and status, by time": f"{base}?_flt_1_source=官网预约&_flt_1_status=active"
        "&_oc_LeadView=created_at&_od_LeadView=desc",
        **{
            f"by {column}": f"{base}?_oc_LeadView={column}&_od_LeadView=desc"
            for column in LeadView.order_columns
        },
    }
    results = {name: alone(client(app, "bench-manager"), path) for name, path in pages.items()}
    results["marketer: own branch"] = alone(client(app, "bench-marketer"), base)
    return results


def theirs(app: Flask) -> dict[str, list[float]]:
    """Return the same of the stock list, in its own application on the same database."""
    plain = Flask("stock")
    plain.config.from_mapping(
        SECRET_KEY="bench",
        SETTINGS=app.config["SETTINGS"],
        SQLALCHEMY_DATABASE_URI=app.config["SQLALCHEMY_DATABASE_URI"],
        FAB_CREATE_DB=False,
        FAB_UPDATE_PERMS=False,
    )
    from flask_appbuilder.models.sqla.base import SQLA

    other = SQLA()
    other.init_app(plain)

    class StockLeadView(ModelView):
        datamodel = SQLAInterface(Lead, other.session)
        list_columns = ["lead_no", "name", "phone_masked", "source", "status", "branch", "created_at"]
        search_columns = ["lead_no", "name", "source", "status", "phone_index"]
        base_order = ("created_at", "desc")
        class_permission_name = "LeadView"

    with plain.app_context():
        builder = AppBuilder(update_perms=False)
        builder.init_app(plain, other.session)
        builder.add_view_no_menu(StockLeadView)
    base = "/stockleadview/list/"
    pages = {
        "first page": base,
        "last page": f"{base}?page_StockLeadView={LeadView.paging_limit // 25 - 1}",
        "exact phone": f"{base}?_flt_3_phone_index={phone_index(77)}",
        "lead number": f"{base}?_flt_0_lead_no=L01234567",
        "name prefix": f"{base}?_flt_0_name=王伟",
        "source and status, by time": f"{base}?_flt_3_source=官网预约&_flt_3_status=active",
    }
    return {name: alone(client(plain, "bench-manager"), path, 3) for name, path in pages.items()}


def client(app: Flask, username: str) -> Any:
    """Return a test client that is logged in as a user."""
    made = app.test_client()
    user = db.session.scalars(select(Staff).where(Staff.username == username)).one()
    with made.session_transaction() as stored:
        stored["_user_id"], stored["_fresh"] = str(user.id), True
    return made


def alone(browser: Any, path: str, requests: int = REQUESTS) -> list[float]:
    """Return measured() outside this script's app context: each request gets its own, as in a server."""
    return Context().run(measured, browser, path, requests)


def measured(browser: Any, path: str, requests: int = REQUESTS) -> list[float]:
    """Return the milliseconds of several requests, after one to warm up."""
    get: Callable[[], Any] = lambda: browser.get(path)  # noqa: E731
    first = get()
    if first.status_code != 200:
        raise SystemExit(f"{path}: {first.status_code}")
    times = []
    for _ in range(requests):
        started = time.perf_counter()
        get()
        times.append((time.perf_counter() - started) * 1000)
    return times


if __name__ == "__main__":
    main()

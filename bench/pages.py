"""Server time of every list, show and add page on the demo data, compared with the stock list of the table.

``python bench/pages.py [DATA_DIR]``. Without a DATA_DIR the demo is made for this run only. Times are those
of whole requests (test client, no network) of an administrator; each stock list is Flask-AppBuilder's plain
ModelView with the same columns and page size, on the same database, measured in the same run.
"""

from __future__ import annotations

import gc
import logging
import statistics
import sys
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

from flask import Flask
from flask_appbuilder import AppBuilder, ModelView
from flask_appbuilder.models.sqla.base import SQLA
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select

from app.demo.load import load_demo
from app.extensions import db
from app.models import Staff
from app.permissions import TABLE
from bench._common import product
from bench.lists import client, measured

LIMIT_MS = 200
REQUESTS = 20
PLACES = {"can_list": "list/", "can_show": "show/{row}", "can_add": "add"}


def main() -> None:
    """Print a table and list the pages over the limit."""
    # A stock view warns at every request about columns that it can't filter by.
    logging.getLogger("flask_appbuilder").setLevel(logging.ERROR)
    with product(Path(sys.argv[1]) if len(sys.argv) > 1 else None) as (app, _settings):
        load_demo(lambda text: print(text, flush=True))
        # Objects left over from creating the demo are not part of a server's work.
        gc.collect()
        gc.freeze()
        user = administrator()
        views = [view for view in app.appbuilder.baseviews if hasattr(view, "model")]  # type: ignore[attr-defined]
        plain = stock(app, views)
        print(f"{'page':34} {'rows':>9} {'median':>9} {'max':>9} {'stock median':>13} {'ratio':>7}")
        over = [page for view in views for page in measure(app, plain, view, user)]
        print(f"over {LIMIT_MS} ms: {', '.join(over) or 'no page'}")
        gc.unfreeze()


def administrator() -> str:
    """Return the user name of an administrator of the demo."""
    query = select(Staff.username).where(Staff.roles.any(Role.name == "Admin")).order_by(Staff.id)
    name = db.session.scalar(query.limit(1))
    if name is None:
        raise SystemExit("nobody is an administrator here")
    return name


def measure(app: Flask, plain: Flask, view: Any, user: str) -> Iterator[str]:
    """Print a line for each page of a view. Yield the paths whose median is over the limit."""
    count = db.session.scalar(select(func.count()).select_from(view.model)) or 0
    for permission, place in PLACES.items():
        if permission not in TABLE[type(view).__name__] or ("{row}" in place and not count):
            continue
        path = f"{view.route_base}/{place.format(row=newest(view))}"
        times = request_times(app, user, path)
        middle = statistics.median(times)
        beside = against(plain, view, user, middle) if permission == "can_list" else ""
        mark = "  over the line" if middle > LIMIT_MS else ""
        print(f"{path:34} {count:9,} {middle:6.0f} ms {max(times):6.0f} ms {beside}{mark}", flush=True)
        if mark:
            yield path


def request_times(app: Flask, user: str, path: str) -> list[float]:
    """Milliseconds of each request, each in an app context of its own as on a server.

    Inside the benchmark's context a request would find the person, the rights and the rows of the last one.
    """
    return Context().run(measured, client(app, user), path, REQUESTS)


def newest(view: Any) -> int | None:
    """Return the id of the newest row in the list."""
    return db.session.scalar(select(func.max(view.model.id)))


def against(plain: Flask, view: Any, user: str, ours: float) -> str:
    """Return the median of the stock list and its ratio to ours."""
    other = statistics.median(request_times(plain, user, f"/stock{type(view).__name__}/list/"))
    return f"{other:10.0f} ms {other / ours:6.1f}×"


def stock(app: Flask, views: list[Any]) -> Flask:
    """Return another application on the same database, with a plain ModelView for each view."""
    plain = Flask("stock")
    plain.config.from_mapping(
        SECRET_KEY="bench",
        SQLALCHEMY_DATABASE_URI=app.config["SQLALCHEMY_DATABASE_URI"],
        FAB_CREATE_DB=False,
        FAB_UPDATE_PERMS=False,
    )
    database = SQLA()
    database.init_app(plain)
    with plain.app_context():
        builder = AppBuilder(update_perms=False)
        builder.init_app(plain, database.session)
        for view in views:
            builder.add_view_no_menu(stock_view(view, database.session))
    return plain


def stock_view(view: Any, session: Any) -> type[ModelView]:
    """Return a plain view of the table with our columns, order and page size."""
    name = type(view).__name__
    known = set(view.datamodel.get_columns_list())
    return type(
        f"Stock{name}",
        (ModelView,),
        {
            "route_base": f"/stock{name}",
            "class_permission_name": name,
            "datamodel": SQLAInterface(view.model, session),
            "list_columns": [column for column in view.list_columns if column in known],
            "search_columns": [column for column in view.search_columns if column in known],
            "base_order": view.base_order,
            "page_size": view.page_size,
        },
    )


if __name__ == "__main__":
    main()

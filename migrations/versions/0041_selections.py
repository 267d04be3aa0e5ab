"""filters are kept as data: column, operator, value; reminders say what they point to"""

import hashlib
import json
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

JOBS = ("export_job", "bulk_job", "audit_job", "saved_filter")
TEXT, NUMBER, DAY, ONE = ("starts", "is"), ("is", "from", "to"), ("from", "to"), ("is",)
#: table → column → its operators, in the order of the numbers in addresses; others have but one
OPERATORS = {
    "lead": {"name": TEXT, "source": TEXT, "status": TEXT, "lead_no": TEXT, "created_at": DAY},
    "hit": {
        **{"status": TEXT, "grade": TEXT, "score": NUMBER},
        **{"hit_date": DAY, "next_on": DAY, "made_on": DAY},
    },
    "change_log": {"kind": TEXT, "source": TEXT, "time": DAY},
    "delivery": {"status": TEXT, "push_id": NUMBER, "created_at": DAY},
    "report_mail": {"status": TEXT, "week": DAY},
}
#: screen in an address → table
SCREENS = {
    "importbatchview": "import_batch",
    "exportjobview": "export_job",
    "backtestview": "backtest",
    "bulkjobview": "bulk_job",
    "auditjobview": "audit_job",
    "outreachbatchview": "outreach_batch",
    "jobrunview": "job_run",
    "targetview": "target",
    "weeklyreportview": "weekly_report",
    "approvalview": "approval",
    "hitview": "hit",
    "deliveryview": "delivery",
    "reportmailview": "report_mail",
}
MY_WORK = "/myworkview/list/"
NAMES = ", ".join(f"('{screen}', '{table}')" for screen, table in SCREENS.items())


def filters_of(table: str, query: str) -> list[list[str]]:
    """The filters that query arguments mean."""
    found = []
    for name, value in parse_qsl(query):
        _empty, _flt, number, column = name.split("_", 3)
        operators = OPERATORS.get(table, {}).get(column, ONE)
        found.append([column, operators[min(int(number), len(operators) - 1)], value])
    return found


def query_of(table: str, filters: list[list[str]]) -> str:
    """The query arguments that filters were."""
    pairs = []
    for column, operator, value in filters:
        operators = OPERATORS.get(table, {}).get(column, ONE)
        number = operators.index(operator) if operator in operators else 0
        pairs.append((f"_flt_{number}_{column}", value))
    return urlencode(pairs)


def upgrade() -> None:
    for job in JOBS:
        op.add_column(job, sa.Column("filters", JSONB, server_default=sa.text("'[]'::jsonb"), nullable=False))
        for key, subject, query in _rows(job, "query <> ''", "query"):
            _set(job, key, filters=json.dumps(filters_of(subject, query)))
        op.drop_column(job, "query")
    op.alter_column("saved_filter", "filters", server_default=None)
    for key, _subject, selection in _rows("outreach_batch", "selection ? 'query'", "selection"):
        filters = filters_of("hit", selection["query"])
        _set("outreach_batch", key, selection=json.dumps({"filters": filters}))
    _keep_open_requests(lambda table, filters: json.dumps(filters))
    op.add_column("reminder", sa.Column("opens", JSONB))
    _point()
    op.drop_column("reminder", "link")


def downgrade() -> None:
    op.add_column("reminder", sa.Column("link", sa.String(255), server_default="", nullable=False))
    _link()
    op.drop_column("reminder", "opens")
    for job in JOBS:
        op.add_column(job, sa.Column("query", sa.Text(), server_default="", nullable=False))
        for key, subject, filters in _rows(job, "filters <> '[]'", "filters"):
            _set(job, key, query=query_of(subject, filters))
    op.alter_column("saved_filter", "query", server_default=None)
    for key, _subject, selection in _rows("outreach_batch", "selection ? 'filters'", "selection"):
        query = query_of("hit", selection["filters"])
        _set("outreach_batch", key, selection=json.dumps({"query": query}))
    _keep_open_requests(query_of)
    for job in JOBS:
        op.drop_column(job, "filters")


def _rows(table: str, where: str, column: str) -> list[tuple]:
    """Id, table that the filters are of, and a column of some rows."""
    subjects = {
        "export_job": "CASE kind WHEN 'hits' THEN 'hit' ELSE 'lead' END",
        "bulk_job": "'lead'",
        "outreach_batch": "'hit'",
    }
    subject = subjects.get(table, "'change_log'")
    query = f"SELECT id, {subject}, {column} FROM {table} WHERE {where}"
    return op.get_bind().exec_driver_sql(query).all()


def _set(table: str, key: int, **values: str) -> None:
    [(name, value)] = values.items()
    cast = "jsonb" if name in ("filters", "selection") else "text"
    statement = sa.text(f"UPDATE {table} SET {name} = CAST(:value AS {cast}) WHERE id = :key")
    op.get_bind().execute(statement, {"value": value, "key": key})


def _keep_open_requests(written) -> None:
    """A request that waits is about the same export as before, written in another way."""
    bind = op.get_bind()
    waiting = bind.exec_driver_sql(
        "SELECT a.id, j.kind, j.format, j.filters, j.requested_by FROM approval a"
        " JOIN export_job j ON j.id = a.subject_id"
        " WHERE a.kind = 'unmasked_export' AND a.status = 'waiting'"
    ).all()
    for key, kind, form, filters, by in waiting:
        said = f"{kind} {form} {written(kind.removesuffix('s'), filters)} {by}"
        bind.execute(
            sa.text("UPDATE approval SET state = :state WHERE id = :key"),
            {"state": hashlib.sha256(said.encode()).hexdigest(), "key": key},
        )


def _point() -> None:
    """What the addresses of reminders led to; sources are named by table too."""
    bind = op.get_bind()
    bind.exec_driver_sql(f"""
        UPDATE reminder
        SET opens = jsonb_build_object('table', known.name, 'id', split_part(link, '/', 4)::bigint)
        FROM (VALUES {NAMES}) AS known (screen, name)
        WHERE link ~ ('^/' || known.screen || '/show/[0-9]{{1,18}}$')
    """)
    bind.exec_driver_sql(f"""
        UPDATE reminder SET source = known.name || '-' || split_part(source, '-', 2)
        FROM (VALUES {NAMES}) AS known (screen, name)
        WHERE kind = 'job' AND source ~ ('^' || known.screen || '-[0-9]+$')
    """)
    links = bind.exec_driver_sql("SELECT DISTINCT link FROM reminder WHERE link <> '' AND opens IS NULL")
    found = [{"link": link, "opens": json.dumps(opens)} for (link,) in links if (opens := _opened(link))]
    _map("link", "opens", "jsonb", found)


def _opened(link: str) -> dict | None:
    path, _mark, query = link.partition("?")
    if path == MY_WORK:
        return {"page": "my_work", "arguments": dict(parse_qsl(query))}
    table = SCREENS.get(path.split("/")[1])
    return {"table": table, "filters": filters_of(table, query)} if table and path.endswith("/list/") else None


def _link() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql(f"""
        UPDATE reminder SET link = '/' || known.screen || '/show/' || (opens->>'id')
        FROM (VALUES {NAMES}) AS known (screen, name) WHERE opens->>'table' = known.name AND opens ? 'id'
    """)
    bind.exec_driver_sql(f"""
        UPDATE reminder SET source = known.screen || '-' || split_part(source, '-', 2)
        FROM (VALUES {NAMES}) AS known (screen, name)
        WHERE kind = 'job' AND source ~ ('^' || known.name || '-[0-9]+$')
    """)
    opened = bind.exec_driver_sql("SELECT DISTINCT opens FROM reminder WHERE opens IS NOT NULL AND link = ''")
    found = [{"opens": json.dumps(opens), "link": _address(opens)} for (opens,) in opened]
    _map("opens", "link", "text", found)


def _address(opens: dict) -> str:
    if "page" in opens:
        return f"{MY_WORK}?{urlencode(opens['arguments'])}"
    screen = next(name for name, table in SCREENS.items() if table == opens["table"])
    query = query_of(opens["table"], opens["filters"])
    return f"/{screen}/list/?{query}".rstrip("?")


def _map(given: str, made: str, kind: str, rows: list[dict]) -> None:
    """Fill one column of all reminders by another one."""
    if rows:
        bind = op.get_bind()
        bind.exec_driver_sql("CREATE TEMPORARY TABLE reminder_map (given text, made text) ON COMMIT DROP")
        bind.execute(sa.text(f"INSERT INTO reminder_map VALUES (:{given}, :{made})"), rows)
        same = "given::jsonb" if given == "opens" else "given"
        bind.exec_driver_sql(
            f"UPDATE reminder SET {made} = made::{kind} FROM reminder_map WHERE reminder.{given} = {same}"
        )
        bind.exec_driver_sql("DROP TABLE reminder_map")

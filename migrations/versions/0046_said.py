"""stored messages are JSON {message, values}, put into words when they are shown"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

#: table, column, its type before
TEXTS = (
    ('audit_job', 'error', 'text'),
    ('backtest', 'error', 'text'),
    ('export_job', 'error', 'text'),
    ('import_batch', 'error', 'text'),
    ('job_run', 'error', 'text'),
)
#: those that were empty texts instead of NULL
NEVER_NULL = (
    ('delivery', 'answer', 'varchar(512)'),
    ('delivery_attempt', 'answer', 'varchar(512)'),
    ('mail', 'answer', 'varchar(512)'),
    ('outreach', 'note', 'varchar(300)'),
    ('outreach_batch', 'error', 'text'),
    ('outreach_gateway', 'last_error', 'varchar(300)'),
    ('target', 'last_error', 'varchar(512)'),
    ('ticker_step', 'last_error', 'varchar(500)'),
    ('weekly_report', 'error', 'text'),
)
JOB_RUN = sa.table('job_run', sa.column('id'), sa.column('counts', sa.dialects.postgresql.JSONB))
AS_IT_IS = '%(text)s'
ENGLISH = """
    CREATE OR REPLACE FUNCTION pg_temp.english(said jsonb) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        words text := said ->> 'message';
        place record;
    BEGIN
        FOR place IN SELECT key, value FROM jsonb_each(said -> 'values') LOOP
            words := replace(words, '%(' || place.key || ')s', CASE jsonb_typeof(place.value)
                WHEN 'object' THEN pg_temp.english(place.value) ELSE place.value #>> '{}' END);
        END LOOP;
        RETURN words;
    END $$
"""


def _message(column):
    return (
        f"CASE WHEN {column} <> '' THEN jsonb_build_object("
        f"'message', '{AS_IT_IS}', 'values', jsonb_build_object('text', {column})) END"
    )


def _alter(table, column, *changes):
    op.execute(f'ALTER TABLE {table} ' + ', '.join(f'ALTER COLUMN {column} {each}' for each in changes))


def upgrade() -> None:
    op.execute("UPDATE ticker_step SET last_error = '-' WHERE last_error = ''")
    for table, column, _kind in NEVER_NULL:
        null = [] if table == 'ticker_step' else ['DROP NOT NULL']
        _alter(table, column, 'DROP DEFAULT', *null, f'TYPE jsonb USING {_message(column)}')
    for table, column, _kind in TEXTS:
        message = _message(column)
        if table == 'import_batch':
            message = f'coalesce(refusal, {message})'
        _alter(table, column, f'TYPE jsonb USING {message}')
    op.drop_column('import_batch', 'refusal')
    op.alter_column('bulk_job', 'refusal', new_column_name='error')
    _each_run()


def downgrade() -> None:
    op.execute(ENGLISH)
    _each_run()
    op.alter_column('bulk_job', 'error', new_column_name='refusal')
    op.add_column('import_batch', sa.Column('refusal', sa.dialects.postgresql.JSONB(), nullable=True))
    op.execute('UPDATE import_batch SET refusal = error WHERE error IS NOT NULL')
    for table, column, kind in TEXTS:
        _alter(table, column, f'TYPE {kind} USING pg_temp.english({column})')
    for table, column, kind in NEVER_NULL:
        width = kind.removeprefix('varchar(').removesuffix(')')
        words = f"coalesce(pg_temp.english({column}), '')"
        words = words if kind == 'text' else f'left({words}, {width})'
        null = [] if table == 'ticker_step' else ['SET NOT NULL']
        _alter(table, column, f'TYPE {kind} USING {words}', "SET DEFAULT ''", *null)


def _each_run() -> None:
    """Turn the messages within the counts of T+1 runs, those of a day's earlier runs as well."""
    connection = op.get_bind()
    for row_id, counts in connection.execute(sa.select(JOB_RUN.c.id, JOB_RUN.c.counts)).all():
        if counts and ('refused' in counts or 'former' in counts):
            for former in counts.get('former', []):
                former['error'] = former['error'] and _turned(former['error'])
            for part in (counts, *(former['counts'] for former in counts.get('former', []))):
                if 'refused' in part:
                    part['refused'] = [_refused(each) for each in part['refused']]
            connection.execute(sa.update(JOB_RUN).where(JOB_RUN.c.id == row_id).values(counts=counts))


def _refused(each):
    # As runs before quarantined files were named stored it.
    if isinstance(each, str):
        name, _colon, reason = each.partition(': ')
        each = {'name': name, 'reason': reason, 'kept': None}
    return each | {'reason': _turned(each['reason'])}


def _turned(given):
    """A text as a message, a message as a text in English."""
    if isinstance(given, str):
        return {'message': AS_IT_IS, 'values': {'text': given}}
    values = {
        name: _turned(each) if isinstance(each, dict) else each for name, each in given['values'].items()
    }
    return given['message'] % values if values else given['message']

"""Each event's body is kept once, as it came, and what events are found by stands in a table of its own.

A server of before finds no column for what it would write: Telnyx sends those events again.
"""

from collections.abc import Generator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0007"
down_revision = "0006"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_FIELDS = {"type": 1, "conference_id": 2, "call_control_id": 3, "queue": 4}
_ZONE = 256


def upgrade() -> None:
    for name in _FIELDS:
        op.drop_index(f"events_by_{name}", "events")
    made = "'{\"payload\":' || payload || '}'"
    as_bytes = f"CAST({made} AS BLOB)" if _is_sqlite() else f"convert_to({made}, 'UTF8')"
    op.execute(f"UPDATE events SET raw = {as_bytes} WHERE raw IS NULL")  # noqa: S608 - constants
    with _changing_events() as events:
        events.alter_column("raw", new_column_name="body", nullable=False)
        events.drop_column("payload")
    _make_keys()


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


@contextmanager
def _changing_events() -> Generator[BatchOperations]:
    """Old versions of SQLite cannot change a column: there the table is made anew, and the numbers go on where they
    were, even if no event is left."""
    newest = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
    number = op.get_bind().execute(sa.text(newest)).scalar() if _is_sqlite() else None
    with op.batch_alter_table("events", table_kwargs={"sqlite_autoincrement": True}) as events:
        yield events
    if number is not None:
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
        op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('events', {int(number)})")  # noqa: S608 - a number


def _make_keys() -> None:
    op.create_table(
        "event_keys",
        sa.Column("field", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("value", _KEY, primary_key=True),
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    if not _is_sqlite():  # as for events
        soon = ", ".join(f"autovacuum_{what}_scale_factor = 0.02" for what in ("vacuum", "vacuum_insert", "analyze"))
        op.execute(f"ALTER TABLE event_keys SET ({soon})")
    for name, field in _FIELDS.items():
        op.execute(
            f"INSERT INTO event_keys (field, value, number) SELECT {field}, {name}, number FROM events "  # noqa: S608
            f"WHERE number < (SELECT coalesce(max(block) + 1, 0) FROM zones) * {_ZONE} AND {name} IS NOT NULL "
            f"ORDER BY {name}, number"
        )


def downgrade() -> None:
    op.drop_table("event_keys")
    with _changing_events() as events:
        events.alter_column("body", new_column_name="raw", nullable=True)
        events.add_column(sa.Column("payload", sa.Text, nullable=False, server_default="{}"))
    if _is_sqlite():
        wrapped, bare = (f"json_extract(CAST(raw AS TEXT), '$.{path}')" for path in ("data.payload", "payload"))
    else:
        wrapped, bare = (
            f"(convert_from(raw, 'UTF8')::json #> '{{{path}}}')::text" for path in ("data,payload", "payload")
        )
    op.execute(f"UPDATE events SET payload = coalesce({wrapped}, {bare}, '{{}}')")  # noqa: S608 - constants
    with _changing_events() as events:
        events.alter_column("payload", server_default=None)
    for name in _FIELDS:
        given = None if name == "type" else sa.text(f"{name} IS NOT NULL")
        op.create_index(f"events_by_{name}", "events", [name, "number"], sqlite_where=given, postgresql_where=given)

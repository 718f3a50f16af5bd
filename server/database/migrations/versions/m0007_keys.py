"""Each event's body is kept once, as it came, and what events are found by stands in a table of its own.

A server of before finds no column for what it would write: Telnyx sends those events again.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_FIELDS = {"type": 1, "conference_id": 2, "call_control_id": 3, "queue": 4}
_ZONE = 256
_FOUND_BY = "number, id, type, occurred_at, received_at, via, verified, conference_id, call_control_id, call_session_id"


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for name in _FIELDS:
        op.drop_index(f"events_by_{name}", "events")
    if is_sqlite:
        _kept_once_in_another()
    else:
        op.alter_column("events", "raw", new_column_name="body")
        op.execute("UPDATE events SET body = convert_to('{\"payload\":' || payload || '}', 'UTF8') WHERE body IS NULL")
        op.alter_column("events", "body", nullable=False)
        op.drop_column("events", "payload")
    _make_keys()


def _kept_once_in_another() -> None:
    """Old versions of SQLite cannot drop a column. The numbers go on where they were, even if no event is left."""
    op.create_table(
        "events_once", *_columns(sa.Column("body", sa.LargeBinary, nullable=False)), sqlite_autoincrement=True
    )
    op.execute(
        f"INSERT INTO events_once ({_FOUND_BY}, queue, body) SELECT {_FOUND_BY}, queue, "  # noqa: S608 - constants
        "coalesce(raw, CAST('{\"payload\":' || payload || '}' AS BLOB)) FROM events"
    )
    _swap("events_once")


def _swap(made: str) -> None:
    """Put the table that was made in the place of `events`."""
    op.execute(f"DELETE FROM sqlite_sequence WHERE name = '{made}'")  # noqa: S608 - constants
    op.execute(
        f"INSERT INTO sqlite_sequence (name, seq) SELECT '{made}', seq FROM sqlite_sequence "  # noqa: S608 - constants
        "WHERE name = 'events'"
    )
    op.drop_table("events")
    op.rename_table(made, "events")


def _columns(*last: sa.Column[Any]) -> list[sa.Column[Any]]:
    return [
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", _KEY, nullable=False, unique=True),
        sa.Column("type", _KEY, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("conference_id", _KEY),
        sa.Column("call_control_id", _KEY),
        sa.Column("call_session_id", _KEY),
        sa.Column("queue", _KEY),
        *last,
    ]


def _make_keys() -> None:
    op.create_table(
        "event_keys",
        sa.Column("field", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("value", _KEY, primary_key=True),
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":  # as for events
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
    if op.get_bind().dialect.name == "sqlite":
        _kept_twice_in_another()
    else:
        op.alter_column("events", "body", new_column_name="raw", nullable=True)
        op.add_column("events", sa.Column("payload", sa.Text, nullable=False, server_default="{}"))
        op.execute(
            "UPDATE events SET payload = coalesce((convert_from(raw, 'UTF8')::json #> '{data,payload}')::text, "
            "(convert_from(raw, 'UTF8')::json -> 'payload')::text, '{}')"
        )
        op.alter_column("events", "payload", server_default=None)
    for name in _FIELDS:
        given = None if name == "type" else sa.text(f"{name} IS NOT NULL")
        op.create_index(f"events_by_{name}", "events", [name, "number"], sqlite_where=given, postgresql_where=given)


def _kept_twice_in_another() -> None:
    both = (sa.Column("payload", sa.Text, nullable=False), sa.Column("raw", sa.LargeBinary))
    op.create_table("events_twice", *_columns(*both), sqlite_autoincrement=True)
    op.execute(
        f"INSERT INTO events_twice ({_FOUND_BY}, queue, payload, raw) SELECT {_FOUND_BY}, queue, "  # noqa: S608
        "coalesce(json_extract(CAST(body AS TEXT), '$.data.payload'), "
        "json_extract(CAST(body AS TEXT), '$.payload'), '{}'), body FROM events"
    )
    _swap("events_twice")

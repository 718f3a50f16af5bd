"""Events, their indexes, the time zones of their numbers, and what was set aside."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "events",
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
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("raw", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        # A fifth of a great table, as it is otherwise, is long to wait for room, statistics and what a count needs.
        soon = ", ".join(f"autovacuum_{what}_scale_factor = 0.02" for what in ("vacuum", "vacuum_insert", "analyze"))
        op.execute(f"ALTER TABLE events SET ({soon})")
    op.create_index("events_by_type", "events", ["type", "number"])
    for column in ("conference_id", "call_control_id", "queue"):
        given = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"events_by_{column}", "events", [column, "number"], sqlite_where=given, postgresql_where=given)
    op.create_table(
        "zones",
        sa.Column("block", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("earliest", sa.BigInteger, nullable=False),
        sa.Column("latest", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "aside",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    for table in ("aside", "zones", "events"):
        op.drop_table(table)

"""What was used of each limit, with running totals. A server of before keeps none, and finds no table to write in."""

from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    spent = op.create_table(
        "spent",
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    before = connection.execute(sa.text("SELECT key, at, amount FROM spending ORDER BY key, at")).all()
    after: list[dict[str, Any]] = []
    for _, rows in groupby(before, itemgetter(0)):
        total = 0
        for key, at, amount in rows:
            total += amount
            after.append({"key": key, "at": at, "amount": amount, "total": total})
    if after:
        connection.execute(spent.insert(), after)
    op.drop_table("spending")


def downgrade() -> None:
    op.create_table(
        "spending",
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO spending (key, at, amount) SELECT key, at, amount FROM spent")
    op.drop_table("spent")

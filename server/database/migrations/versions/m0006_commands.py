"""Where a conversation stands is told by the audit: by its newest record of a write."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("audit", sa.Column("newest_event", sa.BigInteger))
    where = sa.text("newest_event IS NOT NULL")
    op.create_index("audit_of_commands", "audit", ["session", "number"], sqlite_where=where, postgresql_where=where)
    op.drop_table("conversations")


def downgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("session", _KEY, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("newest_event", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.drop_index("audit_of_commands", "audit")
    op.drop_column("audit", "newest_event")

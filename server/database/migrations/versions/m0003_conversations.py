"""Many conversations on one store: what each did, and where it stands."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_index("audit_by_session", "audit", ["session", "number"])
    op.create_table(
        "conversations",
        sa.Column("session", _KEY, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("newest_event", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("conversations")
    op.drop_index("audit_by_session", "audit")

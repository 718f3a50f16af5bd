"""Approvals, what was used of limits, the audit, and single facts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_ONLY_APPENDED = "the audit is only appended to"


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("code", _KEY, nullable=False, unique=True),
        sa.Column("binding", _KEY, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("risk", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("decision", sa.Text),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("decided_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("spent_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_index("approvals_by_binding", "approvals", ["binding", "number"])
    op.create_table(
        "spending",
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("session", _KEY, nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    _only_append()
    op.create_table(
        "notes",
        sa.Column("name", _KEY, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def _only_append() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_{change.lower()} BEFORE {change} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{_ONLY_APPENDED}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_is_only_appended_to() RETURNS trigger AS "
        f"$$ BEGIN RAISE EXCEPTION '{_ONLY_APPENDED}'; END $$ LANGUAGE plpgsql"
    )
    op.execute(
        "CREATE TRIGGER audit_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_appended_to()"
    )


def downgrade() -> None:
    for table in ("notes", "audit", "spending", "approvals"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_is_only_appended_to()")

"""The tables. Loads SQLAlchemy: import it only once a store is being opened."""

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    event,
)

REVISION = "0007"
"""The newest migration: what the code here expects to find."""

KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every migration there is."""

VERSION_TABLE = "event_store_version"

version = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
"""Alembic's own: the newest migration that was applied."""

Number = BigInteger().with_variant(Integer, "sqlite")
Key = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared byte by byte, so that a prefix is a range."""

metadata = MetaData()


def _made_with(table: Table, statement: str, *dialects: str) -> None:
    """Execute this when the table was made: what the tables here cannot say, or only by loading a dialect that is not
    there to be used."""
    for dialect in dialects:
        event.listen(table, "after_create", DDL(statement).execute_if(dialect=dialect))


events = Table(
    "events",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", Key, nullable=False, unique=True),
    Column("type", Key, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("via", Text, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("conference_id", Key),
    Column("call_control_id", Key),
    Column("call_session_id", Key),
    Column("queue", Key),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""Every event. Times are microseconds since 1970. `body` is what Telnyx posted, and stands last, since it is long."""

event_keys = Table(
    "event_keys",
    metadata,
    Column("field", SmallInteger, primary_key=True, autoincrement=False),
    Column("value", Key, primary_key=True),
    Column("number", Number, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""The numbers of the events with a value in a field (`zones.FIELDS`), for every event in `zones`.

An index of `events` on each field would be changed in as many places as there are values with every commit that a
webhook waits for. This is filled afterwards, for many events at once; what is newer is few enough to be read through.
"""

# A fifth of a great table, as it is otherwise, is long to wait for room, statistics and what a count needs.
_SOON = ", ".join(f"autovacuum_{what}_scale_factor = 0.02" for what in ("vacuum", "vacuum_insert", "analyze"))
for _table in (events, event_keys):
    _made_with(_table, f"ALTER TABLE {_table.name} SET ({_SOON})", "postgresql")

zones = Table(
    "zones",
    metadata,
    Column("block", Number, primary_key=True, autoincrement=False),
    Column("earliest", BigInteger, nullable=False),
    Column("latest", BigInteger, nullable=False),
)
"""Between which times the events of each run of `zones.ZONE` numbers occurred, once all of its numbers are given out.

Events are read in the order of their numbers, and come nearly in the order of their times: by this small table a
search between two times passes over what cannot match. An index on time could not: late events stand elsewhere in it
than in the order that is asked for, so that all that match would have to be sorted.
"""

aside = Table(
    "aside",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("received_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""The newest bodies that came signed and are not events."""

approvals = Table(
    "approvals",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("code", Key, nullable=False, unique=True),
    Column("binding", Key, nullable=False),
    Column("tool", Text, nullable=False),
    Column("risk", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("decision", Text),
    Column("decided_at", BigInteger),
    Column("decided_by", Text),
    Column("reason", Text),
    Column("spent_at", BigInteger),
    Column("identity", Text),
    sqlite_autoincrement=True,
)
"""Questions that a person answers outside the conversation. `binding` is what was asked: a call and its facts."""

Index("approvals_by_binding", approvals.c.binding, approvals.c.number)

spent = Table(
    "spent",
    metadata,
    Column("key", Key, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("amount", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What was used of each limit, when, and how much of it up to then: one tree, since every write that is limited waits
for it."""

audit = Table(
    "audit",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("session", Key, nullable=False),
    Column("entry", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("newest_event", BigInteger),
)
"""What was done. Nothing is changed or deleted here, which triggers see to; each hash covers the one before it.

`session` and `newest_event` repeat what `entry` says, so that a conversation's records and its last write are found."""

_made_with(
    audit,
    "CREATE INDEX audit_of_commands ON audit (session, number) WHERE newest_event IS NOT NULL",
    "sqlite",
    "postgresql",
)
_REFUSED = "the audit is only appended to"
for _change in ("UPDATE", "DELETE"):
    _made_with(
        audit,
        f"CREATE TRIGGER audit_{_change.lower()} BEFORE {_change} ON audit "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
        "sqlite",
    )
for _statement in (
    "CREATE FUNCTION audit_is_only_appended_to() RETURNS trigger AS "
    f"$$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER audit_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_appended_to()",
):
    _made_with(audit, _statement, "postgresql")

notes = Table(
    "notes",
    metadata,
    Column("name", Key, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Single facts that all processes share."""

Index("audit_by_session", audit.c.session, audit.c.number)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Key, nullable=False),
    Column("hash", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    sqlite_with_rowid=False,
)
"""Who may use the server over HTTP. `id` is the public part of a token; of its secret there is only a hash."""

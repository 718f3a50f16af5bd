"""The tables of a store, as SQL.

Times are microseconds since 1970, UTC. To change a table, see `migrate.py`.
"""

from .database import Kind

_TABLES = """
CREATE TABLE schema_version (version BIGINT NOT NULL);

CREATE TABLE events (
    number {serial},
    id {key} NOT NULL UNIQUE,
    type {key} NOT NULL,
    occurred_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    via TEXT NOT NULL,
    verified BOOLEAN NOT NULL,
    conference_id {key},
    call_control_id {key},
    call_session_id {key},
    queue {key},
    signature TEXT,
    signed_at TEXT,
    body {bytes} NOT NULL
);
CREATE INDEX events_by_conference ON events (conference_id, number) WHERE conference_id IS NOT NULL;
CREATE INDEX events_by_call_leg ON events (call_control_id, number) WHERE call_control_id IS NOT NULL;
CREATE INDEX events_by_queue ON events (queue, number) WHERE queue IS NOT NULL;
CREATE INDEX events_by_type ON events (type, number);
CREATE INDEX events_by_time ON events (occurred_at, type, number);

CREATE TABLE rejected_webhooks (
    number {serial},
    received_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    size BIGINT NOT NULL,
    body {bytes} NOT NULL
);

CREATE TABLE approvals (
    number {serial},
    code {key} NOT NULL UNIQUE,
    call {key} NOT NULL,
    binding {key} NOT NULL,
    facts TEXT NOT NULL,
    tool TEXT NOT NULL,
    risk TEXT NOT NULL,
    question TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decision TEXT,
    decided_at BIGINT,
    decided_by TEXT,
    reason TEXT,
    spent_at BIGINT,
    identity TEXT,
    conference_id {key}
);
CREATE INDEX approvals_by_binding ON approvals (binding, number);
CREATE INDEX approvals_by_call ON approvals (call, number);
CREATE INDEX approvals_by_conference ON approvals (conference_id, number) WHERE conference_id IS NOT NULL;
CREATE INDEX approvals_by_decision ON approvals (decided_at) WHERE decided_at IS NOT NULL;

CREATE TABLE limit_usage (
    key {key} NOT NULL,
    at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (key, at)
){without_rowid};

CREATE TABLE audit (
    number {integer} PRIMARY KEY,
    at BIGINT NOT NULL,
    session {key} NOT NULL,
    entry TEXT NOT NULL,
    hash TEXT NOT NULL,
    newest_event BIGINT
);
CREATE INDEX audit_by_session ON audit (session, number);
CREATE INDEX audit_of_commands ON audit (session, number) WHERE newest_event IS NOT NULL;

CREATE TABLE shared_values (
    name {key} NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE alert_deliveries (
    event_id {key} NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT,
    problem TEXT,
    failed_at BIGINT
){without_rowid};
CREATE INDEX alert_deliveries_due ON alert_deliveries (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE tokens (
    id {key} NOT NULL PRIMARY KEY,
    name {key} NOT NULL,
    hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
){without_rowid};

CREATE TABLE sign_in_codes (
    hash {key} NOT NULL PRIMARY KEY,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL
){without_rowid};

CREATE TABLE sign_ins (
    id {key} NOT NULL PRIMARY KEY,
    cookie_hash {key} NOT NULL UNIQUE,
    key_hash TEXT NOT NULL,
    person TEXT NOT NULL,
    identity TEXT,
    browser TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
){without_rowid};
"""
"""
`events.body` is what Telnyx posted. It is the last column, since it is long. `signature` and `signed_at` are the
headers with which it was signed.
`rejected_webhooks` holds the newest signed bodies that are not events.
`approvals` holds questions for a person. `call` identifies the call, `binding` the call and the facts that the question
is about. `facts` repeats these as JSON, to say what has changed when an approval no longer holds. `conference_id` is
the conference that the question names, for the page that shows them side by side.
`limit_usage` holds what was used of each limit, when, and the running total of its key.
`audit` is only appended to. Each hash covers the previous one. `session` and `newest_event` repeat what `entry`
contains, for the indexes.
`alert_deliveries` holds alert events that the webhook's receiver has not accepted. `due_at`: when the next attempt is
due; NULL: they failed for good, at `failed_at`.
`tokens` holds the access tokens for HTTP: their public `id`, and only a hash of their secret.
`sign_in_codes` holds the hashes of unused codes for the operator page, and who made each at a terminal.
`sign_ins` holds who is signed in to that page, in which browser, and only hashes of the browser's secrets.
"""

_TYPES: dict[Kind, dict[str, str]] = {
    "sqlite": {
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "integer": "INTEGER",
        "key": "TEXT",
        "bytes": "BLOB",
        "without_rowid": " WITHOUT ROWID",
    },
    "postgresql": {
        "serial": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        "integer": "BIGINT",
        "key": 'TEXT COLLATE "C"',  # compared byte by byte, so that a prefix is a range
        "bytes": "BYTEA",
        "without_rowid": "",
    },
}

_APPEND_ONLY = "the audit is only appended to"

_EXTRAS: dict[Kind, tuple[str, ...]] = {
    "sqlite": tuple(
        f"CREATE TRIGGER audit_{change.lower()} BEFORE {change} ON audit "
        f"BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END"
        for change in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger AS "
        f"$$ BEGIN RAISE EXCEPTION '{_APPEND_ONLY}'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER audit_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
        # By default, PostgreSQL waits until a fifth of a table has changed.
        "ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.02, "
        "autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)",
    ),
}

TABLE_NAMES: dict[Kind, str] = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}
"""Queries for the names of all tables."""


def create_statements(kind: Kind) -> list[str]:
    """The statements that create all tables of the current version."""
    tables = _TABLES.format(**_TYPES[kind]).strip().removesuffix(";").split(";\n")
    return [*tables, *_EXTRAS[kind]]

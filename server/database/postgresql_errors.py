"""Explains PostgreSQL's errors to the operator, without repeating secrets of the URL."""

import psycopg

from .errors import StoreError, StoreUnreachable

_RETRIED = "The server tries again by itself."
_STATES = {
    "28000": ("this user may not connect to it", "Name another user in --database, or allow this one in pg_hba.conf."),
    "28P01": ("the user's password is wrong", "Set the right one with PGPASSWORD, a .pgpass file or --database."),
    "3D000": ("there is no such database", "Make it with createdb, or name another with --database."),
    "3F000": ("its search_path names no schema that is there", "Create the schema, or name another."),
    "42501": ("this user lacks a right there", "Grant it, or name the tables' owner in --database."),
    "53100": ("its disk is full", "Make room on that disk."),
    "53200": ("it is out of memory", "Give it more, or use it less."),
    "53300": ("it has too many connections", "Raise its max_connections: each server process uses up to 6."),
    "25006": ("it is a read-only replica", "Name the primary, or every host with target_session_attrs=read-write."),
    "55P03": ("another process has held a lock for too long", "Check what that process does."),
    "57014": ("it took too long", "Check what keeps it busy."),
    "57P01": ("it is being stopped", _RETRIED),
    "57P02": ("it has crashed", _RETRIED),
    "57P03": ("it is starting or stopping", _RETRIED),
}
"""By SQLSTATE: what is wrong, and what to do."""
_WORDS = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "authentication failed": "28000",
    "no pg_hba.conf entry": "28000",
    'role "': "28000",
    '" does not exist': "3D000",
    "too many clients": "53300",
    "too many connections": "53300",
    "connection slots are reserved": "53300",
    "session is read-only": "25006",
    "starting up": "57P03",
    "shutting down": "57P03",
    "in recovery mode": "57P03",
}
"""PostgreSQL refuses a connection without a SQLSTATE, only with a text."""
_CONNECTING = {
    "Connection refused": ("nothing listens there", "Check that PostgreSQL runs and listens on that host and port."),
    "failed to resolve": ("its host is not known", "Check the host in --database."),
    "timeout expired": ("it does not answer", "Check that the network allows connections to that host and port."),
    "SSL": ("no encrypted connection could be made", "Check sslmode and the certificates."),
}
_LOST = ("the connection was lost", _RETRIED)
_TRANSIENT = ("08", "53", "57P")


def explain(error: BaseException, name: str) -> StoreError:
    """The error for the operator. `name`: the store's URL without secrets.

    Returns `StoreUnreachable` when the problem may be temporary.
    """
    state = _state(error)
    problem, advice = _STATES.get(state or "") or _describe_unlisted(error, state)
    may_pass = isinstance(error, OSError) or (
        isinstance(error, psycopg.OperationalError) and (state is None or state.startswith(_TRANSIENT))
    )
    kind = StoreUnreachable if may_pass else StoreError
    return kind(f"The store {name} cannot be used: {problem}. {advice}".rstrip())


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection cannot be used after this error: it is closed, or its server takes no more writes."""
    state = _state(error)
    return (
        isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        and (state is None or state.startswith(("08", "57P")))
    ) or state == "25006"


def _state(error: BaseException) -> str | None:
    """The SQLSTATE of an error, also of one that has only a text."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    text = str(error)
    return state or next((state for words, state in _WORDS.items() if words in text), None)


def _describe_unlisted(error: BaseException, state: str | None) -> tuple[str, str]:
    if state is not None and isinstance(error, psycopg.Error):  # the server's own message contains no password
        return error.diag.message_primary or f"error {state}", ""
    text = str(error)
    return next((problem for words, problem in _CONNECTING.items() if words in text), _LOST)

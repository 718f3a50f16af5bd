"""What PostgreSQL's errors mean for whoever runs the server, without a word of what the URL keeps secret."""

import psycopg

from .errors import StoreError, StoreUnreachable

_AGAIN = "It is tried again by itself."
_STATES = {
    "28000": ("this user may not connect to it", "Name another in --database, or have them let in by pg_hba.conf."),
    "28P01": ("the user's password is wrong", "Give the right one, by PGPASSWORD, a .pgpass file or --database."),
    "3D000": ("there is no such database", "Make it with createdb, or name another with --database."),
    "3F000": ("its search_path names no schema that is there", "Make the schema, or name another."),
    "42501": ("this user lacks a right there", "Grant it, or name the tables' owner in --database."),
    "53100": ("its disk is full", "Make room on that disk."),
    "53200": ("it is out of memory", "Give it more, or use it less."),
    "53300": ("it has too many connections", "Raise its max_connections: each of our processes takes up to 11."),
    "25006": ("it is a read-only replica", "Name the primary, or every host with target_session_attrs=read-write."),
    "55P03": ("another process has held a lock for too long", "See what that one does."),
    "57014": ("it took too long", "See what keeps it busy."),
    "57P01": ("it is being stopped", _AGAIN),
    "57P02": ("it has crashed", _AGAIN),
    "57P03": ("it is starting or stopping", _AGAIN),
}
"""By SQLSTATE: what is wrong, and what to do."""
_WORDS = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    '" does not exist': "3D000",
    "too many clients": "53300",
    "too many connections": "53300",
    "connection slots are reserved": "53300",
    "session is read-only": "25006",
    "starting up": "57P03",
    "shutting down": "57P03",
    "in recovery mode": "57P03",
}
"""A refusal to connect comes as text alone."""
_CONNECTING = {
    "Connection refused": ("nothing listens there", "See that PostgreSQL runs and listens on that host and port."),
    "failed to resolve": ("its host is not known", "See the host in --database."),
    "timeout expired": ("it does not answer", "See that the way to that host and port is open."),
    "SSL": ("no encrypted connection came about", "See sslmode and the certificates."),
}
_LOST = ("the connection was lost", _AGAIN)
_TRANSIENT = ("08", "53", "57P")


def explained(error: BaseException, shown: str) -> StoreError:
    """The error of a store whose URL is shown like this: of a kind that says whether it may pass by itself."""
    state = state_of(error)
    what, advice = _STATES.get(state or "") or _unlisted(error, state)
    passing = isinstance(error, OSError) or (isinstance(error, psycopg.OperationalError) and _may_pass(state))
    kind = StoreUnreachable if passing else StoreError
    return kind(f"The store {shown} cannot be used: {what}. {advice}".rstrip())


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is of no use after this: it is gone, or its server will not take writes again."""
    state = state_of(error)
    return (
        isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        and (state is None or state.startswith(("08", "57P")))
    ) or state == "25006"


def state_of(error: BaseException) -> str | None:
    """The SQLSTATE of an error, also of one that came as text alone."""
    known = error.sqlstate if isinstance(error, psycopg.Error) else None
    said = str(error)
    return known or next((state for words, state in _WORDS.items() if words in said), None)


def _may_pass(state: str | None) -> bool:
    return state is None or state.startswith(_TRANSIENT)


def _unlisted(error: BaseException, state: str | None) -> tuple[str, str]:
    if state is not None and isinstance(error, psycopg.Error):  # the server's own words, which know no password
        return error.diag.message_primary or f"error {state}", ""
    said = str(error)
    return next((told for words, told in _CONNECTING.items() if words in said), _LOST)

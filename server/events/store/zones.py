"""Zones: finished runs of numbers. What the events of a zone are found by is noted once, for many of them together.

What a webhook waits for is thereby short: a commit appends events, and changes no index but that of ids.
"""

from ...database import Dialect, Transaction

ZONE = 256
"""How many numbers in a row share one line of the table `zones`."""

FIELDS = {"type": 1, "conference_id": 2, "call_control_id": 3, "queue": 4}
"""The columns of `events` that are found by `event_keys`, and how it names them."""

_AT_ONCE = 16
"""Zones that are noted by one transaction."""

_UNNOTED = """
SELECT min(number), (SELECT max(number) FROM events) FROM events
WHERE number >= (SELECT coalesce(max(block) + 1, 0) FROM zones) * :zone
"""
_IN_RANGE = "FROM events WHERE number >= :first AND number < :end"
_NOTE_TIMES = f"""
INSERT INTO zones (block, earliest, latest) SELECT number / :zone, min(occurred_at), max(occurred_at) {_IN_RANGE}
GROUP BY number / :zone
"""


def keys_of(some: str) -> str:
    """A query for the keys of some events, which are given as `FROM events WHERE ...`."""
    return " UNION ALL ".join(
        f"SELECT {code} AS field, {column} AS value, number {some} AND {column} IS NOT NULL"
        for column, code in FIELDS.items()
    )


_NOTE_KEYS = f"""
INSERT INTO event_keys (field, value, number)
SELECT field, value, number FROM ({keys_of(_IN_RANGE)}) AS told
"""  # noqa: S608 - constants


async def note_zones(dialect: Dialect) -> None:
    """Note every zone that is finished and not noted, a few at a time. Raises `StoreError`."""
    while await dialect.transaction(_note_some, outlives="process"):
        pass


def _note_some(session: Transaction) -> bool:
    """Note the oldest zones that are not noted. Returns whether there were any."""
    ((first, newest),) = session.rows(_UNNOTED, zone=ZONE)
    if first is None:
        return False
    begin = first // ZONE
    end = min(begin + _AT_ONCE, newest // ZONE)
    if end <= begin:
        return False
    session.change(_NOTE_KEYS, first=begin * ZONE, end=end * ZONE)
    session.change(_NOTE_TIMES, first=begin * ZONE, end=end * ZONE, zone=ZONE)
    return True

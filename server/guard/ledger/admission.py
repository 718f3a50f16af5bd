"""What a call is admitted by, read by one statement, since others wait for each. A part of a transaction."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from ...database import Transaction
from ..policy import Limit
from . import audit
from . import rate_limits as spending
from . import stop_switch as switch
from .rate_limits import NEVER, Used
from .stop_switch import Stopped


class Standing(NamedTuple):
    """How things stand."""

    stopped: Stopped | None
    """Who stopped writes, if somebody did."""
    head: str
    """What is noted of the newest record of the audit."""
    used: Sequence[Used]
    """What was used of each limit."""


def read(session: Transaction, limits: Sequence[Limit], now: datetime) -> Standing:
    """How things stand for a call that falls under these limits."""
    named = {"stopped": switch.NAME, "head": audit.HEAD, **spending.parameters(limits, now)}
    rows = session.rows(_statement(len(limits)), **named)
    notes = {name: value for name, value, *_ in rows if value is not None}
    used = {name: Used(*row) for name, value, *row in rows if value is None}
    return Standing(
        switch.said_by(notes.get(switch.NAME)),
        notes.get(audit.HEAD, ""),
        [used.get(str(place), NEVER) for place in range(len(limits))],
    )


@cache
def _statement(limits: int) -> str:
    notes = "SELECT name, value, 0, 0, 0 FROM notes WHERE name IN (:stopped, :head)"
    used = (f"SELECT '{place}', NULL, {spending.newest(place)}" for place in range(limits))
    return " UNION ALL ".join((notes, *used))

"""Reads in one statement what decides whether a call is admitted: stop switch, audit head, limits used."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from ...database import Transaction
from ..policy import Limit
from . import audit, rate_limits, stop_switch
from .rate_limits import NEVER_USED, WindowUsage
from .stop_switch import Stopped


class AdmissionState(NamedTuple):
    """The state that an admission depends on."""

    stopped: Stopped | None
    """Who stopped writes; None when writes are allowed."""
    head: str
    """The stored number and hash of the newest audit record."""
    used: Sequence[WindowUsage]
    """The usage of each limit, in the order of the limits."""


def read(session: Transaction, limits: Sequence[Limit], now: datetime) -> AdmissionState:
    """The state for a call under these limits. Part of a transaction."""
    named = {"stopped": stop_switch.NOTE_NAME, "head": audit.HEAD, **rate_limits.usage_parameters(limits, now)}
    rows = session.rows(_statement(len(limits)), **named)
    notes = {name: value for name, value, *_ in rows if value is not None}
    used = {name: WindowUsage(*row) for name, value, *row in rows if value is None}
    return AdmissionState(
        stop_switch.parse_note(notes.get(stop_switch.NOTE_NAME)),
        notes.get(audit.HEAD, ""),
        [used.get(str(place), NEVER_USED) for place in range(len(limits))],
    )


@cache
def _statement(limits: int) -> str:
    notes = "SELECT name, value, 0, 0, 0 FROM shared_values WHERE name IN (:stopped, :head)"
    used = (f"SELECT '{place}', NULL, {rate_limits.newest_usage_sql(place)}" for place in range(limits))
    return " UNION ALL ".join((notes, *used))

"""What every part of the sandbox uses: the time, ids, events, and the account's numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from .clock import Timer, Timers
from .ids import Ids

T = TypeVar("T")

MAX_HISTORY = 10_000

CONNECTION_ID = "sandbox"
NUMBER = "+12025550100"
"""The sandbox's own phone number."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the sandbox's account may call with.

    `any_from`: whether calls may show a number of someone else. `outbound_profile`: whether the connection has one.
    """

    numbers: frozenset[str] = frozenset({NUMBER})
    any_from: bool = False
    outbound_profile: bool = True


class SandboxContext:
    def __init__(self, timers: Timers, ids: Ids, emit: Callable[[str, dict[str, Any]], None], account: Account) -> None:
        self.timers = timers
        self.ids = ids
        self.account = account
        self._emit = emit

    def now(self) -> datetime:
        return self.timers.now()

    def after(self, seconds: float, run: Callable[[], None]) -> Timer:
        return self.timers.after(seconds, run)

    def emit(self, event_type: str, payload: dict[str, Any]) -> None:
        """Send an event. Fields of the payload without a value are left out, except `client_state`."""
        self._emit(event_type, payload)


def forget_oldest(items: dict[str, T], is_over: Callable[[T], bool]) -> None:
    """Bound a history: drop the oldest item that is over once there are more than 10,000."""
    if len(items) > MAX_HISTORY:
        oldest = next((key for key, item in items.items() if is_over(item)), None)
        if oldest is not None:
            del items[oldest]

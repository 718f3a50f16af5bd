"""What every part of the sandbox stands on: the time, ids, and events."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from .clock import Timer, Timers
from .ids import Ids

T = TypeVar("T")

_MAX_HISTORY = 10_000


class SandboxContext:
    def __init__(self, timers: Timers, ids: Ids, emit: Callable[[str, dict[str, Any]], None]) -> None:
        self.timers = timers
        self.ids = ids
        self._emit = emit

    def now(self) -> datetime:
        return self.timers.now()

    def after(self, seconds: float, run: Callable[[], None]) -> Timer:
        return self.timers.after(seconds, run)

    def emit(self, event_type: str, payload: dict[str, Any]) -> None:
        """Send an event; fields of the payload without a value are left out."""
        self._emit(event_type, payload)


def forget_oldest(kept: dict[str, T], is_over: Callable[[T], bool]) -> None:
    """Keep a history bounded: drop the oldest that is over once there are more than 10,000."""
    if len(kept) > _MAX_HISTORY:
        oldest = next((key for key, item in kept.items() if is_over(item)), None)
        if oldest is not None:
            del kept[oldest]

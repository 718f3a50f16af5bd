"""When writes are open: windows of a week on the clocks of a place."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from heapq import merge
from typing import Self
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"([a-z,-]+) ([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_DAY = 24 * 60
_STEP = timedelta(minutes=15)
"""Clocks are put forward and back on a quarter of an hour."""
_LOOK_AHEAD = timedelta(days=15)
"""A window of a week may fall into the hour that is left out in spring, and then opens in two."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day on some days of the week."""

    text: str
    """As it was written, in lower case."""
    days: frozenset[int]
    """On which it begins; Monday is 0."""
    start: int
    """In minutes from midnight."""
    end: int
    """In minutes from the same midnight: past 1440 when it ends on the day after. It is closed again at this one."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The window that is written `mon-fri 08:00-18:00`, `sat,sun 22:00-02:00`. Raises `ValueError`."""
        text = " ".join(text.lower().split())
        match = _WINDOW.fullmatch(text)
        if match is None:
            raise ValueError("is not days and times such as mon-fri 08:00-18:00 or sat,sun 22:00-02:00")
        days = frozenset(day for part in match[1].split(",") for day in _days(part))
        start = int(match[2]) * 60 + int(match[3])
        end = int(match[4]) * 60 + int(match[5]) if match[4] else _DAY
        return cls(text, days, start, end if end >= start else end + _DAY)

    @property
    def never_opens(self) -> bool:
        """Whether it ends when it begins."""
        return self.start == self.end

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether a minute of a day lies in it, begun on that day or on the one before."""
        begins_today = weekday in self.days and self.start <= minute < self.end
        return begins_today or ((weekday - 1) % 7 in self.days and minute < self.end - _DAY)


def _days(part: str) -> Iterator[int]:
    first, _, last = part.partition("-")
    for name in (first, last or first):
        if name not in DAYS:
            raise ValueError(f"names the day '{name}'; days are {', '.join(DAYS)}")
    start, span = DAYS.index(first), (DAYS.index(last or first) - DAYS.index(first)) % 7
    return ((start + step) % 7 for step in range(span + 1))


@dataclass(frozen=True, slots=True)
class Hours:
    """The windows in which one source lets writes through."""

    zone: ZoneInfo
    windows: tuple[Window, ...]

    def is_open(self, now: datetime) -> bool:
        """Whether the clocks there show a time in a window: an hour they show twice is open twice."""
        local = now.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(window.holds(local.weekday(), minute) for window in self.windows)

    def starts(self, now: datetime) -> Iterator[datetime]:
        """When its windows begin, from now on, as far as is looked ahead."""
        today = now.astimezone(self.zone).date()
        for day in range(_LOOK_AHEAD.days + 1):
            for window in self.windows:
                at = time(window.start // 60, window.start % 60, tzinfo=self.zone)
                date = today + timedelta(days=day)
                yield from (datetime.combine(date, at.replace(fold=fold)).astimezone(UTC) for fold in (0, 1))

    def __str__(self) -> str:
        windows = " and ".join(window.text for window in self.windows) or "never"
        return f"{windows} ({self.zone.key})"


def closed(hours: Sequence[Hours], now: datetime) -> str | None:
    """Why writes are closed at this moment, and when they open next; None when all of them are open.

    `now`: with a time zone, any. Raises `ValueError` without.
    """
    if now.tzinfo is None:
        raise ValueError("now must have a time zone")
    if all(source_hours.is_open(now) for source_hours in hours):
        return None
    allowed = f"Writes are allowed {', and of that only '.join(map(str, hours))}"
    opening = next_opening(hours, now.astimezone(UTC))
    if opening is None:
        return f"{allowed}; they do not open within {_LOOK_AHEAD.days} days."
    local = opening.astimezone(hours[0].zone)
    zone = f" ({hours[0].zone.key})" if len(hours) > 1 else ""
    return f"{allowed}; the next time is {DAYS[local.weekday()].capitalize()} {local:%Y-%m-%d %H:%M}{zone}."


def next_opening(hours: Sequence[Hours], now: datetime) -> datetime | None:
    """The first moment after now at which all are open. They open where a window begins or a clock is put on."""
    return _next_opening(tuple(hours), now.replace(second=0, microsecond=0))


@lru_cache(256)
def _next_opening(hours: tuple[Hours, ...], now: datetime) -> datetime | None:
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    quarters = (quarter + step * _STEP for step in range(1, _LOOK_AHEAD // _STEP + 1))
    starts = sorted(start for source_hours in hours for start in source_hours.starts(now) if start > now)
    return next((at for at in merge(quarters, starts) if all(source_hours.is_open(at) for source_hours in hours)), None)

"""Writes are open in windows of a week, on the clocks of a place."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from support.rows import each_row
from telnyx_conferencing.server.guard.policy import HourRules, Policy, Rules

BERLIN = ZoneInfo("Europe/Berlin")


def opening(zone: str, *windows: str) -> Rules:
    return Rules(hours=HourRules(zone=zone, open=windows))


def at(text: str) -> datetime:
    """A moment: as the clocks in Berlin show it, or with its own offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=BERLIN)


WORK = opening("Europe/Berlin", "mon-fri 08:00-18:00")
NIGHT = opening("Europe/Berlin", "sat 22:00-02:00")
WEEKEND = opening("Europe/Berlin", "fri-mon 12:00-13:00")
SOME = opening("Europe/Berlin", "MON,wed  08:00-09:00", "sun 10:00-24:00")
SMALL_HOURS = opening("Europe/Berlin", "sun 02:15-02:45")
EVERY_NIGHT = opening("Europe/Berlin", "mon-sun 01:00-02:30")

OPEN = [
    (WORK, "2026-11-23T08:00", True),
    (WORK, "2026-11-23T07:59:59", False),
    (WORK, "2026-11-23T17:59:59", True),
    (WORK, "2026-11-23T18:00", False),
    (WORK, "2026-11-21T12:00", False),
    (WORK, "2026-11-23T07:30:00+00:00", True),  # 08:30 in winter
    (WORK, "2026-07-06T06:30:00+00:00", True),  # 08:30 in summer
    (WORK, "2026-07-06T16:30:00+00:00", False),
    (NIGHT, "2026-11-21T21:59", False),
    (NIGHT, "2026-11-21T22:00", True),
    (NIGHT, "2026-11-22T01:59", True),
    (NIGHT, "2026-11-22T02:00", False),
    (NIGHT, "2026-11-21T01:00", False),  # Friday's night is not Saturday's
    (NIGHT, "2026-11-22T22:30", False),
    (WEEKEND, "2026-11-20T12:30", True),
    (WEEKEND, "2026-11-23T12:30", True),
    (WEEKEND, "2026-11-24T12:30", False),
    (SOME, "2026-11-23T08:30", True),
    (SOME, "2026-11-24T08:30", False),
    (SOME, "2026-11-25T08:30", True),
    (SOME, "2026-11-22T23:59", True),
    (SOME, "2026-11-23T00:00", False),
    # 29 March 2026: at 02:00 the clocks show 03:00.
    (SMALL_HOURS, "2026-03-29T00:59:59+00:00", False),
    (SMALL_HOURS, "2026-03-29T01:00:00+00:00", False),
    (SMALL_HOURS, "2026-03-22T02:30", True),
    (EVERY_NIGHT, "2026-03-29T00:30:00+00:00", True),
    (EVERY_NIGHT, "2026-03-29T01:00:00+00:00", False),
    # 25 October 2026: at 03:00 the clocks show 02:00 again.
    (SMALL_HOURS, "2026-10-25T00:30:00+00:00", True),
    (SMALL_HOURS, "2026-10-25T01:30:00+00:00", True),
    (SMALL_HOURS, "2026-10-25T01:00:00+00:00", False),
    (EVERY_NIGHT, "2026-10-25T00:45:00+00:00", False),
    (EVERY_NIGHT, "2026-10-25T01:15:00+00:00", True),
]


@each_row(("rules", "moment", "is_open"), OPEN)
def test_writes_are_open_in_a_window(rules: Rules, moment: str, is_open: bool) -> None:
    assert (Policy([rules]).closed(at(moment)) is None) is is_open


NEXT = [
    ([WORK], "2026-11-21T12:00", "mon-fri 08:00-18:00 (Europe/Berlin); the next time is Mon 2026-11-23 08:00."),
    ([WORK], "2026-11-23T18:00", "mon-fri 08:00-18:00 (Europe/Berlin); the next time is Tue 2026-11-24 08:00."),
    ([WORK], "2026-11-23T06:59:59.5+00:00",
     "mon-fri 08:00-18:00 (Europe/Berlin); the next time is Mon 2026-11-23 08:00."),
    ([NIGHT], "2026-11-22T02:00", "sat 22:00-02:00 (Europe/Berlin); the next time is Sat 2026-11-28 22:00."),
    ([SOME], "2026-11-23T09:00", "mon,wed 08:00-09:00 and sun 10:00-24:00 (Europe/Berlin); the next time is Wed "
     "2026-11-25 08:00."),
    # In spring the window is left out, and the next is a week on.
    ([SMALL_HOURS], "2026-03-22T02:45", "sun 02:15-02:45 (Europe/Berlin); the next time is Sun 2026-04-05 02:15."),
    # Half of the window is left out: it opens as the clocks are put on.
    ([opening("Europe/Berlin", "sun 02:30-04:00")], "2026-03-29T00:00", "sun 02:30-04:00 (Europe/Berlin); the next "
     "time is Sun 2026-03-29 03:00."),
    # In autumn it opens a second time as they are put back.
    ([EVERY_NIGHT], "2026-10-25T00:45:00+00:00", "mon-sun 01:00-02:30 (Europe/Berlin); the next time is Sun "
     "2026-10-25 02:00."),
    ([WORK, opening("America/New_York", "mon-sun 09:00-17:00")], "2026-11-23T09:00", "mon-fri 08:00-18:00 "
     "(Europe/Berlin), and of that only mon-sun 09:00-17:00 (America/New_York); the next time is Mon 2026-11-23 15:00 "
     "(Europe/Berlin)."),
    ([WORK, NIGHT], "2026-11-23T09:00", "mon-fri 08:00-18:00 (Europe/Berlin), and of that only sat 22:00-02:00 "
     "(Europe/Berlin); they do not open within 15 days."),
    ([opening("UTC")], "2026-11-23T09:00", "never (UTC); they do not open within 15 days."),
    ([opening("UTC", "mon 08:00-08:00")], "2026-11-23T08:00",
     "mon 08:00-08:00 (UTC); they do not open within 15 days."),
]  # fmt: skip


@each_row(("sources", "moment", "message"), NEXT)
def test_a_closed_policy_says_when_writes_open_next(sources: list[Rules], moment: str, message: str) -> None:
    assert Policy(sources).closed(at(moment)) == f"Writes are allowed {message}"


def test_without_hours_writes_are_always_open() -> None:
    assert Policy([Rules(), Rules()]).closed(at("2026-11-23T03:00")) is None


def test_a_whole_day_is_always_open() -> None:
    policy = Policy([opening("Europe/Berlin", "mon-sun 00:00-24:00")])
    assert all(policy.closed(moment) is None for moment in quarters("2026-03-28T12:00:00+00:00", days=2))
    assert all(policy.closed(moment) is None for moment in quarters("2026-10-24T12:00:00+00:00", days=2))


def quarters(start: str, days: int) -> Iterable[datetime]:
    return (datetime.fromisoformat(start) + timedelta(minutes=15 * step) for step in range(96 * days))


@each_row("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
@each_row("start", ["2026-03-28T00:00:00+00:00", "2026-10-03T00:00:00+00:00", "2026-10-31T12:00:00+00:00"])
def test_the_reported_next_opening_is_the_first_one(zone: str, start: str) -> None:
    rules = HourRules(zone=zone, open=["fri-sun 01:40-02:20", "sun 23:30-03:10"])
    policy, hours = Policy([Rules(hours=rules)]), rules.hours()
    assert hours is not None
    minutes = [datetime.fromisoformat(start) + timedelta(minutes=minute) for minute in range(9 * 24 * 60)]
    opens = [minute for minute in minutes if hours.is_open(minute)]
    for now in minutes[: 2 * 24 * 60 : 7]:
        first = next(minute for minute in opens if minute >= now)
        why = policy.closed(now)
        assert (why is None) is (first == now)
        assert why is None or why.endswith(f"{first.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}.")


def test_a_moment_must_have_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Policy([WORK]).closed(datetime(2026, 11, 23, 9, tzinfo=UTC).replace(tzinfo=None))

"""No sequence of calls, opt-outs and hours that pass gets around the calling rules, and nothing else is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.guarded_server import Clock, guarded, write_policy
from support.mcp import call
from support.mcp_in_process import World

SPELLINGS = {
    "Europe/Berlin": ("+493090182000", "sip:+493090182000@carrier.example", "sip:00493090182000@c.example:5060"),
    "America/New_York": ("+12125550150", "sip:+1-212-555-0150@carrier.example"),
    "Australia/Sydney": ("+61291234567",),
}
"""Spellings of one number in each time zone."""
ZONES = tuple(SPELLINGS)
RULES = '[calling]\nopen = ["mon-fri 09:00-20:00"]\nattempts_per_day = 2\noverride = []'
STARTS = ("2026-03-27T21:00+00:00", "2026-10-23T12:00+00:00", "2026-12-31T23:00+00:00")
"""Before the clocks change in Berlin, before they change back, and before a new year."""

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("dial"), st.sampled_from(ZONES), st.integers(0, 2)),
        st.tuples(st.just("dial"), st.sampled_from(ZONES), st.integers(0, 2)),
        st.tuples(st.just("hours"), st.just(""), st.sampled_from([1, 3, 5, 11, 24])),
        st.tuples(st.just("optout"), st.sampled_from(ZONES), st.integers(0, 2)),
    ),
    max_size=12,
)


class Expected:
    """The rules, written down a second time."""

    def __init__(self) -> None:
        self._calls: dict[str, list[datetime]] = {zone: [] for zone in ZONES}
        self._opted_out: set[str] = set()

    def may_call(self, zone: str, now: datetime) -> bool:
        there = now.astimezone(ZoneInfo(zone))
        recent = [at for at in self._calls[zone] if now - at < timedelta(hours=24)]
        is_day = there.weekday() < 5 and 9 <= there.hour < 20
        return is_day and len(recent) < 2 and zone not in self._opted_out

    def called(self, zone: str, now: datetime) -> None:
        self._calls[zone].append(now)

    def opt_out(self, zone: str) -> None:
        self._opted_out.add(zone)


async def check(start: str, steps: list[tuple[str, str, int]], policy: Path) -> None:
    clock, expected, world = Clock(datetime.fromisoformat(start).astimezone(UTC)), Expected(), World()
    async with guarded(world, clock=clock, approval="never", policy=policy) as client:
        for kind, zone, choice in steps:
            if kind == "hours":
                clock.move(hours=choice)
                continue
            number = SPELLINGS[zone][choice % len(SPELLINGS[zone])]
            if kind == "optout":
                await call(client, "add_optout", number=SPELLINGS[zone][0])
                expected.opt_out(zone)
                continue
            may, before = expected.may_call(zone, clock()), len(world.sandbox.snapshot()["legs"])
            [checked] = (await call(client, "may_call", numbers=[number]))["numbers"]
            result = await client.call_tool("dial", {"to": number})
            assert checked["allowed"] is may
            assert result.is_error is not may
            assert len(world.sandbox.snapshot()["legs"]) - before == int(may)
            if may:
                expected.called(zone, clock())


@pytest.mark.parametrize("start", STARTS)
def test_exactly_the_calls_that_the_rules_allow_reach_telnyx(start: str) -> None:
    @settings(max_examples=8, deadline=None)
    @given(STEPS)
    def property_holds(steps: list[tuple[str, str, int]]) -> None:
        with TemporaryDirectory() as folder:
            policy = Path(folder) / "policy.toml"
            write_policy(policy, RULES)
            anyio.run(check, start, steps, policy)

    property_holds()

"""What the server costs, as ratios against a floor measured in the same run.

The floor is a server of the bare SDK with one tool (`bare_server.py`) and, for a call, one plain HTTP request beside
it. The server and the floor take turns, so that other load on the machine affects both. Times are never asserted: the
exit code is 0 unless something could not be measured. `run.py server`, `run.py events`, `run.py reports`,
`run.py alerts`, `run.py shared` and `run.py http` measure one part alone.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, sleep

import httpx2
from alert_costs import METHOD as ALERTS_METHOD
from alert_costs import alerts
from baseline_servers import (
    BARE,
    DATABASE,
    SERVE,
    UNGUARDED,
    NotMeasured,
    Server,
    on_disk,
    resident,
    running,
    workplace,
)
from event_costs import METHOD as EVENTS_METHOD
from event_costs import events
from http_calls import ECHO, MUTE
from http_costs import METHOD as HTTP_METHOD
from http_costs import http
from report_costs import METHOD as REPORTS_METHOD
from report_costs import reports
from shared import METHOD as SHARED_METHOD
from shared import shared
from table import Gap, Row, table

from telnyx_conferencing.server.mcp.tool_definitions import model_bytes, total_bytes
from telnyx_conferencing.server.telnyx import Timing
from telnyx_conferencing.tools import PRESETS, TOOLS
from telnyx_conferencing.tools.base import Request
from telnyx_conferencing.tools.participants import MuteParticipants

STARTS = 10
"""Starts of each server."""
BLOCK = 15
BLOCKS = 40
"""Blocks of calls of each kind, one at a time and again in a row."""
LARGEST = 5
GUARD = 1.3
"""How much slower policy, limits and audit may make a call.

Most of it is the transaction that records a write before it is sent, in the thread that writes to the store.
"""
LIMITED = 20 * BLOCK
"""Calls under limits, within a minute: each is counted against those before it, of which a real limit allows fewer."""
_BETWEEN = 0.01
"""Seconds between calls: what one leaves to be done later is not in the way of the next."""

_POLICY = """
[limits]
calls_per_minute = 1000
whole_room_per_hour = 1000

[limits.risk.routine]
calls_per_minute = 1000

[hours]
zone = "UTC"
open = ["mon-sun 00:00-24:00"]
"""
_METHOD = f"""
The floor is a one-tool server of the bare SDK; for a call, its echo tool and one plain HTTP request.
Starts: the best of {STARTS}; memory after them: the median of {STARTS}; calls: the median of {BLOCK}, best of {BLOCKS}.
Ours and the floor take turns. One at a time is how a host calls; in a row, each keeps the processor's caches."""


@dataclass(slots=True)
class Started:
    """What was seen of a server's starts."""

    seconds: list[float] = field(default_factory=list[float])
    """From the start of the process to the answer of the first `tools/list`."""
    memory: list[float] = field(default_factory=list[float])
    """Bytes, after that answer."""


def bytes_a_tool() -> Iterator[Row]:
    """What a model reads of each tool, on every turn."""
    for preset, tools in PRESETS.items():
        for what, size, limit in (("for the model", model_bytes, 720), ("in total", total_bytes, 1250)):
            mean = sum(map(size, tools)) / len(tools)
            yield Row(f"{preset}: a tool {what}, mean of {len(tools)}", mean, limit, "bytes")


def starts(env: Mapping[str, str]) -> Iterator[Row | Gap]:
    """Start to first `tools/list` answer, and the memory in use then."""
    ways = {"": SERVE, " --sandbox": (*SERVE, "--sandbox")}
    seen, gaps = _starts({"floor": BARE, **ways}, env)
    for way in ways:
        time, memory = f"serve{way}: start to first tools/list", f"serve{way}: memory after it"
        if failed := gaps.get("floor") or gaps.get(way):
            yield Gap(time, failed)
            continue
        ours, floor = seen[way], seen["floor"]
        yield Row(time, min(ours.seconds), 1.3, floor=min(floor.seconds))
        yield Row(memory, median(ours.memory), 1.3, "MB", median(floor.memory))


def _starts(servers: Mapping[str, Sequence[str]], env: Mapping[str, str]) -> tuple[dict[str, Started], dict[str, str]]:
    """What was seen of each server, and why others did not start."""
    seen = {name: Started() for name in servers}
    gaps: dict[str, str] = {}
    for turn in range(STARTS + 1):
        for name in [name for name in servers if name not in gaps]:
            try:
                started = perf_counter()
                with running(servers[name], env) as server:
                    took, memory = perf_counter() - started, resident(server)
            except NotMeasured as failed:
                gaps[name] = str(failed)
                continue
            if turn:  # the first compiles what is not compiled yet
                seen[name].seconds.append(took)
                seen[name].memory.append(memory)
    return seen, gaps


def calls(env: Mapping[str, str]) -> Iterator[Row | Gap]:
    """A routine tool call, and the memory in use after many."""
    try:
        with running(SERVE, env) as ours, running(BARE, env) as bare:
            alone = _calls(ours, bare, env["TELNYX_BASE_URL"], BLOCKS * BLOCK, 1)
            in_a_row = _calls(ours, bare, env["TELNYX_BASE_URL"], BLOCKS, BLOCK)
            memory = resident(ours), resident(bare)
    except NotMeasured as failed:
        yield Gap("a routine tool call", str(failed))
        return
    yield Row("a routine tool call, one at a time", alone.ours(), 1.25, floor=alone.floor())
    yield Row(f"a routine tool call, {BLOCK} in a row", in_a_row.ours(), None, floor=in_a_row.floor())
    yield Row("memory after the calls, with the store", memory[0], None, "MB", memory[1])


def guard(env: Mapping[str, str]) -> Iterator[Row | Gap]:
    """A routine tool call under a policy with limits, and the same without the guard's work."""
    what = "policy, limits and audit: a routine tool call"
    with on_disk() as directory:
        policy = directory / "policy.toml"
        policy.write_text(_POLICY)
        other = {**env, DATABASE: f"sqlite:///{directory / 'other.db'}"}
        try:
            with running((*SERVE, "--policy", str(policy)), env) as ours, running(UNGUARDED, other) as bare:
                alone = _in_turns(ours, bare, LIMITED)
        except NotMeasured as failed:
            yield Gap(what, str(failed))
            return
    yield Row(what, median(alone[0]), GUARD, floor=median(alone[1]))


def _in_turns(ours: Server, floor: Server, calls: int) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(calls):
        for server, seconds in zip((ours, floor), times, strict=True):
            seconds.append(server.timed_call(MUTE.tool, MUTE.arguments))
            sleep(_BETWEEN)
    return times


@dataclass(slots=True)
class Called:
    """Seconds of each kind of call."""

    mute: list[float] = field(default_factory=list[float])
    """mute_participants, on ours."""
    echo: list[float] = field(default_factory=list[float])
    """The floor's tool."""
    request: list[float] = field(default_factory=list[float])
    """The request that mute_participants sends, sent plainly."""

    def ours(self) -> float:
        return _p50(self.mute)

    def floor(self) -> float:
        return _p50(self.echo) + _p50(self.request)


def _p50(times: Sequence[float]) -> float:
    """The median of the quietest block: a busy machine slows three processes that wait for each other more than two."""
    return min(median(times[first : first + BLOCK]) for first in range(0, len(times), BLOCK))


def _calls(ours: Server, bare: Server, base_url: str, rounds: int, in_a_row: int) -> Called:
    command = MuteParticipants.model_validate(MUTE.arguments).request()
    called = Called()
    with asyncio.Runner() as loop:
        http = httpx2.AsyncClient(base_url=base_url, timeout=Timing().http())
        loop.run(_requests(http, command, 1))  # opens the connection
        for _ in range(rounds):
            called.mute += [ours.timed_call(MUTE.tool, MUTE.arguments) for _ in range(in_a_row)]
            called.echo += [bare.timed_call(ECHO.tool, ECHO.arguments) for _ in range(in_a_row)]
            called.request += loop.run(_requests(http, command, in_a_row))
        loop.run(http.aclose())
    return called


async def _requests(http: httpx2.AsyncClient, command: Request, in_a_row: int) -> list[float]:
    times: list[float] = []
    for _ in range(in_a_row):
        started = perf_counter()
        await http.request(command.method, command.path, json=command.body)
        times.append(perf_counter() - started)
    return times


def _about_server() -> str:
    sizes = sorted(((model_bytes(command), command.tool_name()) for command in TOOLS), reverse=True)
    return f"Largest tools: {', '.join(f'{name} {size}' for size, name in sizes[:LARGEST])}\n{_METHOD}"


def server(env: Mapping[str, str]) -> Iterator[Row | Gap]:
    """Every line but those about events."""
    yield from bytes_a_tool()
    yield from starts(env)
    yield from calls(env)
    yield from guard(env)


_MEASURED = {"server": server, "events": events, "reports": reports, "alerts": alerts, "shared": shared, "http": http}
_EXPLAINED = {
    "server": _about_server,
    "events": lambda: EVENTS_METHOD,
    "reports": lambda: REPORTS_METHOD,
    "alerts": lambda: ALERTS_METHOD,
    "shared": lambda: SHARED_METHOD,
    "http": lambda: HTTP_METHOD,
}


def main(parts: Sequence[str]) -> int:
    """Measure these parts, print the table, and return the exit code."""
    with workplace() as env:
        rows = [row for part in parts for row in _MEASURED[part](env)]
    print("\n".join(table(rows)))
    print(*(_EXPLAINED[part]() for part in parts), sep="\n")
    return 1 if any(isinstance(row, Gap) for row in rows) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what the server costs, as ratios against a floor.")
    parser.add_argument("parts", nargs="*", choices=list(_MEASURED), default=list(_MEASURED), help="default: all")
    sys.exit(main(parser.parse_args().parts))

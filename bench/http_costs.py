"""What serving over HTTP costs: calls a second against the bare SDK, and two workers against one."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from baseline_servers import DATABASE, SERVE, NotMeasured, database, on_disk
from http_calls import ECHO, MUTE, STATEFUL, STATELESS, Clients
from table import Gap, Limit, Row
from webhook_load import free_port, opened

CLIENTS = (1, 8, 32)
CALLS = 100
"""Calls in a block."""
BLOCKS = 20
WORKERS_CALLS = 600
WORKERS_BLOCKS = 6
ENOUGH = 4
"""Processors on which two workers can do what they could: the clients and the Telnyx that answers need theirs."""
_QUIET = 0.1
"""Seconds of a processor that servers without clients take in one at the most."""

METHOD = f"""
Over HTTP: mute_participants, against a tool of the bare SDK's server over HTTP that sends the same request to the same
Telnyx and says its text back; the same loop and HTTP parser on both sides, the same version and the same clients, which
call again as soon as they are answered. {BLOCKS} blocks of {CALLS} calls to each in turn, the median.
Workers: `uvicorn --workers`, {CLIENTS[-1]} clients at {STATELESS}, on one SQLite file. What two could do more shows
only where there are processors for it (target 1.7 from {ENOUGH} on; here are {os.cpu_count()}): beside it stands how
many the workers had, and what they did with each second of one, which no lack of processors changes (at least 0.85,
half of 1.7)."""

_SCRIPT = Path(__file__).with_name("bare_http_server.py")
_OURS = (*SERVE, "--transport", "http", "--approval", "never", "--port")
_APP = (sys.executable, "-m", "uvicorn", "--factory", "telnyx_conferencing.server.http.asgi:create_app")


def http(env: Mapping[str, str]) -> Iterator[Row | Gap]:
    """Every line about HTTP."""
    try:
        yield from _calls(env)
        yield from _workers(env)
    except NotMeasured as failed:
        yield Gap("over HTTP", str(failed))


def _calls(env: Mapping[str, str]) -> Iterator[Row]:
    with (
        _serving([*_OURS], env) as (ours, _),
        _serving([sys.executable, str(_SCRIPT)], env) as (floor, _),
    ):
        for era in (STATEFUL, STATELESS):
            for count in CLIENTS:
                rates = _in_turns((Clients(ours, era, MUTE, count), Clients(floor, era, ECHO, count)))
                what = f"tool calls a second over HTTP at {era}, {count} client{'s' if count > 1 else ''}"
                yield Row(what, rates[0], 0.7, "/s", rates[1], Limit.LEAST)


def _in_turns(sides: Sequence[Clients]) -> Sequence[float]:
    """The median rate of each: both sides are three processes that wait for each other."""
    rates = [list[float]() for _ in sides]
    for turn in range(BLOCKS + 1):
        for side, found in zip(sides, rates, strict=True):
            rate = side.rate(CALLS)
            if turn:  # the first warms up
                found.append(rate)
    return [median(found) for found in rates]


@dataclass(slots=True)
class _Worked:
    """What was seen of a number of workers, block by block."""

    rates: list[float] = field(default_factory=list[float])
    """Calls a second."""
    seconds: list[float] = field(default_factory=list[float])
    busy: list[float] = field(default_factory=list[float])
    """Seconds of a processor that they took."""

    def rate(self) -> float:
        return median(self.rates)

    def thrift(self) -> float:
        """Calls in each second of a processor."""
        return WORKERS_CALLS * len(self.busy) / sum(self.busy)

    def processors(self) -> float:
        return sum(self.busy) / sum(self.seconds)


def _workers(env: Mapping[str, str]) -> Iterator[Row]:
    if not Path("/proc/self/stat").exists():
        raise NotMeasured("what workers take of the processors is read from /proc, which is not here")
    two, one = _worked(env, (2, 1))
    enough = (os.cpu_count() or 1) >= ENOUGH
    what = "two workers against one"
    yield Row(f"{what}: calls a second", two.rate(), 1.7 if enough else None, "/s", one.rate(), Limit.LEAST)
    yield Row(f"{what}: calls a second of a processor", two.thrift(), 0.85, "/s", one.thrift(), Limit.LEAST)
    yield Row(f"{what}: processors they had", two.processors(), None, "of them", one.processors())


def _worked(env: Mapping[str, str], counts: Sequence[int]) -> Sequence[_Worked]:
    seen = [_Worked() for _ in counts]
    with ExitStack() as stack:
        sides: list[tuple[int, Clients]] = []
        for count in counts:
            port, pid = stack.enter_context(_under_uvicorn(env, count))
            sides.append((pid, Clients(port, STATELESS, MUTE, CLIENTS[-1])))
        for turn in range(WORKERS_BLOCKS + 1):
            for (pid, clients), found in zip(sides, seen, strict=True):
                before, started = _busy(pid), perf_counter()
                rate = clients.rate(WORKERS_CALLS)
                if turn:
                    found.rates.append(rate)
                    found.seconds.append(perf_counter() - started)
                    found.busy.append(_busy(pid) - before)
    return seen


@contextmanager
def _under_uvicorn(env: Mapping[str, str], workers: int) -> Generator[tuple[int, int]]:
    with on_disk() as directory:
        own = {"TELNYX_CONFERENCING_APPROVAL": "never", DATABASE: database(directory)}
        command = [*_APP, "--log-level", "critical", "--workers", str(workers), "--port"]
        with _serving(command, {**env, **own}) as (port, pid):
            _until_started(pid)
            yield port, pid


@contextmanager
def _serving(command: Sequence[str], env: Mapping[str, str]) -> Generator[tuple[int, int]]:
    """A server on a free port, the last argument of its command. Yields the port and the process."""
    port = free_port()
    with subprocess.Popen([*command, str(port)], env=env) as server:
        try:
            opened(port)
            yield port, server.pid
        finally:
            server.terminate()


def _until_started(pid: int) -> None:
    """Wait until all workers are: until then one would take every connection, and keep it."""
    before = -1.0
    while (now := _busy(pid)) - before > _QUIET:
        before = now
        sleep(1)


def _busy(pid: int) -> float:
    """Seconds of a processor that a process and its children have taken."""
    process = Path(f"/proc/{pid}")
    *_, fields = (process / "stat").read_text().rpartition(") ")
    user, system = fields.split()[11:13]
    children = (process / "task" / str(pid) / "children").read_text().split()
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") + sum(map(_busy, map(int, children)))

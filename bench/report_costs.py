"""What a report costs over few events and over many: its time and its memory."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from baseline_servers import DATABASE, SERVE, NotMeasured, on_disk
from event_costs import APART, FEW, MANY, fill
from table import Gap, Row

from telnyx_conferencing.server.events.store import Store

RUNS = 3
METHOD = f"""
Reports: `report --json` in a process of its own over a store of {MANY:,} events; the floor is the same over {FEW:,}.
Time: the processor's for each event, without that of a report over none; memory: the most at any time. The best of
{RUNS}."""

_NOTHING = ("--since", "2000-01-01T00:00:00Z", "--until", "2000-01-02T00:00:00Z")
"""A window without events, also without those before it that a report reads."""


def reports(env: Mapping[str, str]) -> Iterator[Row | Gap]:
    """The lines about reports."""
    try:
        with on_disk() as directory:
            (few_s, few_bytes), (many_s, many_bytes) = (_measured(directory, size, env) for size in (FEW, MANY))
    except NotMeasured as failed:
        yield Gap("report", str(failed))
        return
    yield Row(f"report, 1,000 events of {MANY:,}", many_s * 1000, 1.5, floor=few_s * 1000)
    yield Row(f"report, memory for {MANY:,} events", many_bytes, 1.5, "MB", few_bytes)


def _measured(directory: Path, size: int, env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds for an event, and bytes of memory."""
    path = directory / f"report-{size}.db"
    # In another process: a child's peak of memory includes what its parent had in use when it started.
    subprocess.run((sys.executable, __file__, str(path), str(size)), check=True)
    since = datetime.now(UTC) - (size + 1) * APART - timedelta(days=1)
    runs = [_run(path, ("--since", since.isoformat()), env) for _ in range(RUNS)]
    nothing_s = min(_run(path, _NOTHING, env)[0] for _ in range(RUNS))
    return (min(run[0] for run in runs) - nothing_s) / size, min(run[1] for run in runs)


async def _create(path: Path) -> None:
    async with Store.open(f"sqlite:///{path}"):
        pass


def _run(path: Path, window: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of the processor, and the most bytes of memory, of one report."""
    command = (SERVE[0], "report", "--json", *window)
    process = subprocess.Popen(command, env={**env, DATABASE: f"sqlite:///{path}"}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = usage.ru_utime + usage.ru_stime
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise NotMeasured(f"the report ended with {process.returncode}")
    return seconds, usage.ru_maxrss * 1024.0


if __name__ == "__main__":
    asyncio.run(_create(Path(sys.argv[1])))
    fill(Path(sys.argv[1]), int(sys.argv[2]))

"""What it costs to share a store on PostgreSQL: to keep events there, and to wake who waits in another process."""

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from time import sleep
from typing import TYPE_CHECKING

from baseline_servers import DATABASE, SERVE, NotMeasured, Server, database, on_disk, running
from event_costs import SETTLED, intake_server, timed_wait
from table import Gap, Limit, Row
from webhook_load import Key, Load, conferences, connected, free_port, opened

if TYPE_CHECKING:
    from support.postgres import Cluster

CONNECTIONS = 16
POSTED = 300
"""Webhooks in a block."""
BLOCKS = 15
WAITS = 200

METHOD = f"""
On PostgreSQL: a throw-away server on this machine, which shares its processors with what is measured. Intake: {BLOCKS}
blocks of {POSTED} to a process on each database in turn, the median. Waits: {WAITS} of them, in a process that the
webhook did not come to; the floor is a wait in the process that it came to, on the same database."""

_APART = timedelta(seconds=2)


def shared(env: Mapping[str, str]) -> Iterator[Row | Gap]:
    """Every line about PostgreSQL."""
    try:
        with postgresql() as cluster:
            yield from _intake(cluster)
            yield from _waits(cluster, env)
    except NotMeasured as failed:
        yield Gap("on PostgreSQL", str(failed))


@contextmanager
def postgresql() -> Generator["Cluster"]:
    """The server that tests use too. Raises `NotMeasured` where there is none."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from support.postgres import cluster, programs  # noqa: PLC0415 (found by the line before)

    if programs() is None:
        raise NotMeasured("PostgreSQL is not installed: apt-get install postgresql")
    with cluster() as made:
        yield made


def _intake(cluster: "Cluster") -> Iterator[Row]:
    key = Key()
    stream = conferences(datetime.now(UTC), _APART)
    with (
        on_disk() as directory,
        intake_server(directory, cluster.store(), key) as ours,
        intake_server(directory, database(directory), key) as floor,
    ):
        rates: Mapping[int, list[float]] = {ours: [], floor: []}
        for turn in range(BLOCKS + 1):
            for port, found in rates.items():
                requests = list(map(key.request, islice(stream, POSTED)))
                with connected(port, CONNECTIONS) as load:
                    rate = POSTED / load.post(requests)
                if turn:  # the first warms up
                    found.append(rate)
    what = f"webhooks a second, on PostgreSQL against SQLite, {CONNECTIONS} connections"
    yield Row(what, median(rates[ours]), None, "/s", median(rates[floor]), Limit.LEAST)


def _waits(cluster: "Cluster", env: Mapping[str, str]) -> Iterator[Row]:
    key, port = Key(), free_port()
    given = {**env, DATABASE: cluster.store(), "TELNYX_PUBLIC_KEY": key.public}
    with running((*SERVE, "--webhook-port", str(port)), given) as here, running(SERVE, given) as there:
        opened(port)
        with connected(port, 1) as load:
            ours, floor = _waited(load, key, (there, here))
    what = "webhook answered 200 to wait_for_event returned in another process"
    yield Row(f"{what}, p50", median(ours), None, floor=median(floor), limit=Limit.MORE)
    yield Row(f"{what}, p99", _p99(ours), None, floor=_p99(floor), limit=Limit.MORE)


def _waited(load: Load, key: Key, servers: Sequence[Server]) -> Sequence[list[float]]:
    """Seconds from a webhook's answer to the end of a wait at each server."""
    seconds = [list[float]() for _ in servers]
    for server in servers:
        server.timed_call("list_events", {})  # opens the store
    for turn in range(WAITS):
        for place, server in enumerate(servers):
            seconds[place].append(timed_wait(server, load, key, f"v3:bench-{turn}-{place}")[0])
            sleep(SETTLED)
    return seconds


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100)[-1]

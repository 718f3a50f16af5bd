"""Events for tests, and a process that stores them: `python -m support.stored_events pour|share DATABASE NAME`."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from telnyx_conferencing.server.events.event import Event, StoredEvent
from telnyx_conferencing.server.events.store import Store

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


def url(path: Path) -> str:
    """The URL of a store in this file."""
    return f"sqlite:///{path}"


def make_event(name: str, **fields: Any) -> Event:
    """An event with this id. Other fields have defaults."""
    defaults: dict[str, Any] = {
        "type": "conference.participant.joined",
        "occurred_at": START,
        "payload": {"digits": "1"},
    }
    return Event(id=name, **{**defaults, **fields})


def series(count: int, prefix: str = "e", **fields: Any) -> list[Event]:
    """Events one second apart: e0, e1, ..."""
    return [
        make_event(f"{prefix}{place}", occurred_at=START + timedelta(seconds=place), **fields) for place in range(count)
    ]


async def add_all(store: Store, events: list[Event]) -> list[StoredEvent | None]:
    """Add events at the same time. Returns the results in their order."""
    answers: list[StoredEvent | None] = [None] * len(events)

    async def add(place: int) -> None:
        answers[place] = await store.add(events[place])

    async with anyio.create_task_group() as tasks:
        for place in range(len(events)):
            tasks.start_soon(add, place)
    return answers


async def pour(store: Store, name: str) -> None:
    """Store events from sixteen tasks without end, and print the id of each stored event."""

    async def send(sender: int) -> None:
        for place in range(1_000_000):
            event = make_event(f"{name}-{sender}-{place}", payload={"pad": "x" * 1000})
            if await store.add(event):
                print(event.id, flush=True)

    async with anyio.create_task_group() as tasks:
        for sender in range(16):
            tasks.start_soon(send, sender)


async def share(store: Store, name: str) -> None:
    """Print the events that arrive. For each line `N` of input, store N events. Ends with the input."""

    def show(events: list[StoredEvent]) -> None:
        for event in events:
            print("event", event.number, event.id, flush=True)

    store.subscribe(show)
    print("ready", flush=True)
    stored = 0
    while line := await anyio.to_thread.run_sync(sys.stdin.readline):
        count = int(line)
        await add_all(store, [make_event(f"{name}-{stored + place}") for place in range(count)])
        stored += count
        print("stored", flush=True)


async def main(what: str, database: str, name: str) -> None:
    print("here", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)
    async with Store.open(database) as store:
        await {"pour": pour, "share": share}[what](store, name)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3])

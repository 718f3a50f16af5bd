"""Events on a terminal: one readable line each, as they come."""

import json
from collections.abc import Callable
from dataclasses import replace

import anyio
import click

from ...tools.words import quoted
from ..events.event import EventFilter, StoredEvent
from ..events.projection.event_text import describe_event, event_kind
from ..events.store import Store, default_url
from ..events.times import iso
from ..events.views import event_view
from ..settings import Settings

COLOURS = {
    "conference": "bright_white",
    "participant": "green",
    "audio": "cyan",
    "recording": "red",
    "queue": "yellow",
    "call": "blue",
}
_MOST_BEFORE = 1000


def watch(settings: Settings, wanted: EventFilter, last: int, *, as_json: bool, follow: bool) -> None:
    """Print the last events that are wanted, and then each as it comes, until interrupted. Raises `StoreError`."""
    show = _as_json if as_json else _as_line
    anyio.run(_watch, settings, wanted, last, show, follow)


async def _watch(
    settings: Settings, wanted: EventFilter, last: int, show: Callable[[StoredEvent], None], follow: bool
) -> None:
    async with Store.open(settings.database or default_url(), keep_for=settings.keep) as store:
        news, incoming = anyio.create_memory_object_stream[StoredEvent](100_000)

        def told(events: list[StoredEvent]) -> None:
            for event in events:
                news.send_nowait(event)

        leave = store.subscribe(told)
        try:
            shown = 0
            for event in reversed(await store.find(wanted, limit=last if wanted.since is None else _MOST_BEFORE)):
                show(event)
                shown = event.number
            if follow:
                later = replace(wanted, after_number=shown)
                async for event in incoming:
                    if later.matches(event):
                        show(event)
        finally:
            leave()


def show_aside(settings: Settings, *, as_json: bool) -> None:
    """Print what was set aside, newest first. Raises `StoreError`."""
    anyio.run(_show_aside, settings, as_json)


async def _show_aside(settings: Settings, as_json: bool) -> None:
    async with Store.open(settings.database or default_url(), keep_for=settings.keep) as store:
        for one in await store.aside():
            text = one.body.decode(errors="replace")
            if as_json:
                said = {"received_at": iso(one.received_at), "reason": one.reason, "bytes": one.size, "body": text}
                click.echo(json.dumps(said))
                continue
            body = quoted(text, 200)
            click.echo(f"{iso(one.received_at)}  {one.reason} ({one.size} bytes): {body}")


def _as_json(event: StoredEvent) -> None:
    click.echo(json.dumps(event_view(event), ensure_ascii=False))


def _as_line(event: StoredEvent) -> None:
    when = iso(event.occurred_at)[:19].replace("T", " ")
    click.echo(
        f"{click.style(when, dim=True)}  {click.style(describe_event(event), fg=COLOURS.get(event_kind(event.type)))}"
    )

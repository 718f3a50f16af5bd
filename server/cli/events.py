"""`events`: webhook events on a terminal, one line each, as they arrive."""

import json
from collections.abc import AsyncIterable, Callable
from dataclasses import replace

import anyio
import click

from ...tools.text import quoted
from ..events.event import EventFilter, StoredEvent
from ..events.projection.event_text import describe_event, event_kind
from ..events.store import RejectedWebhook
from ..events.times import iso
from ..events.views import event_view
from ..stores import open_for_reading
from .ledger import store_url
from .options import read_since, settings_options, since_option

COLOURS = {
    "conference": "bright_white",
    "participant": "green",
    "audio": "cyan",
    "recording": "red",
    "queue": "yellow",
    "call": "blue",
}
_MAX_EVENTS_SINCE = 1000
"""How many past events `--since` prints at most."""
_BUFFER_EVENTS = 100_000


@click.command()
@settings_options("database")
@click.option("--conference", "conference_id", metavar="ID", help="Only events of this conference.")
@click.option("--queue", metavar="NAME", help="Only events of this queue.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only events of this type, or of a group such as conference.participant.*. Repeatable.",
)
@since_option
@click.option(
    "--last",
    metavar="N",
    type=click.IntRange(0, 1000),
    default=20,
    show_default=True,
    help="Number of past events to print first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--once", is_flag=True, help="Exit after the past events.")
@click.option("--aside", is_flag=True, help="Print signed webhooks that are not events instead.")
def events(  # noqa: PLR0917 (one argument per option)
    database: str | None,
    conference_id: str | None,
    queue: str | None,
    types: tuple[str, ...],
    begin: str | None,
    last: int,
    as_json: bool,
    once: bool,
    aside: bool,
) -> None:
    """Print webhook events as they arrive.

    Reads the store that a server writes to. Runs until interrupted, unless --once is given.

    \b
    Examples:
      telnyx-conferencing events --type "conference.participant.*"
      telnyx-conferencing events --since 2h --once --json
    """
    url = store_url(database)
    if aside:
        anyio.run(_print_set_aside, url, as_json)
        return
    event_filter = EventFilter(
        types=frozenset(types), conference_id=conference_id, queue=queue, since=read_since(begin)
    )
    anyio.run(_print_events, url, event_filter, last, _print_json if as_json else _print_line, not once)


async def _print_events(
    url: str, event_filter: EventFilter, last: int, print_event: Callable[[StoredEvent], None], follow: bool
) -> None:
    """Print the last matching events, then each new one until interrupted."""
    async with open_for_reading(url) as store:
        sender, receiver = anyio.create_memory_object_stream[StoredEvent](_BUFFER_EVENTS)

        def on_events(events: list[StoredEvent]) -> None:
            for event in events:
                sender.send_nowait(event)

        unsubscribe = store.subscribe(on_events)  # before the past events are read, so that none is missed
        try:
            number = 0
            limit = last if event_filter.since is None else _MAX_EVENTS_SINCE
            for event in reversed(await store.find(event_filter, limit=limit)):
                print_event(event)
                number = event.number
            if not follow and not number:
                click.echo("No event matches.", err=True)
            if follow:
                await _print_new(receiver, replace(event_filter, after_number=number), print_event)
        finally:
            unsubscribe()


async def _print_new(
    events: AsyncIterable[StoredEvent], event_filter: EventFilter, print_event: Callable[[StoredEvent], None]
) -> None:
    async for event in events:
        if event_filter.matches(event):
            print_event(event)


async def _print_set_aside(url: str, as_json: bool) -> None:
    """Print the webhooks that were set aside, newest first."""
    async with open_for_reading(url) as store:
        print_webhook = _print_webhook_json if as_json else _print_webhook_line
        for webhook in await store.rejected():
            print_webhook(webhook)


def _print_webhook_json(webhook: RejectedWebhook) -> None:
    fields = {
        "received_at": iso(webhook.received_at),
        "reason": webhook.reason,
        "bytes": webhook.size,
        "body": webhook.body.decode(errors="replace"),
    }
    click.echo(json.dumps(fields))


def _print_webhook_line(webhook: RejectedWebhook) -> None:
    body = quoted(webhook.body.decode(errors="replace"), 200)
    click.echo(f"{iso(webhook.received_at)}  {webhook.reason} ({webhook.size} bytes): {body}")


def _print_json(event: StoredEvent) -> None:
    click.echo(json.dumps(event_view(event)))  # ASCII: text that callers chose cannot control the terminal


def _print_line(event: StoredEvent) -> None:
    when = iso(event.occurred_at)[:19].replace("T", " ")
    text = click.style(describe_event(event), fg=COLOURS.get(event_kind(event.type)))
    click.echo(f"{click.style(when, dim=True)}  {text}")

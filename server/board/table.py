"""The board as text, for hosts that show no pages: a compact table, never longer than a screen or two."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ...tools.words import clean, count, quoted
from ..events.projection.sanitize import format_duration
from ..events.times import parse_time
from .view import said

_MOST_ROOMS, _MOST_PEOPLE, _MOST_QUEUES, _MOST_WAITING, _MOST_EVENTS, _MOST_APPROVALS = 12, 20, 8, 10, 8, 5
_LONGEST = 40
_LONGEST_QUESTION = 300

Part = Mapping[str, Any]


def summary(board: Part) -> str:
    """The board in a sentence."""
    rooms, queues = board["rooms"], board["queues"]
    here, wait = sum(room["present"] for room in rooms), sum(queue["size"] for queue in queues)
    asks = len(board["approvals"]) + board.get("others_waiting", 0)
    open_rooms = len(rooms) + board.get("more_rooms", 0)
    parts = [
        f"{count(open_rooms, 'open conference')} with {count(here, 'person')}" if open_rooms else "No open conference",
        f"{count(wait, 'call')} waiting in {count(len(queues) + board.get('more_queues', 0), 'queue')}",
        *([f"{count(asks, 'question')} waiting for a person's yes"] if asks else []),
        *(["writes are stopped by a person"] if "stopped" in board else []),
    ]
    return f"{', '.join(parts)}."


def table(board: Part, now: str) -> str:
    """The board as lines. `now`: the moment from which it is counted how long something lasts."""
    at = parse_time(now)
    parts = [
        *(_room(room, at) for room in board["rooms"][:_MOST_ROOMS]),
        _more(board["rooms"], _MOST_ROOMS, "conference"),
        *(_queue(queue, at) for queue in board["queues"][:_MOST_QUEUES]),
        _more(board["queues"], _MOST_QUEUES, "queue"),
        _approvals(board, at),
        _events(board["events"]),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _room(room: Part, now: datetime) -> Iterator[str]:
    states = [_for(room.get("since"), now), count(room["present"], "person"), *_sounds(room)]
    yield f"Conference {quoted(room['name'], _LONGEST)}: {', '.join(filter(None, states))}"
    people = room["people"][:_MOST_PEOPLE]
    width = max((len(_cell(one)) for one in people), default=0)
    for one in people:
        yield f"  {_cell(one).ljust(width)}  {_for(one.get('since'), now).rjust(8)}  {_states(one, now)}".rstrip()
    if room["present"] > len(people):
        yield f"  and {room['present'] - len(people)} more"


def _sounds(room: Part) -> Iterable[str]:
    if room.get("recording") in ("recording", "paused"):
        yield "recording" if room["recording"] == "recording" else "recording paused"
    if "playing" in room:
        yield "audio playing"


def _states(one: Part, now: datetime) -> str:
    states = {
        "talking": "talking" in one,
        "muted": "muted" in one,
        f"on hold {_for(one.get('held'), now)}": "held" in one,
        {"monitor": "listens in", "whisper": "whispers", "barge": "supervises"}.get(one.get("role", ""), ""): "role"
        in one,
    }
    return ", ".join(state for state, holds in states.items() if holds)


def _queue(queue: Part, now: datetime) -> Iterator[str]:
    room = f" of {queue['most']}" if "most" in queue else ""
    yield f"Queue {quoted(queue['name'], _LONGEST)}: {queue['size']}{room} waiting"
    calls = queue["calls"][:_MOST_WAITING]
    for place, one in enumerate(calls, 1):
        gone = "  hung up" if "gone" in one else ""
        yield f"  {place:>2}. {_cell(one)}  {_for(one.get('since'), now)}{gone}"
    if queue["size"] > len(calls):
        yield f"  and {queue['size'] - len(calls)} more"


def _approvals(board: Part, now: datetime) -> Iterator[str]:
    waiting, others = board["approvals"], board.get("others_waiting", 0)
    if waiting or others:
        yield "Waiting for a person's yes"
    for one in waiting[:_MOST_APPROVALS]:
        left = format_duration(max(parse_time(one["expires_at"]) - now, timedelta()))
        yield f"  {one['tool']}, {one['risk']}, {left} left: {clean(one['question'], _LONGEST_QUESTION)}"
    if more := max(0, len(waiting) - _MOST_APPROVALS) + others:
        yield f"  and {more} more, of others" if others == more else f"  and {more} more"


def _events(events: Sequence[Part]) -> Iterator[str]:
    if events:
        yield "Last events (UTC)"
    for one in events[:_MOST_EVENTS]:
        yield f"  {one['at'][11:19]}  {clean(one['text'], 200)}"


def _more(parts: Sequence[Part], most: int, noun: str) -> Iterator[str]:
    if len(parts) > most:
        yield f"And {count(len(parts) - most, noun)} more."


def _cell(one: Part) -> str:
    return said(one["name"], _LONGEST)


def _for(since: str | None, now: datetime) -> str:
    return "" if since is None else format_duration(now - parse_time(since))

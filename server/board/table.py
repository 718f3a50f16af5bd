"""The board as a compact text table, for hosts that show no pages. It fits on one or two screens."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ...tools.text import clean, count, quoted, quoted_unless_number
from ..events.projection.sanitize import format_duration
from ..events.times import parse_time

_MAX_ROOMS, _MAX_PEOPLE, _MAX_QUEUES, _MAX_WAITING, _MAX_EVENTS, _MAX_APPROVALS = 12, 20, 8, 10, 8, 5
_MAX_ALERTS = 10
_MAX_NAME_LENGTH = 40
_MAX_QUESTION_LENGTH = 300
_MAX_EVENT_LENGTH = 200

Part = Mapping[str, Any]


def summary(board: Part) -> str:
    """The board in a sentence."""
    rooms, queues = board["rooms"], board["queues"]
    present, waiting = sum(room["present"] for room in rooms), sum(queue["size"] for queue in queues)
    requests = len(board["approvals"]) + board.get("others_waiting", 0)
    open_rooms = len(rooms) + board.get("more_rooms", 0)
    parts = [
        f"{count(open_rooms, 'open conference')} with {count(present, 'person')}"
        if open_rooms
        else "No open conference",
        f"{count(waiting, 'call')} waiting in {count(len(queues) + board.get('more_queues', 0), 'queue')}",
        *([f"{count(requests, 'approval request')} pending"] if requests else []),
        *([f"{count(len(board['alerts']), 'alert')} raised"] if board["alerts"] else []),
        *(["writes are stopped by a person"] if "stopped" in board else []),
    ]
    return f"{', '.join(parts)}."


def table(board: Part, now: str) -> str:
    """The board as lines of text. `now`: durations are counted to this moment."""
    at = parse_time(now)
    parts = [
        *(_room(room, at) for room in board["rooms"][:_MAX_ROOMS]),
        _more(board["rooms"], _MAX_ROOMS, "conference"),
        *(_queue(queue, at) for queue in board["queues"][:_MAX_QUEUES]),
        _more(board["queues"], _MAX_QUEUES, "queue"),
        _approvals(board, at),
        _alerts(board["alerts"]),
        _events(board["events"]),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _room(room: Part, now: datetime) -> Iterator[str]:
    states = [_duration(room.get("since"), now), count(room["present"], "person"), *_sounds(room)]
    yield f"Conference {quoted(room['name'], _MAX_NAME_LENGTH)}: {', '.join(filter(None, states))}"
    people = room["people"][:_MAX_PEOPLE]
    width = max((len(_cell(person)) for person in people), default=0)
    for person in people:
        duration = _duration(person.get("since"), now).rjust(8)
        yield f"  {_cell(person).ljust(width)}  {duration}  {_states(person, now)}".rstrip()
    if room["present"] > len(people):
        yield f"  and {room['present'] - len(people)} more"


def _sounds(room: Part) -> Iterable[str]:
    if room.get("recording") in ("recording", "paused"):
        yield "recording" if room["recording"] == "recording" else "recording paused"
    if "playing" in room:
        yield "audio playing"


def _states(person: Part, now: datetime) -> str:
    states = {
        "talking": "talking" in person,
        "muted": "muted" in person,
        f"on hold {_duration(person.get('held'), now)}": "held" in person,
        _ROLES.get(person.get("role", ""), ""): "role" in person,
    }
    return ", ".join(state for state, applies in states.items() if applies)


_ROLES = {"monitor": "listens in", "whisper": "whispers", "barge": "supervises"}


def _queue(queue: Part, now: datetime) -> Iterator[str]:
    limit = f" of {queue['most']}" if "most" in queue else ""
    yield f"Queue {quoted(queue['name'], _MAX_NAME_LENGTH)}: {queue['size']}{limit} waiting"
    calls = queue["calls"][:_MAX_WAITING]
    for position, call in enumerate(calls, 1):
        hung_up = "  hung up" if "gone" in call else ""
        yield f"  {position:>2}. {_cell(call)}  {_duration(call.get('since'), now)}{hung_up}"
    if queue["size"] > len(calls):
        yield f"  and {queue['size'] - len(calls)} more"


def _approvals(board: Part, now: datetime) -> Iterator[str]:
    waiting, others = board["approvals"], board.get("others_waiting", 0)
    if waiting or others:
        yield "Waiting for approval"
    for approval in waiting[:_MAX_APPROVALS]:
        time_left = format_duration(max(parse_time(approval["expires_at"]) - now, timedelta()))
        question = clean(approval["question"], _MAX_QUESTION_LENGTH)
        yield f"  {approval['tool']}, {approval['risk']}, {time_left} left: {question}"
    if more := max(0, len(waiting) - _MAX_APPROVALS) + others:
        yield f"  and {more} more, by other clients" if others == more else f"  and {more} more"


def _alerts(alerts: Sequence[Part]) -> Iterator[str]:
    if alerts:
        yield "Alerts"
    for alert in alerts[:_MAX_ALERTS]:
        yield f"  {alert['alert']}: {clean(alert['text'], _MAX_EVENT_LENGTH)}"
    if len(alerts) > _MAX_ALERTS:
        yield f"  and {len(alerts) - _MAX_ALERTS} more"


def _events(events: Sequence[Part]) -> Iterator[str]:
    if events:
        yield "Last events (UTC)"
    for event in events[:_MAX_EVENTS]:
        yield f"  {event['at'][11:19]}  {clean(event['text'], _MAX_EVENT_LENGTH)}"


def _more(parts: Sequence[Part], limit: int, noun: str) -> Iterator[str]:
    if len(parts) > limit:
        yield f"And {count(len(parts) - limit, noun)} more."


def _cell(part: Part) -> str:
    return quoted_unless_number(part["name"], _MAX_NAME_LENGTH)


def _duration(since: str | None, now: datetime) -> str:
    return "" if since is None else format_duration(now - parse_time(since))

"""An event out of what Telnyx posts, in either form of its envelope."""

import json
import math
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NoReturn, cast

from pydantic_core import from_json

from .event import Event, Via
from .times import parse_time

MAX_BODY_BYTES = 1024 * 1024
"""Bytes of a webhook; Telnyx's are a few thousand."""
_MAX_DEPTH = 64
"""Levels of nesting; Telnyx's have six. What is read must be written again, where recursion has its limits."""
_MAX_KEY_LENGTH = 512
"""Characters of what events are found by: within what a database index holds, whatever they are encoded in."""


class NotAnEvent(ValueError):
    """What came is no event of Telnyx's; the message says why."""


def parse_event(body: bytes, *, via: Via, verified: bool, received_at: datetime) -> Event:
    """The event in a webhook's raw body.

    The envelope is `{"data": {...}, "meta": {...}}`, or the bare event, which is how Telnyx documents
    `conference.floor.changed`. `occurred_at` stands in the event, in its payload or nowhere, in which case
    `received_at` is taken. An `id` and an `event_type` are required; nothing else is, and what is unknown is kept.
    What is not a character, half a surrogate pair, becomes `?`, since it could be neither stored nor shown.

    Raises `NotAnEvent`, and nothing else, whatever the body is.
    """
    event = _unwrapped(_parsed(body))
    payload = _payload(event)
    occurred_at = _time(event.get("occurred_at")) or _time(payload.get("occurred_at")) or received_at
    return Event(
        id=_required(event, "id"),
        type=_required(event, "event_type"),
        occurred_at=occurred_at,
        payload=payload,
        via=via,
        verified=verified,
        conference_id=_key(payload.get("conference_id")),
        call_control_id=_key(payload.get("call_control_id")),
        call_session_id=_key(payload.get("call_session_id")),
        queue=_key(payload.get("queue")),
    )


def parse_payload(body: bytes) -> dict[str, Any]:
    """The payload of the event in a body that `parse_event` read."""
    return _payload(_unwrapped(_parsed(body)))


def parse_event_data(data: Mapping[str, Any], *, via: Via, verified: bool, received_at: datetime) -> Event:
    """The event in JSON that is parsed already, such as `webhook` of an item of Telnyx's `/webhook_deliveries`.

    Reads both forms of the envelope. Raises `NotAnEvent`.
    """
    try:
        body = json.dumps(dict(data), ensure_ascii=False, allow_nan=False).encode(errors="replace")
    except (TypeError, ValueError, RecursionError) as odd:
        raise NotAnEvent(f"it cannot be written as JSON ({type(odd).__name__})") from None
    return parse_event(body, via=via, verified=verified, received_at=received_at)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def _parsed(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise NotAnEvent(f"it is larger than {MAX_BODY_BYTES} bytes")
    try:
        parsed = _decoded(body)
    except UnicodeDecodeError:
        raise NotAnEvent("it is not UTF-8") from None
    except ValueError as wrong:
        raise NotAnEvent(f"it is not JSON: {wrong}") from None
    except RecursionError:
        raise NotAnEvent(f"it is nested more than {_MAX_DEPTH} deep") from None
    if not isinstance(parsed, dict):
        raise NotAnEvent("it is not a JSON object")
    return _safe(body, cast("dict[str, Any]", parsed))


def _decoded(body: bytes) -> Any:
    """What is quick refuses halves of surrogate pairs, does not say well what is wrong, and takes endless numbers."""
    try:
        parsed = from_json(body, allow_inf_nan=False)
    except ValueError:
        return _decode(body.decode())
    return _decode(body.decode()) if _is_endless((parsed,)) else parsed


def _is_endless(values: Iterable[object]) -> bool:
    """Whether a number among these, or in them, is too large for a float."""
    for value in values:
        kind = type(value)
        if kind is str:  # as most are; and every event is looked through
            continue
        if kind is float:
            if math.isinf(cast("float", value)):
                return True
        elif kind in (dict, list) and _is_endless(_children(value)):
            return True
    return False


def _safe(body: bytes, parsed: dict[str, Any]) -> dict[str, Any]:
    """What was parsed, fit to be written again. Looks closer only at what might not be, which next to nothing is."""
    if body.count(b"{") + body.count(b"[") > _MAX_DEPTH and _is_deep(parsed):
        raise NotAnEvent(f"it is nested more than {_MAX_DEPTH} deep")
    if b"\\" in body and (b"\\ud" in body or b"\\uD" in body):
        return json.loads(json.dumps(parsed, ensure_ascii=False).encode(errors="replace"))
    return parsed


def _is_deep(value: Any) -> bool:
    level: list[object] = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for one in level for child in _children(one)]
        if not any(isinstance(one, (dict, list)) for one in level):
            return False
    return True


def _children(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _unwrapped(envelope: dict[str, Any]) -> dict[str, Any]:
    data = envelope.get("data")
    if isinstance(data, dict) and ("event_type" in data or "event_type" not in envelope):
        return cast("dict[str, Any]", data)
    return envelope


def _payload(event: dict[str, Any]) -> dict[str, Any]:
    """What is no object is kept beside what is, as in every answer of Telnyx's that has an unexpected shape."""
    payload = event.get("payload")
    if isinstance(payload, dict):
        return cast("dict[str, Any]", payload)
    return {} if payload is None else {"unexpected": payload}


def _required(event: dict[str, Any], name: str) -> str:
    key = _key(event.get(name))
    if key is None:
        wrong = "has no" if event.get(name) is None else "has an impossible"
        raise NotAnEvent(f"it {wrong} {name}")
    return key


def _key(value: Any) -> str | None:
    """A string that events can be found by. A NUL is none: no PostgreSQL text holds one."""
    if isinstance(value, str) and 0 < len(value) <= _MAX_KEY_LENGTH and "\0" not in value:
        return value
    return None


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return parse_time(value)
    except ValueError:
        return None

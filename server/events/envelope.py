"""Parses the events that Telnyx posts, in each form of the envelope."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NoReturn, cast

from pydantic_core import from_json

from ..json_text import MAX_NESTING, children, is_too_deep
from .event import Event, Signature, Via
from .times import iso, parse_time

MAX_BODY_BYTES = 1024 * 1024
"""Size of a webhook. Telnyx's have a few thousand bytes."""
_MAX_KEY_LENGTH = 512
"""Characters of the ids and names by which events are found, so that they fit into a database index."""


_TIME_FIELDS = ("occurred_at", "occured_at")


class NotAnEvent(ValueError):
    """The body is not an event of Telnyx. The message says why."""


def parse_event(
    body: bytes, *, via: Via, verified: bool, received_at: datetime, signature: Signature | None = None
) -> Event:
    """The event in a webhook's raw body.

    The envelope is `{"data": {...}, "meta": {...}}`, or the bare event, which is how Telnyx documents
    `conference.floor.changed`. The time is in the event or in its payload, as `occurred_at`, `occured_at` (as some
    examples of Telnyx spell it) or `created_at` (version 1 of the webhook API). Without one it is `received_at`.
    Only `id` and `event_type` are required, and unknown fields are kept. Half of a surrogate pair becomes `?`, because
    it could not be stored or displayed.

    Raises `NotAnEvent` for any other body.
    """
    event = _unwrap(_parse_object(body))
    payload = _payload(event)
    times = (_time(part.get(name)) for part in (event, payload) for name in _TIME_FIELDS)
    occurred_at = next(filter(None, times), None) or _time(event.get("created_at")) or received_at
    return Event(
        id=_required_key(event, "id"),
        type=_required_key(event, "event_type"),
        occurred_at=occurred_at,
        payload=payload,
        via=via,
        verified=verified,
        conference_id=_key(payload.get("conference_id")),
        call_control_id=_key(payload.get("call_control_id")),
        call_session_id=_key(payload.get("call_session_id")),
        queue=_key(payload.get("queue")),
        signature=signature,
    )


def parse_payload(body: bytes) -> dict[str, Any]:
    """The payload of the event in a body that `parse_event` accepted."""
    return _payload(_unwrap(_parse_object(body)))


def parse_event_data(data: Mapping[str, Any], *, via: Via, verified: bool, received_at: datetime) -> Event:
    """The event in parsed JSON, such as `webhook` in an item of Telnyx's `/webhook_deliveries`.

    Accepts each form of the envelope. Raises `NotAnEvent`.
    """
    try:
        body = json.dumps(dict(data), ensure_ascii=False, allow_nan=False).encode(errors="replace")
    except (TypeError, ValueError, RecursionError) as problem:
        raise NotAnEvent(f"it cannot be written as JSON ({type(problem).__name__})") from None
    return parse_event(body, via=via, verified=verified, received_at=received_at)


def server_event(event_type: str, event_id: str, payload: Mapping[str, Any], now: datetime) -> tuple[Event, bytes]:
    """An event that this server makes itself, such as a raised alert, and its body for the store.

    Fields of the payload that are None are left out.
    """
    present = {name: value for name, value in payload.items() if value is not None}
    data = {"id": event_id, "event_type": event_type, "occurred_at": iso(now), "payload": present}
    body = json.dumps({"data": data}, ensure_ascii=False).encode(errors="replace")
    return parse_event(body, via=Via.SERVER, verified=True, received_at=now), body


def is_version_1(event_type: str) -> bool:
    """Whether the event comes from version 1 of the webhook API, such as `call_initiated`."""
    return "." not in event_type and event_type.startswith("call_")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def _parse_object(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise NotAnEvent(f"it is larger than {MAX_BODY_BYTES} bytes")
    try:
        parsed = _decode_strictly(body)
    except UnicodeDecodeError:
        raise NotAnEvent("it is not UTF-8") from None
    except ValueError as problem:
        raise NotAnEvent(f"it is not JSON: {problem}") from None
    except RecursionError:
        raise NotAnEvent(f"it is nested more than {MAX_NESTING} deep") from None
    if not isinstance(parsed, dict):
        raise NotAnEvent("it is not a JSON object")
    return _safe(body, cast("dict[str, Any]", parsed))


def _decode_strictly(body: bytes) -> Any:
    """The quick parser refuses half surrogate pairs, has poor messages, and accepts numbers that overflow to infinity.

    In these cases the slow parser decides.
    """
    try:
        parsed = from_json(body, allow_inf_nan=False)
    except ValueError:
        return _decode(body.decode())
    return _decode(body.decode()) if _has_infinity((parsed,)) else parsed


def _has_infinity(values: Iterable[object]) -> bool:
    """Whether a number in these values is too large for a float."""
    for value in values:
        kind = type(value)
        if kind is str:  # the most frequent type
            continue
        if kind is float:
            if math.isinf(cast("float", value)):
                return True
        elif kind in (dict, list) and _has_infinity(children(value)):
            return True
    return False


def _safe(body: bytes, parsed: dict[str, Any]) -> dict[str, Any]:
    """The parsed event in a form that can be written again. Almost every event can be, without a closer look."""
    if body.count(b"{") + body.count(b"[") > MAX_NESTING and is_too_deep(parsed):
        raise NotAnEvent(f"it is nested more than {MAX_NESTING} deep")
    if b"\\" in body and (b"\\ud" in body or b"\\uD" in body):
        return json.loads(json.dumps(parsed, ensure_ascii=False).encode(errors="replace"))
    return parsed


def _unwrap(envelope: dict[str, Any]) -> dict[str, Any]:
    data = envelope.get("data")
    if isinstance(data, dict) and ("event_type" in data or "event_type" not in envelope):
        return cast("dict[str, Any]", data)
    return envelope


def _payload(event: dict[str, Any]) -> dict[str, Any]:
    """A payload that is not an object is kept under `unexpected`."""
    payload = event.get("payload")
    if isinstance(payload, dict):
        return cast("dict[str, Any]", payload)
    return {} if payload is None else {"unexpected": payload}


def _required_key(event: dict[str, Any], name: str) -> str:
    key = _key(event.get(name))
    if key is None:
        problem = "has no" if event.get(name) is None else "has an invalid"
        raise NotAnEvent(f"it {problem} {name}")
    return key


def _key(value: Any) -> str | None:
    """A string by which events can be found. PostgreSQL cannot store one with a NUL character."""
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

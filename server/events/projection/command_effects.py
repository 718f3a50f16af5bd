"""What a command that Telnyx accepted says about a conference or a queue."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

Arguments = Mapping[str, Any]
Facts = Iterator[tuple[tuple[str, ...] | None, str, Any]]
"""Whom it is about (None: all who are in it, or the whole), what, and how it is."""


def _legs(arguments: Arguments) -> tuple[str, ...] | None:
    """None: everyone."""
    named = arguments.get("call_control_ids")
    return tuple(cast("list[str]", named)) if isinstance(named, list | tuple) and named else None


def _each(name: str, value: bool) -> Callable[[Arguments], Facts]:
    def facts(arguments: Arguments) -> Facts:
        yield _legs(arguments), name, value

    return facts


def _recording(value: str) -> Callable[[Arguments], Facts]:
    def facts(arguments: Arguments) -> Facts:
        yield None, "recording", value

    return facts


def _role(arguments: Arguments) -> Facts:
    """A whisper that nobody hears is a monitor."""
    who = (str(arguments.get("call_control_id")),)
    role = arguments.get("supervisor_role")
    heard_by = list(cast("list[str]", arguments.get("whisper_call_control_ids") or []))
    if role is not None:
        yield who, "role", "monitor" if role == "whisper" and not heard_by else role
        yield who, "whisper_to", heard_by if role == "whisper" else []


def _exits(who: tuple[str, ...] | None, arguments: Arguments) -> Facts:
    for name in ("end_conference_on_exit", "soft_end_conference_on_exit"):
        if arguments.get(name) is not None:
            yield who, name, bool(arguments[name])


def _join(arguments: Arguments) -> Facts:
    who = (str(arguments.get("call_control_id")),)
    if arguments.get("mute"):
        yield who, "muted", True
    if arguments.get("hold"):
        yield who, "on_hold", True
    yield from _role(arguments)
    yield from _exits(who, arguments)


def _exits_of_one(arguments: Arguments) -> Facts:
    yield from _exits(None, arguments)


CONFERENCE: Mapping[str, Callable[[Arguments], Facts]] = {
    "hold_participants": _each("on_hold", True),
    "unhold_participants": _each("on_hold", False),
    "mute_participants": _each("muted", True),
    "unmute_participants": _each("muted", False),
    "join_conference": _join,
    "update_supervisor": _role,
    "update_participant": _exits_of_one,
    "start_recording": _recording("recording"),
    "stop_recording": _recording("stopped"),
    "pause_recording": _recording("paused"),
    "resume_recording": _recording("recording"),
}
"""By the tool's name; every other says nothing that events do not say."""

QUEUE: Mapping[str, str] = {
    "create_queue": "max_size",
    "update_queue": "max_size",
    "enqueue_call": "keep_after_hangup",
    "update_queue_call": "keep_after_hangup",
    "delete_queue": "deleted",
}
"""By the tool's name: what it says of the queue, or of the call in it."""

OPENS_QUEUE = frozenset({"create_queue", "enqueue_call"})
"""After these there is a queue, if there was none."""

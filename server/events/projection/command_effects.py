"""What a command that Telnyx accepted changes in a conference or a queue."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

Arguments = Mapping[str, Any]
Effects = Iterator[tuple[tuple[str, ...] | None, str, Any]]
"""The call legs concerned (None: everyone present, or the conference itself), the name of the fact, its value."""


def _calls(arguments: Arguments) -> tuple[str, ...] | None:
    """None: everyone."""
    calls = arguments.get("call_control_ids")
    return tuple(cast("list[str]", calls)) if isinstance(calls, list | tuple) and calls else None


def _set_flag(name: str, value: bool) -> Callable[[Arguments], Effects]:
    def effects(arguments: Arguments) -> Effects:
        yield _calls(arguments), name, value

    return effects


def _set_recording(value: str) -> Callable[[Arguments], Effects]:
    def effects(arguments: Arguments) -> Effects:
        yield None, "recording", value

    return effects


def _end(arguments: Arguments) -> Effects:
    yield None, "ended", "ended_via_api"


def _set_role(arguments: Arguments) -> Effects:
    """A whisper without listeners is a monitor."""
    calls = (str(arguments.get("call_control_id")),)
    role = arguments.get("supervisor_role")
    listeners = list(cast("list[str]", arguments.get("whisper_call_control_ids") or []))
    if role is not None:
        yield calls, "role", "monitor" if role == "whisper" and not listeners else role
        yield calls, "whisper_to", listeners if role == "whisper" else []


def _set_exits(calls: tuple[str, ...] | None, arguments: Arguments) -> Effects:
    for name in ("end_conference_on_exit", "soft_end_conference_on_exit"):
        if arguments.get(name) is not None:
            yield calls, name, bool(arguments[name])


def _join(arguments: Arguments) -> Effects:
    calls = (str(arguments.get("call_control_id")),)
    if arguments.get("mute"):
        yield calls, "muted", True
    if arguments.get("hold"):
        yield calls, "on_hold", True
    yield from _set_role(arguments)
    yield from _set_exits(calls, arguments)


def _update_participant(arguments: Arguments) -> Effects:
    yield from _set_exits(None, arguments)


CONFERENCE: Mapping[str, Callable[[Arguments], Effects]] = {
    "end_conference": _end,
    "hold_participants": _set_flag("on_hold", True),
    "unhold_participants": _set_flag("on_hold", False),
    "mute_participants": _set_flag("muted", True),
    "unmute_participants": _set_flag("muted", False),
    "join_conference": _join,
    "update_supervisor": _set_role,
    "update_participant": _update_participant,
    "start_recording": _set_recording("recording"),
    "stop_recording": _set_recording("stopped"),
    "pause_recording": _set_recording("paused"),
    "resume_recording": _set_recording("recording"),
}
"""By tool. The effects of other tools are known from events."""

QUEUE: Mapping[str, str] = {
    "create_queue": "max_size",
    "update_queue": "max_size",
    "enqueue_call": "keep_after_hangup",
    "update_queue_call": "keep_after_hangup",
    "delete_queue": "deleted",
}
"""By tool: the fact about the queue, or about the call in it."""

OPENS_QUEUE = frozenset({"create_queue", "enqueue_call"})
"""Tools after which the queue exists."""

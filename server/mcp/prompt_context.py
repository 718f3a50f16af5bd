"""What a prompt shows: its arguments, and the conference or queue that they name. All of it is cleaned, quoted data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...tools.words import quoted

if TYPE_CHECKING:
    from ...prompts.files import Argument, Prompt
    from ...prompts.rendering import Said

_LONGEST = 300
"""Characters of an argument."""
_LONGEST_ID = 80
_LONGEST_NAME = 40
_MOST = 6
"""People in a conference, or calls in a queue; how many more there are is said."""


def facts(
    prompt: "Prompt",
    given: Mapping[str, str],
    conference: Mapping[str, Any] | None,
    queue: Mapping[str, Any] | None,
    missing: Sequence[str],
) -> dict[str, Any]:
    """What a prompt's template shows.

    `conference` and `queue` are lean views of what it names, None where there is none; `missing` are the tools that it
    leans on and that are not offered.
    """
    arguments = {one.name: _argument(one, given.get(one.name)) for one in prompt.arguments}
    return arguments | {"room": _room(conference), "line": _line(queue), "missing": [_said(name) for name in missing]}


def _said(words: str) -> "Said":
    """Words that may be shown: ours, or cleaned by `quoted`."""
    from ...prompts.rendering import Said  # noqa: PLC0415 (a template engine, for whoever gets a prompt)

    return Said(words)


def _argument(argument: "Argument", value: str | None) -> "Said | None":
    """What was given for an argument, as data; words that it is chosen among are ours."""
    if value is None:
        return None
    if isinstance(argument.completes, tuple):
        return _said(value)
    if not argument.several:
        return _said(quoted(value, _LONGEST))
    parts = (part.strip() for part in value.split(","))
    return _said(", ".join(quoted(part, _LONGEST_NAME) for part in parts if part))


def _room(conference: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A conference as `prompts/_room.md` shows it."""
    if conference is None:
        return None
    people = [one for one in conference.get("participants", ()) if "left_at" not in one]
    is_open = conference["status"] == "open"
    return {
        "id": _id(conference["id"]),
        "name": _said(quoted(name)) if (name := conference.get("name")) else None,
        "open": is_open,
        "recording": _said(quoted(_fact(conference, "recording"))) if "recording" in conference else None,
        "total": int(conference.get("present") or 0),
        "people": [_person(one) for one in people[:_MOST]],
        "more": max(0, len(people) - _MOST),
    }


def _person(one: Mapping[str, Any]) -> dict[str, Any]:
    role = _fact(one, "role")
    return {
        "who": _who(one),
        "leg": _id(one["call_control_id"]),
        "muted": bool(_fact(one, "muted")),
        "on_hold": bool(_fact(one, "on_hold")),
        "role": _said(quoted(role, _LONGEST_NAME)) if role not in (None, "none") else None,
    }


def _line(queue: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A queue as `prompts/_line.md` shows it."""
    if queue is None:
        return None
    calls = queue["calls"]
    return {
        "name": _said(quoted(queue["name"])),
        "total": len(calls),
        "calls": [_waiting(one) for one in calls[:_MOST]],
        "more": max(0, len(calls) - _MOST),
    }


def _waiting(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "position": int(one["position"]),
        "who": _who(one),
        "seconds": int(one["seconds"]),
        "leg": _id(one["call_control_id"]),
        "hung_up": one.get("is_alive") is False,
    }


def _fact(one: Mapping[str, Any], name: str) -> Any:
    fact: Mapping[str, Any] | None = one.get(name)
    return None if fact is None else fact["value"]


def _who(one: Mapping[str, Any]) -> "Said | None":
    known = one.get("label") or one.get("number")
    return _said(quoted(known, _LONGEST_NAME)) if known else None


def _id(identifier: str) -> "Said":
    return _said(quoted(identifier, _LONGEST_ID))

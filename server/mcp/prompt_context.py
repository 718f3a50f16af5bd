"""The context of a prompt's template: its arguments, and the conference or queue they name, all as safe text."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...prompts.safe_text import SafeText
from ...tools.text import quoted

if TYPE_CHECKING:
    from ...prompts.files import Argument, Prompt

_MAX_ARGUMENT_LENGTH = 300
_MAX_ID_LENGTH = 80
_MAX_NAME_LENGTH = 40
_MAX_PEOPLE = 6
"""Participants of a conference or calls in a queue; the template says how many more there are."""


def prompt_context(
    prompt: "Prompt",
    arguments: Mapping[str, str],
    conference: Mapping[str, Any] | None,
    queue: Mapping[str, Any] | None,
    missing: Sequence[str],
) -> dict[str, Any]:
    """The variables of a prompt's template.

    `conference` and `queue` are views of what the arguments name, if any; `missing` names the prompt's tools that are
    not offered.
    """
    texts = {about.name: _argument(about, arguments.get(about.name)) for about in prompt.arguments}
    return texts | {
        "conference_view": _conference(conference),
        "queue_view": _queue(queue),
        "missing": [SafeText(name) for name in missing],
    }


def _argument(argument: "Argument", value: str | None) -> SafeText | None:
    """An argument as quoted data; a value from a fixed list of choices needs no quotes."""
    if value is None:
        return None
    if isinstance(argument.completes, tuple):
        return SafeText(value)
    if not argument.several:
        return SafeText(quoted(value, _MAX_ARGUMENT_LENGTH))
    parts = (part.strip() for part in value.split(","))
    return SafeText(", ".join(quoted(part, _MAX_NAME_LENGTH) for part in parts if part))


def _conference(conference: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A conference as `prompts/_conference.md` shows it."""
    if conference is None:
        return None
    people = [person for person in conference.get("participants", ()) if "left_at" not in person]
    is_open = conference["status"] == "open"
    return {
        "id": _id(conference["id"]),
        "name": SafeText(quoted(name)) if (name := conference.get("name")) else None,
        "open": is_open,
        "recording": SafeText(quoted(_fact(conference, "recording"))) if "recording" in conference else None,
        "total": int(conference.get("present") or 0),
        "people": [_person(person) for person in people[:_MAX_PEOPLE]],
        "more": max(0, len(people) - _MAX_PEOPLE),
    }


def _person(person: Mapping[str, Any]) -> dict[str, Any]:
    role = _fact(person, "role")
    return {
        "who": _who(person),
        "leg": _id(person["call_control_id"]),
        "muted": bool(_fact(person, "muted")),
        "on_hold": bool(_fact(person, "on_hold")),
        "role": SafeText(quoted(role, _MAX_NAME_LENGTH)) if role not in (None, "none") else None,
    }


def _queue(queue: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A queue as `prompts/_queue.md` shows it."""
    if queue is None:
        return None
    calls = queue["calls"]
    return {
        "name": SafeText(quoted(queue["name"])),
        "total": len(calls),
        "calls": [_call(call) for call in calls[:_MAX_PEOPLE]],
        "more": max(0, len(calls) - _MAX_PEOPLE),
    }


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "position": int(call["position"]),
        "who": _who(call),
        "seconds": int(call["seconds"]),
        "leg": _id(call["call_control_id"]),
        "hung_up": call.get("is_alive") is False,
    }


def _fact(view: Mapping[str, Any], name: str) -> Any:
    fact: Mapping[str, Any] | None = view.get(name)
    return None if fact is None else fact["value"]


def _who(view: Mapping[str, Any]) -> SafeText | None:
    name = view.get("label") or view.get("number")
    return SafeText(quoted(name, _MAX_NAME_LENGTH)) if name else None


def _id(identifier: str) -> SafeText:
    return SafeText(quoted(identifier, _MAX_ID_LENGTH))

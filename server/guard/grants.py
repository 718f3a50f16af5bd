"""Bounded grants: what a person is asked to allow in advance, and which calls a grant covers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel

from ...prompts.safe_text import SafeText
from ...tools import COMMANDS
from ...tools.base import EVERYONE, Command, arguments_of
from ...tools.conferences import EndConference
from ...tools.permissions import RequestGrant
from ...tools.text import CONTENT_ARGUMENTS, clean_id, count, listed, quoted, redacted
from ..errors import CallRefused
from .effects import Assessment
from .ledger import GrantTerms, GrantUse
from .ledger.grants import ANYTHING
from .place import PlaceKind
from .situation import Room, Situation

COMMAND_OF = {command.tool_name(): command for command in COMMANDS}
_NEVER_GRANTED = (EndConference,)
"""Beside these, a grant covers no call whose effects go beyond its tool's plain use: see `grant_use`."""
_ROOM_ARGUMENTS = frozenset({"conference_id", "command_id"})
"""Arguments that need no limit: the conference has its own, and an id for repeats has no effect."""
_LEG_ARGUMENTS = ("call_control_id", "other_call_control_id", "supervise_call_control_id")
_MAX_VALUES = 50
_MAX_TEXT_LENGTH = 4096


def terms_of(request: RequestGrant, defaults: Mapping[str, str | None]) -> GrantTerms:
    """The terms that a request asks for. Raises `CallRefused` if no grant can have them.

    `defaults`: the operator's values for arguments that are left out, by setting.
    """
    command = COMMAND_OF.get(request.tool)
    if command in _NEVER_GRANTED:
        raise CallRefused(f"{request.tool} cannot be granted: a person is asked about each call of it.")
    if command is None or command.is_read():
        raise CallRefused(
            f"{quoted(request.tool)} cannot be granted: there is no such tool, or a person is asked about none of its "
            "calls, or only about what a grant never covers."
        )
    limits = {name: _values(value) for name, value in request.limits.items()}
    limits |= {
        _public_name(argument): [defaults[setting]]
        for argument, setting in command.settings.items()
        if _public_name(argument) not in limits and defaults.get(setting) is not None
    }
    argument_names = dict(_argument_names(command))
    if unknown := sorted(limits.keys() - argument_names.keys()):
        raise CallRefused(
            f"{request.tool} has no argument {quoted(unknown[0])} to limit. It has {', '.join(sorted(argument_names))}."
        )
    if missing := [name for name, is_required in argument_names.items() if is_required and name not in limits]:
        raise CallRefused(f"limits must say which values {missing[0]} of {request.tool} may have.")
    return GrantTerms(request.tool, limits, request.conference_id, None, request.count, request.minutes)


def _values(value: Any) -> list[Any]:
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    is_plain = all(isinstance(item, str | int | float | bool) for item in values)
    if not 0 < len(values) <= _MAX_VALUES or not is_plain:
        raise CallRefused(f"limits must give each argument a value, or a list of 1 to {_MAX_VALUES} values.")
    return values


def _argument_names(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    """The arguments that can be limited, those within an object by their own names; whether each is required."""
    for name, field in model.model_fields.items():
        inner = [kind for kind in _types(field.annotation) if issubclass(kind, BaseModel)]
        for kind in inner:
            yield from ((within, False) for within, _ in _argument_names(kind))
        if not inner and name not in _ROOM_ARGUMENTS:
            yield _public_name(name), field.is_required()


def _types(annotation: Any) -> Iterator[type[Any]]:
    if isinstance(annotation, type):
        yield cast("type[Any]", annotation)
    for inner in getattr(annotation, "__args__", ()):
        yield from _types(inner)


def _public_name(name: str) -> str:
    """The name of an argument as the model knows it: `from` for the field `from_`."""
    return name.removesuffix("_")


def question_facts(
    terms: GrantTerms, room: Room | None, who: Callable[[str], str], *, for_records: bool = False
) -> dict[str, Any]:
    """What the question about a grant shows. `who` names the person on a call leg.

    `for_records`: without what is spoken or keyed on a call, for the audit.
    """
    limits = [_limit_text(name, values, who, for_records=for_records) for name, values in terms.limits.items()]
    return {
        "tool": SafeText(terms.tool),
        "calls": SafeText(count(terms.count, "time")),
        "minutes": SafeText(count(terms.minutes, "minute")),
        "room": SafeText(f"{room.title} ({clean_id(room.id)})") if room is not None else None,
        "limits": SafeText("; ".join(limits)) if limits else None,
    }


def _limit_text(name: str, values: Any, who: Callable[[str], str], *, for_records: bool) -> str:
    if ANYTHING in values:
        return f"{name} is anything"
    if for_records and name in CONTENT_ARGUMENTS:
        return f"{name} is {listed(list(map(redacted, values)), _MAX_VALUES, ' or ')}"
    texts = [_value_text(name, value, who) for value in values]
    return f"{name} is {listed(texts, _MAX_VALUES, ' or ')}"


def _value_text(name: str, value: Any, who: Callable[[str], str]) -> str:
    if not isinstance(value, str):
        return str(value).lower()
    if name in (*_LEG_ARGUMENTS, "call_control_ids") and value != EVERYONE:
        return f"{who(value)} ({clean_id(value)})"
    return quoted(value, _MAX_TEXT_LENGTH)


async def grant_use(assessment: Assessment, identity: str | None) -> GrantUse | None:
    """The call as the use of a grant. None: no grant covers it.

    A grant covers only the plain use of its tool. A call with effects that a person is asked about, such as the end of
    a conference or people who are overheard, is asked about each time.
    """
    command = assessment.situation.command
    if assessment.reasons or isinstance(command, _NEVER_GRANTED):
        return None
    return GrantUse(
        tool=command.tool_name(),
        identity=identity,
        arguments=dict(_given_arguments(assessment.command)),
        rooms=await _rooms(command, assessment.situation),
        amount=_amount(command),
        everyone=EVERYONE,
    )


def _given_arguments(command: Command) -> Iterator[tuple[str, Any]]:
    """The arguments that differ from their defaults, except those that name the conference."""
    for name, value in arguments_of(command).items():
        field = type(command).model_fields.get(name)
        is_left_out = field is not None and not field.is_required() and value == field.default
        if name not in _ROOM_ARGUMENTS and not is_left_out:
            yield _public_name(name), value


async def _rooms(command: Command, situation: Situation) -> frozenset[str | None]:
    arguments = arguments_of(command)
    legs = [arguments[name] for name in _LEG_ARGUMENTS if arguments.get(name) not in (None, EVERYONE)]
    # A call leg counts where it is, also if the command names a conference that is not part of its request's path.
    if "conference_id" in command.route.parameters or not legs:
        return frozenset({arguments.get("conference_id")})
    places = [await situation.place(leg) for leg in legs]
    return frozenset(place.conference_id if place.kind is PlaceKind.CONFERENCE else None for place in places)


def _amount(command: Command) -> int:
    legs = getattr(command, "call_control_ids", None)
    return max(1, len(command.numbers()), len(cast("list[str]", legs)) if isinstance(legs, list) else 0)

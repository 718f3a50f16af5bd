"""The base classes of tools: Tool, Command, Route, Risk, Retry, Undo."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

from .results import ToolResult

EVERYONE = "everyone"
"""The single entry of `call_control_ids` that means the whole room, for which Telnyx wants the list left out."""

WIRE = {"wire": True}
"""Validation context of an HTTP request to the sandbox: Telnyx's rules apply, not this server's stricter ones."""

T = TypeVar("T")

_PAGING = {"page_number": "page[number]", "page_size": "page[size]", "page_after": "page[after]"}
_UNPAGING = {wire: name for name, wire in _PAGING.items()}
_SEGMENT_SAFE = "!$&'()*+,;=:@"  # RFC 3986 allows these unescaped in a path segment, besides the unreserved ones
_PLACEHOLDER = re.compile(r"{(\w+)}")


class Risk(IntEnum):
    """How much a call can harm, in rising order."""

    READ = 0
    """Nothing changes."""
    ROUTINE = 1
    """Everyday work."""
    DISRUPTIVE = 2
    """People notice it, and another tool undoes it."""
    DESTRUCTIVE = 3
    """It cannot be undone: a call ends, a place in a queue is lost, people are overheard or recorded."""

    def __str__(self) -> str:
        return self.name.lower()


class ApprovalLevel(StrEnum):
    """The lowest risk that needs a person's approval."""

    DESTRUCTIVE = "destructive"
    DISRUPTIVE = "disruptive"
    ALL = "all"
    NEVER = "never"

    def asks(self, risk: Risk) -> bool:
        """Whether a command of this risk needs approval. A read never does."""
        lowest = _LOWEST_RISK_ASKED.get(self)
        return lowest is not None and lowest <= risk


_LOWEST_RISK_ASKED: Mapping[ApprovalLevel, Risk] = {
    ApprovalLevel.DESTRUCTIVE: Risk.DESTRUCTIVE,
    ApprovalLevel.DISRUPTIVE: Risk.DISRUPTIVE,
    ApprovalLevel.ALL: Risk.ROUTINE,
}


class Retry(StrEnum):
    """The effect of repeating a request at Telnyx."""

    IDEMPOTENT = "idempotent"
    """Repeating it changes nothing."""
    DEDUPED = "deduped"
    """Telnyx ignores a `command_id` that it executed within about the last 60 seconds."""
    ONCE = "once"
    """It happens again, so a request is never repeated once any of it was sent."""


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTP method and a path whose `{placeholders}` are the command's own argument names."""

    method: str
    path: str
    parameters: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(_PLACEHOLDER.findall(self.path)))

    def fill(self, arguments: Mapping[str, Any]) -> str:
        """The path with every placeholder replaced by its percent-encoded argument."""
        return self.path.format_map({name: quote(str(arguments[name]), safe=_SEGMENT_SAFE) for name in self.parameters})


def GET(path: str) -> Route:
    return Route("GET", path)


def POST(path: str) -> Route:
    return Route("POST", path)


def PUT(path: str) -> Route:
    return Route("PUT", path)


def PATCH(path: str) -> Route:
    return Route("PATCH", path)


def DELETE(path: str) -> Route:
    return Route("DELETE", path)


_KEYS = (str, bool, type(None))
"""Types of arguments that a `ByArgument` can depend on."""
_PLAIN_TYPES = (str, bool, int, float, list)


def arguments_of(command: BaseModel) -> dict[str, Any]:
    """The arguments that are not None; fields of a nested object are included under their own names."""
    arguments: dict[str, Any] = {}
    for name, value in vars(command).items():
        if value is None:
            continue
        # Plain types first: isinstance is slow on BaseModel.
        if not isinstance(value, _PLAIN_TYPES) and isinstance(value, BaseModel) and name != "filter":
            arguments |= arguments_of(value)
        else:
            arguments[name] = value
    return arguments


@dataclass(frozen=True, slots=True)
class ByArgument(Generic[T]):
    """A property of a command that depends on one of its arguments, which may be nested."""

    argument: str
    values: Mapping[Any, T]
    otherwise: T

    def of(self, command: BaseModel) -> T:
        """The property for this command."""
        value = arguments_of(command).get(self.argument)
        return self.values.get(value, self.otherwise) if isinstance(value, _KEYS) else self.otherwise

    def every(self) -> Iterator[T]:
        """Every value that the property can have."""
        yield self.otherwise
        yield from self.values.values()


@dataclass(frozen=True, slots=True)
class Undo:
    """The tool that undoes a command, and its arguments."""

    tool: str
    carried: tuple[str, ...] = ()
    """Arguments of the command that are passed on if they were given."""
    from_result: Mapping[str, str] = field(default_factory=dict[str, str])
    """Arguments from the result, and where they are in it, such as `conference.id`."""
    but: str | ByArgument[str] = ""
    """What is not restored."""
    leaves: str | ByArgument[str] = ""
    """The state that lasts until the command is undone, if it should not be forgotten."""

    def arguments(self, command: BaseModel, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """The arguments of the tool; None if the result lacks one that it needs."""
        carried = {name: getattr(command, name) for name in self.carried}
        from_result = {name: _at(fields, place) for name, place in self.from_result.items()}
        if None in from_result.values():
            return None
        return {name: value for name, value in (from_result | carried).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Request:
    """The HTTP request of a command, relative to the base URL."""

    method: str
    path: str
    """Percent-encoded."""
    query: Mapping[str, str]
    """Deep objects already flattened: `filter[name]`, `page[size]`."""
    body: Mapping[str, Any] | None
    """None if the endpoint takes no body."""


class Tool(BaseModel):
    """A tool that a model can call. Fields are its arguments; class attributes describe it."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True, defer_build=True
    )

    risk: ClassVar[Risk | ByArgument[Risk]]
    worst_effect: ClassVar[Risk | None] = None
    """The highest risk that other arguments or the current state can give it, if that is above `risk`."""
    retry: ClassVar[Retry] = Retry.IDEMPOTENT
    result: ClassVar[type[ToolResult]]

    exclusive: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of arguments that exclude each other."""
    one_of: ClassVar[tuple[str, ...]] = ()
    """Arguments of which at least one is required."""
    search_hint: ClassVar[str] = ""
    """Other words that people use for what it does, for hosts that find tools by search."""
    starts_jobs: ClassVar[bool] = False
    """Most jobs begin with it: a host that finds tools by search always loads it."""
    page: ClassVar[str | None] = None
    """The page that a host can show with its result."""
    page_only: ClassVar[bool] = False
    """Only that page calls it, not the model."""
    needs_cards: ClassVar[bool] = False
    """It is offered only to hosts that show approval cards: they render pages and have no elicitation."""
    always_asks: ClassVar[bool] = False
    """A person is asked, regardless of the policy."""
    is_secret: ClassVar[bool] = False
    """Records must not keep its arguments."""

    @model_validator(mode="after")
    def _check_exclusive_arguments(self, info: ValidationInfo) -> Self:
        name_of = self.wire_name if info.context else str
        for first, second in self.exclusive:
            if getattr(self, first) is not None and getattr(self, second) is not None:
                raise ValueError(f"give {name_of(first)} or {name_of(second)}, not both")
        if self.one_of and all(getattr(self, name) is None for name in self.one_of):
            raise ValueError(f"give {' or '.join(map(name_of, self.one_of))}")
        return self

    @classmethod
    def wire_name(cls, argument: str) -> str:
        """Telnyx's name for an argument."""
        return cls.model_fields[argument].serialization_alias or argument

    @classmethod
    @cache
    def tool_name(cls) -> str:
        """The tool's name: the class's, in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        """The tool's name for people."""
        return cls.tool_name().replace("_", " ").capitalize().replace("dtmf", "DTMF")

    @classmethod
    def toolset(cls) -> str:
        """The toolset, named for the module of the class."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    @cache
    def worst_risk(cls) -> Risk:
        """The highest risk with any arguments and in any state."""
        highest = max(cls.risk.every()) if isinstance(cls.risk, ByArgument) else cls.risk
        return max(highest, cls.worst_effect or highest)

    @classmethod
    def is_read(cls) -> bool:
        return cls.worst_risk() is Risk.READ

    @classmethod
    def is_idempotent(cls) -> bool:
        """Whether calling it twice has the same effect as calling it once."""
        return cls.retry is Retry.IDEMPOTENT

    def exposes(self) -> bool:
        """Whether a read hands out something that others must not see, so that it needs approval as a write does."""
        return False

    def current_risk(self) -> Risk:
        """The risk of the command alone, without its effects on the people who are there now."""
        return self.risk.of(self) if isinstance(self.risk, ByArgument) else self.risk


class Command(Tool):
    """A tool that calls one endpoint of Telnyx."""

    route: ClassVar[Route]
    other_routes: ClassVar[Mapping[str, Route]] = {}
    """The endpoints that it calls instead where an argument is given, by argument."""
    does: ClassVar[str]
    """What it does, as a template in the imperative: `{argument}` is filled in, `[...]` is left out if its argument was
    not given. It is used in the result's summary and in the audit. The approval question is in `prompts/questions`."""
    announces: ClassVar[tuple[str, ...] | ByArgument[tuple[str, ...]]] = ()
    """The webhook events that follow."""
    everyone_filter: ClassVar[Mapping[str, bool] | None] = None
    """If Telnyx requires a list even for everyone: the participants filter that finds them."""
    undo: ClassVar[Undo | None] = None
    """How to undo it; None if it cannot be undone."""
    whole_room: ClassVar[bool] = False
    """It affects everyone in the conference, with any arguments."""
    speaks: ClassVar[str | None] = None
    """The argument with text that is spoken to people."""
    dials: ClassVar[str | None] = None
    """The argument with the number or numbers to call."""
    settings: ClassVar[Mapping[str, str]] = {}
    """Operator settings that fill in arguments left out, by argument name."""

    @classmethod
    @cache
    def is_deduped(cls) -> bool:
        """Whether it has a `command_id`."""
        return "command_id" in cls.model_fields

    @classmethod
    def routes(cls) -> tuple[Route, ...]:
        """Every endpoint that it can call."""
        return tuple(dict.fromkeys([cls.route, *cls.other_routes.values()]))

    def endpoint(self) -> Route:
        """The endpoint that it calls with these arguments."""
        given = (route for name, route in self.other_routes.items() if getattr(self, name) is not None)
        return next(given, self.route)

    def numbers(self) -> tuple[str, ...]:
        """The numbers that it calls."""
        numbers: str | list[str] = getattr(self, self.dials) if self.dials else []
        return (numbers,) if isinstance(numbers, str) else tuple(numbers)

    def expected_events(self) -> tuple[str, ...]:
        """The webhook event types to expect with these arguments."""
        return self.announces.of(self) if isinstance(self.announces, ByArgument) else self.announces

    def read(self, answer: Any) -> dict[str, Any]:
        """The result's own fields, from Telnyx's JSON answer (None when it had no body)."""
        return self.result.read(answer)

    def undo_call(self, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """The call that undoes this one: `tool`, `arguments`, and `but` for what it does not restore.

        `fields`: the result's own, from `read`. None if it cannot be undone.
        """
        arguments = self.undo.arguments(self, fields) if self.undo else None
        if self.undo is None or arguments is None:
            return None
        call = {"tool": self.undo.tool, "arguments": arguments}
        but = _text_for(self, self.undo.but)
        return call | {"but": but} if but else call

    def leaves(self) -> str:
        """The state that lasts until this is undone; empty if there is none to remember."""
        return _text_for(self, self.undo.leaves) if self.undo else ""

    def is_for_everyone(self) -> bool:
        """Whether `call_control_ids` is "everyone"."""
        return getattr(self, "call_control_ids", None) == EVERYONE

    def affects_whole_room(self) -> bool:
        """Whether it affects everyone in the conference with these arguments."""
        return self.whole_room or self.is_for_everyone()

    def request(self) -> Request:
        """Its HTTP request."""
        route = self.endpoint()
        fields = self.model_dump(by_alias=True, exclude_none=True, exclude=set(route.parameters))
        if self.is_for_everyone():
            del fields["call_control_ids"]
        path = route.fill(vars(self))
        if route.method == "GET":
            paged = {_PAGING.get(name, name): value for name, value in fields.items()}
            return Request("GET", path, dict(_flatten(paged)), None)
        takes_body = route.method in ("POST", "PUT", "PATCH")
        return Request(route.method, path, {}, fields if takes_body else None)

    @classmethod
    def from_request(cls, path: Mapping[str, str], query: Mapping[str, str], body: Mapping[str, Any]) -> Self:
        """The command of an HTTP request.

        `path`: decoded path parameters by argument name; `query`: flat (`filter[name]`, `page[size]`); `body`: JSON.
        Raises pydantic's `ValidationError`.
        """
        arguments = {**_unflatten(query), **cls._by_argument_names(body), **path}
        takes_everyone = cls.everyone_filter is None and "call_control_ids" in cls.model_fields
        if takes_everyone and not arguments.get("call_control_ids"):
            arguments["call_control_ids"] = EVERYONE
        # Telnyx ignores unknown members of a body and refuses unknown filters.
        return cls.model_validate(arguments, context=WIRE, extra="forbid" if cls.route.method == "GET" else "ignore")

    @classmethod
    def _by_argument_names(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        arguments = {cls.wire_name(name): name for name, about in cls.model_fields.items() if about.alias is None}
        return {arguments.get(name, name): value for name, value in body.items()}


def _text_for(command: Command, text: str | ByArgument[str]) -> str:
    return text.of(command) if isinstance(text, ByArgument) else text


def _at(fields: Mapping[str, Any], place: str) -> Any:
    resource, _, name = place.partition(".")
    return getattr(fields.get(resource), name, None)


def _flatten(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{within}[{key}]" if within else key
        if isinstance(value, Mapping):
            yield from _flatten(cast("Mapping[str, Any]", value), name)
        else:
            yield name, value if isinstance(value, str) else json.dumps(value)


def _unflatten(query: Mapping[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in query.items():
        first, *rest = (part.removesuffix("]") for part in _UNPAGING.get(name, name).split("["))
        at = nested
        for key in rest:
            at = at.setdefault(first, {})
            first = key
        at[first] = value
    return nested

"""Command, Route, Risk, Retry: the vocabulary every tool is declared in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

from .results import Outcome

EVERYONE = "everyone"
"""What a tool is told instead of a list, where Telnyx takes a missing list for the whole room."""

WIRE = {"wire": True}
"""Validation context of a request that arrived over HTTP: Telnyx's own rules apply, not this server's stricter ones."""

T = TypeVar("T")

_PAGING = {"page_number": "page[number]", "page_size": "page[size]"}
_UNPAGING = {wire: name for name, wire in _PAGING.items()}
_SEGMENT = "!$&'()*+,;=:@"  # what RFC 3986 allows unescaped in a path segment, beside the unreserved
_PLACEHOLDER = re.compile(r"{(\w+)}")


class Risk(IntEnum):
    """What can be taken back, in rising order."""

    READ = 0
    """Nothing changes."""
    ROUTINE = 1
    """The everyday work of a call."""
    DISRUPTIVE = 2
    """People notice, and another tool undoes it."""
    DESTRUCTIVE = 3
    """It cannot be undone: a call ended, a place lost, people overheard or recorded."""

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
    """What a repeat of the same request does at Telnyx."""

    IDEMPOTENT = "idempotent"
    """The same as once."""
    DEDUPED = "deduped"
    """Nothing: Telnyx ignores a `command_id` it has executed in the last 60 seconds or so."""
    ONCE = "once"
    """The same thing a second time: never repeated once anything was sent."""


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
        return self.path.format_map({name: quote(str(arguments[name]), safe=_SEGMENT) for name in self.parameters})


def GET(path: str) -> Route:
    return Route("GET", path)


def POST(path: str) -> Route:
    return Route("POST", path)


def PATCH(path: str) -> Route:
    return Route("PATCH", path)


def DELETE(path: str) -> Route:
    return Route("DELETE", path)


_KEYS = (str, bool, type(None))
"""What properties depend on."""
_PLAIN = (str, bool, int, float, list)


def given(command: BaseModel) -> dict[str, Any]:
    """The arguments that were given, those within an object among them by their own names."""
    found: dict[str, Any] = {}
    for name, value in vars(command).items():
        if value is None:
            continue
        # Whether something is a model takes long to tell, and what is plain is none.
        if not isinstance(value, _PLAIN) and isinstance(value, BaseModel) and name != "filter":
            found |= given(value)
        else:
            found[name] = value
    return found


@dataclass(frozen=True, slots=True)
class ByArgument(Generic[T]):
    """A property of a command that depends on the value of one of its arguments, wherever it stands."""

    argument: str
    values: Mapping[Any, T]
    otherwise: T

    def of(self, command: BaseModel) -> T:
        """The property for this command."""
        value = given(command).get(self.argument)
        return self.values.get(value, self.otherwise) if isinstance(value, _KEYS) else self.otherwise

    def every(self) -> Iterator[T]:
        """Each value the property can take."""
        yield self.otherwise
        yield from self.values.values()


@dataclass(frozen=True, slots=True)
class Undo:
    """The tool that takes a command back, and what it is called with."""

    tool: str
    carried: tuple[str, ...] = ()
    """Arguments of the command that the tool takes too, passed on where they were given."""
    found: Mapping[str, str] = field(default_factory=dict[str, str])
    """Arguments that only the result has: where in it, such as `conference.id`."""
    but: str | ByArgument[str] = ""
    """What is not as before then."""
    leaves: str | ByArgument[str] = ""
    """The state that lasts until the command is taken back, where nobody should forget to."""

    def arguments(self, command: BaseModel, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the tool is called with; None when the result does not say what it must know."""
        given = {name: getattr(command, name) for name in self.carried}
        found = {name: _at(fields, place) for name, place in self.found.items()}
        if None in found.values():
            return None
        return {name: value for name, value in (found | given).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Request:
    """What a command sends to Telnyx, below the base URL."""

    method: str
    path: str
    """Percent-encoded."""
    query: Mapping[str, str]
    """Deep objects already flattened: `filter[name]`, `page[size]`."""
    body: Mapping[str, Any] | None
    """None where the endpoint takes no body."""


class Tool(BaseModel):
    """Something a model can call: its fields are the arguments, its class attributes say the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    risk: ClassVar[Risk | ByArgument[Risk]]
    retry: ClassVar[Retry] = Retry.IDEMPOTENT
    result: ClassVar[type[Outcome]]

    exclusive: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of arguments of which at most one may be given."""
    one_of: ClassVar[tuple[str, ...]] = ()
    """Arguments of which one must be given."""
    page: ClassVar[str | None] = None
    """The page that hosts which render pages show with its result."""
    for_page_alone: ClassVar[bool] = False
    """Whether it is there for that page, and not for a model."""
    needs_cards: ClassVar[bool] = False
    """Whether it is offered only where a person answers by cards: pages are rendered, and no questions are put."""
    is_secret: ClassVar[bool] = False
    """Whether no record may keep its arguments."""

    @model_validator(mode="after")
    def _obeys_its_pairs(self, info: ValidationInfo) -> Self:
        called = self.wire_name if info.context else str
        for first, second in self.exclusive:
            if getattr(self, first) is not None and getattr(self, second) is not None:
                raise ValueError(f"give {called(first)} or {called(second)}, not both")
        if self.one_of and all(getattr(self, name) is None for name in self.one_of):
            raise ValueError(f"give {' or '.join(map(called, self.one_of))}")
        return self

    @classmethod
    def wire_name(cls, argument: str) -> str:
        """What Telnyx calls an argument."""
        return cls.model_fields[argument].serialization_alias or argument

    @classmethod
    @cache
    def tool_name(cls) -> str:
        """The tool's name: the class's, in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        """The tool's name as a person reads it."""
        return cls.tool_name().replace("_", " ").capitalize().replace("dtmf", "DTMF")

    @classmethod
    def toolset(cls) -> str:
        """The toolset: the module the class stands in."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    @cache
    def worst_risk(cls) -> Risk:
        """The highest risk any arguments can give it."""
        return max(cls.risk.every()) if isinstance(cls.risk, ByArgument) else cls.risk

    @classmethod
    def is_read(cls) -> bool:
        return cls.worst_risk() is Risk.READ

    @classmethod
    def is_idempotent(cls) -> bool:
        """Whether calling it twice does no more than calling it once."""
        return cls.retry is Retry.IDEMPOTENT

    def current_risk(self) -> Risk:
        """The risk with these arguments."""
        return self.risk.of(self) if isinstance(self.risk, ByArgument) else self.risk


class Command(Tool):
    """One endpoint of Telnyx."""

    route: ClassVar[Route]
    does: ClassVar[str]
    """What it does, in the imperative; `{argument}` stands for an argument, `[...]` is left out when its
    argument is not given. Becomes the result's summary, and stands in the audit. What a person is asked before it is
    a file of its own, in `prompts/questions`."""
    announces: ClassVar[tuple[str, ...] | ByArgument[tuple[str, ...]]] = ()
    """The webhook events that follow."""
    everyone_is: ClassVar[Mapping[str, bool] | None] = None
    """Where Telnyx wants a list even for everyone: the participants filter that finds them."""
    undo: ClassVar[Undo | None] = None
    """The tool that takes it back; None: nothing does."""
    whole_room: ClassVar[bool] = False
    """Whether it concerns everyone in the conference, whatever its arguments."""
    speaks: ClassVar[str | None] = None
    """The argument whose text people hear spoken."""
    dials: ClassVar[str | None] = None
    """The argument with the number or numbers that it calls."""
    settings: ClassVar[Mapping[str, str]] = {}
    """The setting of the operator that stands in for an argument which is left out and which Telnyx needs."""
    takes_more: ClassVar[bool] = False
    """Whether Telnyx takes more arguments than are offered here: a request may have them, and they are ignored."""

    @classmethod
    @cache
    def is_deduped(cls) -> bool:
        """Whether it takes a `command_id`."""
        return "command_id" in cls.model_fields

    def numbers(self) -> tuple[str, ...]:
        """The numbers that it calls."""
        named: str | list[str] = getattr(self, self.dials) if self.dials else []
        return (named,) if isinstance(named, str) else tuple(named)

    def expected_events(self) -> tuple[str, ...]:
        """The webhook event types to expect next with these arguments."""
        return self.announces.of(self) if isinstance(self.announces, ByArgument) else self.announces

    def read(self, answer: Any) -> dict[str, Any]:
        """The outcome's own fields, from Telnyx's JSON answer (None when it had no body)."""
        return self.result.read(answer)

    def taken_back_by(self, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """The call that takes this back: `tool`, `arguments`, and `but` where it does not restore all.

        `fields` are the result's own, as its outcome read them. None when no tool does.
        """
        arguments = self.undo.arguments(self, fields) if self.undo else None
        if self.undo is None or arguments is None:
            return None
        call = {"tool": self.undo.tool, "arguments": arguments}
        but = _of(self.undo.but, self)
        return call | {"but": but} if but else call

    def leaves(self) -> str:
        """The state that lasts until this is taken back; empty where none does that should not be forgotten."""
        return _of(self.undo.leaves, self) if self.undo else ""

    def concerns_everyone(self) -> bool:
        """Whether it was given the word "everyone" in place of a list."""
        return getattr(self, "call_control_ids", None) == EVERYONE

    def for_whole_room(self) -> bool:
        """Whether it concerns everyone in the conference, by what it is or with these arguments."""
        return self.whole_room or self.concerns_everyone()

    def request(self) -> Request:
        """The HTTP request it stands for."""
        sent = self.model_dump(by_alias=True, exclude_none=True, exclude=set(self.route.parameters))
        if self.concerns_everyone():
            del sent["call_control_ids"]
        path = self.route.fill(vars(self))
        if self.route.method == "GET":
            paged = {_PAGING.get(name, name): value for name, value in sent.items()}
            return Request("GET", path, dict(_flatten(paged)), None)
        takes_body = self.route.method in ("POST", "PATCH")
        return Request(self.route.method, path, {}, sent if takes_body else None)

    @classmethod
    def from_request(cls, path: Mapping[str, str], query: Mapping[str, str], body: Mapping[str, Any]) -> Self:
        """The command that an HTTP request stands for.

        `path` holds the decoded path parameters under this command's argument names, `query` the flat query
        (`filter[name]`, `page[size]`), `body` the JSON body. Raises pydantic's `ValidationError`.
        """
        sent = {**_unflatten(query), **cls._by_our_names(body), **path}
        takes_everyone = cls.everyone_is is None and "call_control_ids" in cls.model_fields
        if takes_everyone and not sent.get("call_control_ids"):
            sent["call_control_ids"] = EVERYONE
        return cls.model_validate(sent, context=WIRE, extra="ignore" if cls.takes_more else None)

    @classmethod
    def _by_our_names(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        ours = {cls.wire_name(name): name for name, about in cls.model_fields.items() if about.alias is None}
        return {ours.get(name, name): value for name, value in body.items()}


def _of(said: str | ByArgument[str], command: Command) -> str:
    return said.of(command) if isinstance(said, ByArgument) else said


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

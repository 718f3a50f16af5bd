"""Telnyx's own SDK as the oracle: what a tool sends is what that SDK sends for the same call."""

import json
import string
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast, get_args

import anyio
import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telnyx import Telnyx

from support.examples import (
    COMMAND_OF,
    EXAMPLE_OF,
    EXAMPLES,
    LATER,
    OPERATIONS,
    VOICE_SETTINGS,
    Arguments,
    Example,
    Operation,
)
from support.examples import operation_of as operation_at
from support.fuzzing import examples
from support.http import Received, recording_server
from support.mcp import connected, text
from support.rows import each_row
from telnyx_conferencing.server.telnyx import TelnyxClient as OurTelnyx
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.base import Command
from telnyx_conferencing.tools.queues import GetQueueCall
from telnyx_conferencing.tools.schema import input_schema
from telnyx_conferencing.tools.transcription import Engine
from telnyx_conferencing.tools.voices import PROVIDER_FIELDS

CASES = [(name, arguments) for example in EXAMPLES for name, arguments in example.variants()]

Sent = Mapping[str, Received]
"""One request for each variant, by its name."""


def operation_of(tool: str) -> Operation:
    return operation_at(COMMAND_OF[tool].route)


def fields_of(command: type[Command]) -> Mapping[str, Any]:
    """What a command's endpoints take beside their paths, by wire name."""
    return {name: of for route in command.routes() for name, of in operation_at(route).fields.items()}


# The table itself


def test_every_tool_has_an_example() -> None:
    assert [example.tool for example in EXAMPLES] == [command.tool_name() for command in COMMANDS]


@each_row("example", EXAMPLES, lambda example: example.tool)
def test_the_variants_of_an_example_use_every_argument(example: Example) -> None:
    used = {path for _, arguments in example.variants() for path in paths(arguments)}
    assert used == set(published_paths(input_schema(COMMAND_OF[example.tool])))


@each_row("example", EXAMPLES, lambda example: example.tool)
def test_the_minimal_variant_has_only_required_arguments(example: Example) -> None:
    command = COMMAND_OF[example.tool]
    needed = {about.alias or name for name, about in command.model_fields.items() if about.is_required()}
    needed |= {command.wire_name(name) for name in command.settings}
    assert set(example.minimal) - set(command.one_of) == needed


def test_the_examples_reach_every_endpoint_of_the_contract() -> None:
    reached = [operation_at(route) for command in COMMANDS for route in command.routes()]
    assert sorted(operation.operation for operation in reached) == sorted(
        operation.operation for operation in OPERATIONS.values()
    )


@each_row("example", EXAMPLES, lambda example: example.tool)
def test_the_answer_of_an_example_has_every_field_of_the_contract(example: Example) -> None:
    assert set(example.resource) - set(LATER) == set(operation_of(example.tool).answer["fields"])


def test_each_voice_provider_is_spoken_with_in_full() -> None:
    assert {settings["type"]: {*settings} - {"type"} for settings in VOICE_SETTINGS} == {
        provider: set(fields) for provider, fields in PROVIDER_FIELDS.items()
    }


def paths(value: Arguments, within: str = "") -> Iterator[str]:
    """The dotted names in an argument object."""
    for name, inner in value.items():
        yield f"{within}{name}"
        if isinstance(inner, dict):
            yield from paths(cast("Arguments", inner), f"{within}{name}.")


def published_paths(schema: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """The dotted names that an input schema has; those of a voice's provider are checked by a test of their own."""
    if within == "voice_settings.":
        yield from {f"{within}{name}" for settings in VOICE_SETTINGS for name in settings}
        return
    for name, inner in schema.get("properties", {}).items():
        yield f"{within}{name}"
        yield from published_paths(inner, f"{within}{name}.")


# What is sent


@pytest.fixture(scope="module")
def recorder() -> Generator[tuple[str, list[Received]]]:
    with recording_server() as at:
        yield at


@pytest.fixture(scope="module")
def sent_by_tools(recorder: tuple[str, list[Received]]) -> Sent:
    """What the tools send, through one client and one server."""
    return anyio.run(_call_every_tool, *recorder)


async def _call_every_tool(base_url: str, received: list[Received]) -> Sent:
    env = {"TELNYX_API_KEY": "KEYtest", "TELNYX_BASE_URL": base_url}
    sent: dict[str, Received] = {}
    async with connected("--approval", "never", "--toolsets", "all", env=env) as client:
        for example in EXAMPLES:
            for name, arguments in example.variants():
                received.clear()
                result = await client.call_tool(example.tool, dict(arguments))
                assert not result.is_error, f"{name}: {text(result)}"
                sent[name] = received[-1]  # before it, the guard may read what the command would touch
    return sent


@pytest.fixture(scope="module")
def sent_by_sdk(recorder: tuple[str, list[Received]]) -> Sent:
    """What Telnyx's SDK sends."""
    base_url, received = recorder
    sent: dict[str, Received] = {}
    with Telnyx(api_key="KEYtest", base_url=base_url, max_retries=0) as client:
        for example in EXAMPLES:
            for name, arguments in example.variants():
                received.clear()
                example.call_sdk(client, arguments)
                (sent[name],) = received
    return sent


def without_made_id(request: Received, arguments: Arguments) -> Received:
    """The request without the `command_id` that the server made, and without headers."""
    made = {"command_id"} - set(arguments)
    body = {name: value for name, value in body_of(request).items() if name not in made}
    return replace(request, body=None if request.body is None else body, headers={})


def body_of(request: Received) -> dict[str, Any]:
    return cast("dict[str, Any]", request.body or {})


@each_row(("name", "arguments"), CASES)
def test_a_tool_sends_the_same_request_as_the_sdk(
    name: str, arguments: Arguments, sent_by_tools: Sent, sent_by_sdk: Sent
) -> None:
    assert without_made_id(sent_by_tools[name], arguments) == replace(sent_by_sdk[name], headers={})


@each_row("example", EXAMPLES, lambda example: example.tool)
def test_a_command_id_is_made_exactly_where_telnyx_takes_one(example: Example, sent_by_tools: Sent) -> None:
    body = body_of(sent_by_tools[f"{example.tool}-minimal"])
    assert ("command_id" in body) == ("command_id" in operation_of(example.tool).body)


def test_every_command_id_that_is_made_is_new(sent_by_tools: Sent) -> None:
    bodies = [body_of(request) for name, request in sent_by_tools.items() if name.endswith("-minimal")]
    made = [body["command_id"] for body in bodies if "command_id" in body]
    assert len(set(made)) == len(made) > 1


def test_every_request_carries_the_api_key(sent_by_tools: Sent) -> None:
    assert {request.headers["authorization"] for request in sent_by_tools.values()} == {"Bearer KEYtest"}


PATH_ARGUMENT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20).filter(
    lambda value: value not in (".", "..") and not set(value) <= {*string.digits, *"+-.()"}
)


@examples(200)
@given(queue_name=PATH_ARGUMENT, call_control_id=PATH_ARGUMENT)
def test_path_arguments_are_escaped_as_the_sdk_escapes_them(queue_name: str, call_control_id: str) -> None:
    with Telnyx(api_key="KEYtest", base_url="http://telnyx", http_client=httpx.Client(transport=Echo())) as client:
        answer = client.queues.calls.with_raw_response.retrieve(call_control_id, queue_name=queue_name)
    command = GetQueueCall(queue_name=queue_name, call_control_id=call_control_id)
    assert anyio.run(partial(_sent_path, command)) == json.loads(answer.text())["data"]["path"]


class Echo(httpx.BaseTransport):
    """Answers with the path as it would stand on the wire."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": {"path": request.url.raw_path.decode()}})


async def _sent_path(command: Command) -> str:
    def echo(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"data": {"path": request.url.raw_path.decode()}})

    async with httpx2.AsyncClient(base_url="http://telnyx", transport=httpx2.MockTransport(echo)) as http:
        return (await OurTelnyx(http).send(command)).body["data"]["path"]


# What the schemas say


PAGING: Mapping[str, str] = {"page_number": "page[number]", "page_size": "page[size]", "page_after": "page[after]"}

LIMITS: Mapping[str, Mapping[str, Any]] = {
    "application_name.contains": {"minLength": 3},
    "max_participants": {"minimum": 2, "maximum": 800},
    "payload": {"maxLength": 3000},
    "invalid_payload": {"maxLength": 3000},
    "max_length": {"minimum": 0, "maximum": 14_400},
    "gather_id": {"maxLength": 100},
    "digits": {"pattern": "^[0-9A-D*#wW]+$"},
    "valid_digits": {"pattern": "^[0-9A-D*#]+$"},
    "terminating_digit": {"pattern": "^[0-9A-D*#]?$"},
    "page_size": {"maximum": 100},
    "whisper_call_control_ids": {"minItems": 1},
    "from_display_name": {"maxLength": 128},
    "timeout_secs": {"minimum": 5, "maximum": 600},
    "time_limit_secs": {"minimum": 30, "maximum": 14_400},
    "duration_millis": {"minimum": 100, "maximum": 500},
    "custom_file_name": {"maxLength": 40},
}
"""What Telnyx's documentation says beside the types. An empty list is an error by this server's own rule."""

NAMELESS = ("filter", "conference_config")
"""Objects whose fields have the limits of arguments of the same name."""

EXCLUSIVE = [
    *((f"{kind}audio_url", f"{kind}media_name") for kind in ("", "hold_", "invalid_")),
    ("other_call_control_id", "queue_name"),
    ("payload", "audio_url"),
    ("payload", "media_name"),
]


@each_row("command", COMMANDS, lambda command: command.tool_name())
def test_a_schema_accepts_the_same_values_as_the_contract(command: type[Command]) -> None:
    assert {on_the_wire(command, name) for name in body_schemas(command)} == set(fields_of(command))


@each_row("command", COMMANDS, lambda command: command.tool_name())
def test_a_schema_requires_the_same_fields_as_the_contract_and_an_explicit_everyone(command: type[Command]) -> None:
    required = set(operation_at(command.route).required) | set(command.route.parameters)
    everyone = {"call_control_ids"} & set(command.model_fields)
    by_operator = {command.wire_name(name) for name in command.settings}
    assert set(input_schema(command).get("required", ())) == (required | everyone) - by_operator


@each_row("command", COMMANDS, lambda command: command.tool_name())
def test_a_schema_has_the_types_and_enumerations_of_the_contract(command: type[Command]) -> None:
    fields = fields_of(command)
    kinds = {name: kind(schema) for name, schema in body_schemas(command).items()}
    assert kinds == {name: kind_by_contract(name, fields[on_the_wire(command, name)]) for name in kinds}


@each_row("command", COMMANDS, lambda command: command.tool_name())
def test_a_schema_has_the_documented_limits_and_no_others(command: type[Command]) -> None:
    found = dict(limits(input_schema(command)))
    assert found == {name: LIMITS.get(name) for name in found}
    assert found.keys() == LIMITS.keys() & set(schema_names(input_schema(command)))


@each_row("command", COMMANDS, lambda command: command.tool_name())
def test_a_command_lets_a_thing_be_named_in_one_way_only(command: type[Command]) -> None:
    both = {pair for pair in EXCLUSIVE if {*pair} <= command.model_fields.keys()}
    assert set(command.exclusive) == both


@each_row("settings", VOICE_SETTINGS, lambda settings: settings["type"])
def test_a_voice_takes_the_settings_of_the_contract(settings: Arguments) -> None:
    choices = operation_of("speak_text").body["voice_settings"]["one_of"]
    (provider,) = [choice["object"] for choice in choices if settings["type"] in choice["object"]["type"]["enum"]]
    assert set(settings) == set(provider)


@each_row("settings", VOICE_SETTINGS, lambda settings: settings["type"])
def test_a_voice_takes_every_value_that_the_contract_enumerates(settings: Arguments) -> None:
    choices = operation_of("speak_text").body["voice_settings"]["one_of"]
    (provider,) = [choice["object"] for choice in choices if settings["type"] in choice["object"]["type"]["enum"]]
    speak, spoken = COMMAND_OF["speak_text"], next(choice for choice in EXAMPLES if choice.tool == "speak_text").minimal
    for name, of in provider.items():
        for value in of["enum"] if isinstance(of, dict) else ():  # pyright: ignore[reportUnknownVariableType]
            command = speak.model_validate({**spoken, "voice_settings": {**settings, name: value}}, strict=True)
            assert (command.request().body or {})["voice_settings"][name] == value


def body_schemas(command: type[Command]) -> dict[str, Any]:
    """The schemas of the arguments that are sent beside the path."""
    stays = {*command.route.parameters, *EXAMPLE_OF[command.tool_name()].ours}
    return {name: schema for name, schema in input_schema(command)["properties"].items() if name not in stays}


def on_the_wire(command: type[Command], argument: str) -> str:
    """What Telnyx calls an argument of a schema."""
    return PAGING.get(argument) or (command.wire_name(argument) if argument in command.model_fields else argument)


def kind(schema: Mapping[str, Any]) -> Any:
    """A schema's type in the contract's notation, without limits."""
    for keyword, read in KINDS.items():
        if keyword in schema:
            return read(schema)
    return schema["type"]


KINDS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "enum": lambda schema: {"enum": sorted(schema["enum"])},
    "anyOf": lambda schema: {"one_of": [kind(choice) for choice in schema["anyOf"]]},
    "items": lambda schema: {"array": kind(schema["items"])},
    "properties": lambda schema: {"object": {name: kind(inner) for name, inner in schema["properties"].items()}},
}
"""How each form of schema is said in the contract's notation, by the keyword that tells it."""


_ENGINES = sorted(get_args(Engine))

PUBLISHED: Mapping[str, Any] = {
    "loop": "string",
    "park_after_unbridge": {"enum": ["self"]},
    "voice_settings": {"object": {"type": {"enum": sorted(PROVIDER_FIELDS)}}},
    "transcription_engine": {"enum": _ENGINES},  # without the old names of two of them
    "transcription_engine_config": {"object": {"transcription_engine": "string", "language": "string"}},
    "transcription_tracks": {"enum": ["both", "inbound", "outbound"]},
}
"""Where this server's types differ from the contract's."""

RENAMED = {"outbound.outbound_voice_profile_id": "outbound_voice_profile_id"}
"""Names with a dot, which several hosts do not take."""


def kind_by_contract(name: str, of: Any) -> Any:
    """A contract's type, as this server publishes it."""
    if name in PUBLISHED:
        return PUBLISHED[name]
    if "object" in of:
        return {
            "object": {
                RENAMED.get(inner, inner): kind_by_contract(inner, schema) for inner, schema in of["object"].items()
            }
        }
    if "one_of" in of:  # one value or several: a list
        return next(schema for schema in of["one_of"] if "array" in schema)
    return {"enum": sorted(of["enum"])} if "enum" in of else of


def limits(schema: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each argument that has limits, with them."""
    for name, inner in schema.get("properties", {}).items():
        choices = [inner, *inner.get("anyOf", ())]
        found = {key: choice[key] for choice in choices for key in LIMITING & choice.keys()}
        if found:
            yield f"{within}{name}", found
        yield from limits(inner, "" if name in NAMELESS else f"{name}.")


def schema_names(schema: Mapping[str, Any], within: str = "") -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{within}{name}"
        yield from schema_names(inner, "" if name in NAMELESS else f"{name}.")


LIMITING = {
    f"{least_or_most}{of}" for least_or_most in ("min", "max") for of in ("imum", "Length", "Items", "Properties")
} | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern"}

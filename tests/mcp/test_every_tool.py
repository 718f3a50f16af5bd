"""Every tool through a real client over stdio, on both protocol versions, with good input and with bad."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, Tool

from support.commands import installed
from support.examples import (
    AUDIO_URL,
    CALL,
    COMMAND_OF,
    DEFAULTS,
    EXAMPLE_OF,
    EXAMPLES,
    LEGS,
    ROOM,
    ROOM_AND_ALL,
    ROOM_AND_CALL,
    TO,
    Arguments,
    Example,
    mismatches,
    operation_of,
)
from support.http import Received, recording_server
from support.mcp import connected, text
from support.mcp_apps import LISTED
from support.mcp_stdio import stdio_server
from support.rows import each_row
from support.webhooks import url_of
from telnyx_conferencing.server.mcp.tool_definitions import definition
from telnyx_conferencing.tools.base import Command
from telnyx_conferencing.tools.client_state import client_state_text
from telnyx_conferencing.tools.schema import input_schema

T = TypeVar("T")

every_example = each_row("example", EXAMPLES, lambda example: example.tool)


@dataclass(frozen=True, slots=True)
class Bench:
    """A client of a server, and the Telnyx under that server."""

    client: Client
    answer: dict[str, Any]
    """What Telnyx answers; may be changed between calls."""
    received: list[Received]
    """What Telnyx was sent."""

    def answers(self, answer: Arguments) -> None:
        self.answer.clear()
        self.answer.update(answer)


ALL_TOOLS = ("--approval", "never", "--toolsets", "all")


def at_bench(era: str, work: Callable[[Bench], Awaitable[T]]) -> T:
    """What `work` finds out."""

    async def connect_and_work() -> T:
        answer: dict[str, Any] = {}
        with recording_server(answer=answer) as (base_url, received):
            env = {"TELNYX_API_KEY": "KEYtest", "TELNYX_BASE_URL": base_url, **DEFAULTS}
            async with connected(*ALL_TOOLS, era=era, env=env, start=installed) as client:
                return await work(Bench(client, answer, received))

    return anyio.run(connect_and_work)


# Good input


@cache
def answered(era: str) -> Mapping[str, CallToolResult]:
    """Each tool's result with every variant of its arguments, by the variant's name."""
    return at_bench(era, _call_every_tool)


async def _call_every_tool(bench: Bench) -> Mapping[str, CallToolResult]:
    results: dict[str, CallToolResult] = {}
    for example in EXAMPLES:
        bench.answers(example.answer)
        for name, arguments in example.variants():
            results[name] = await bench.client.call_tool(example.tool, dict(arguments))
    return results


def contents(example: Example, era: str) -> Iterator[tuple[Arguments, dict[str, Any]]]:
    """Each variant's arguments, and the structured content of its result."""
    for name, arguments in example.variants():
        result = answered(era)[name]
        assert not result.is_error, text(result)
        yield arguments, cast("dict[str, Any]", result.structured_content)


@every_example
def test_the_result_of_valid_input_matches_the_output_schema(example: Example, era: str) -> None:
    schema = definition(COMMAND_OF[example.tool]).output_schema or {}
    assert [wrong for _, content in contents(example, era) for wrong in mismatches(content, schema)] == []


@every_example
def test_a_result_has_no_nulls(example: Example, era: str) -> None:
    for _, content in contents(example, era):
        assert "null" not in json.dumps(content)


@every_example
def test_a_summary_is_one_line_that_a_person_can_read(example: Example, era: str) -> None:
    for _, content in contents(example, era):
        summary = content["summary"]
        assert summary.isprintable()
        assert 10 < len(summary) < 300
        assert summary.endswith((".", ")"))
        assert "None" not in summary
        assert "{" not in summary
        assert "[" not in summary


@every_example
def test_the_text_is_the_structured_content_as_json(example: Example, era: str) -> None:
    for name, _ in example.variants():
        result = answered(era)[name]
        assert json.loads(text(result)) == result.structured_content


@every_example
def test_a_result_has_the_command_id_that_was_given_or_made(example: Example, era: str) -> None:
    takes_one = "command_id" in operation_of(COMMAND_OF[example.tool].route).body
    for arguments, content in contents(example, era):
        assert ("command_id" in content) == takes_one
        assert arguments.get("command_id", content.get("command_id")) == content.get("command_id")


@every_example
def test_a_result_says_which_events_to_expect(example: Example, era: str) -> None:
    for arguments, content in contents(example, era):
        expected = COMMAND_OF[example.tool].model_validate(arguments).expected_events()
        assert content.get("expect_events", []) == list(expected)


@every_example
def test_every_field_of_telnyxs_answer_is_in_the_result_even_an_unknown_one(example: Example, era: str) -> None:
    for arguments, content in contents(example, era):
        withheld = ["record_type", "conference", *([] if "include_download_urls" in arguments else ["download_urls"])]
        fields = {name: value for name, value in example.resource.items() if name not in withheld}
        fields |= {"client_state": client_state_text(fields["client_state"])} if "client_state" in fields else {}
        inner: list[Any] = [value[0] if isinstance(value, list) else value for value in content.values()]
        parts: list[dict[str, Any]] = [content, *(part for part in inner if isinstance(part, dict))]
        assert any(fields.items() <= part.items() for part in parts)


@each_row("listing", [example for example in EXAMPLES if "meta" in example.answer], lambda example: example.tool)
def test_a_list_says_how_many_there_are_and_how_to_get_the_next_page(listing: Example, era: str) -> None:
    for _, content in contents(listing, era):
        assert (content["page_number"], content["total_results"], content["next_page_number"]) == (1, 3, 2)
        assert "1 of 3" in content["summary"]
        assert "page_number 2" in content["summary"]


# Bad input

SECRET = "8675309"
"""In every wrong value: what must not be repeated."""

OF_TYPE: Mapping[str, Any] = {
    "string": f"No {SECRET}!",
    "integer": int(SECRET),
    "number": int(SECRET) + 0.5,
    "boolean": True,
    "array": [f"No {SECRET}!"],
    "object": {"odd": SECRET},
}
"""A value of each JSON type that fits nothing else."""

FOREIGN = ("pydantic", "validation error", "Input should", "Value error", "://", "type=", "Extra inputs", "[type")
"""Words of a library, not of this server."""


@dataclass(frozen=True, slots=True)
class Bad:
    """One wrong call, and what its refusal must name."""

    kind: str
    arguments: Arguments
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a tool's arguments, wherever it is nested."""

    path: tuple[str, ...]
    schema: Mapping[str, Any]
    required: bool

    @property
    def name(self) -> str:
        """What a refusal calls it."""
        return self.path[0] if self.path[0] == "voice_settings" else ".".join(self.path)

    def bad(self, kind: str, base: Arguments, value: Any, *named: str) -> Bad:
        """The arguments with this value here."""
        for key in reversed(self.path[1:]):
            value = {key: value}
        return Bad(kind, {**base, self.path[0]: value}, named or (self.name,))


def places(schema: Mapping[str, Any], within: tuple[str, ...] = ()) -> Iterator[Place]:
    """The arguments of a schema and the parts of those that are objects."""
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        yield Place((*within, name), inner, name in required)
        yield from places(inner, (*within, name))
    for name in schema.get("propertyNames", {}).get("enum", ()):
        yield Place((*within, name), schema["additionalProperties"], required=False)


def accepted_types(schema: Mapping[str, Any]) -> set[str]:
    choices: list[Mapping[str, Any]] = schema.get("anyOf", [schema])
    types = {choice.get("type", "string") for choice in choices}  # an enumeration here is one of words
    if re.search(schema.get("pattern", "$^"), str(OF_TYPE["integer"])):
        return types | {"integer"}  # digits may be a number
    return types | {"integer"} if "number" in types else types


def bad_inputs(command: type[Command]) -> Iterator[Bad]:
    """Each wrong call of a tool that its published schema tells, and those that the rules between arguments tell."""
    schema, base = input_schema(command), EXAMPLE_OF[command.tool_name()].minimal
    for place in places(schema):
        yield from chain.from_iterable(rule(place, base) for rule in RULES_OF_A_PLACE)
    yield from chain.from_iterable(rule(schema, base) for rule in RULES_OF_A_TOOL)
    yield from _excluded(command, base)
    yield from BY_HAND.get(command.tool_name(), ())


def _missing(place: Place, base: Arguments) -> Iterator[Bad]:
    if place.required and len(place.path) == 1:
        without = {name: value for name, value in base.items() if name != place.path[0]}
        yield Bad("missing", without, (f"{place.name} is missing",))


def _null(place: Place, base: Arguments) -> Iterator[Bad]:
    if place.required:
        yield place.bad("null for required", base, None)


def _wrong_type(place: Place, base: Arguments) -> Iterator[Bad]:
    for name, value in OF_TYPE.items():
        if name not in accepted_types(place.schema):
            yield place.bad(f"{name} in its place", base, value)


def _out_of_range(place: Place, base: Arguments) -> Iterator[Bad]:
    for choice in place.schema.get("anyOf", [place.schema]):
        if choice.get("type") == "integer":
            yield place.bad("too small", base, choice.get("minimum", 1) - 1)
            yield place.bad("negative", base, -int(SECRET))
        if "maximum" in choice:
            yield place.bad("too great", base, choice["maximum"] + 1)
            yield place.bad("too great", base, int(SECRET))


def _wrong_length(place: Place, base: Arguments) -> Iterator[Bad]:
    if "maxLength" in place.schema:
        yield place.bad("too long", base, SECRET + "x" * (place.schema["maxLength"] + 1 - len(SECRET)))
    if "minLength" in place.schema:
        yield place.bad("too short", base, "x" * (place.schema["minLength"] - 1))
    if place.required and place.schema.get("type") == "string":
        yield place.bad("empty text", base, "")


def _wrong_text(place: Place, base: Arguments) -> Iterator[Bad]:
    for key in ("enum", "pattern", "format"):
        if key in place.schema or any(key in choice for choice in place.schema.get("anyOf", ())):
            yield place.bad(f"wrong {key}", base, OF_TYPE["string"])
            yield place.bad(f"wrong {key}", base, f" {SECRET}\n")


def _wrong_list(place: Place, base: Arguments) -> Iterator[Bad]:
    if "array" not in accepted_types(place.schema):
        return
    yield place.bad("empty list", base, [])
    good = TO if place.name == "to" else CALL
    for entry in (int(SECRET), None, "", [SECRET], {"odd": SECRET}):
        yield place.bad("wrong entry", base, [good, entry], f"{place.name}[1] must be")
    yield place.bad("everyone beside ids", base, [good, "everyone"])
    yield place.bad("phone number", base, [f"+1555{SECRET}"])
    yield place.bad("broken JSON in text", base, f'["{SECRET}"')


def _phone_number(place: Place, base: Arguments) -> Iterator[Bad]:
    if place.name == "call_control_id":
        for number in (f"+1555{SECRET}", f"555{SECRET}", f"(555)-{SECRET}"):
            yield place.bad("phone number", base, number)


def _wrong_id(place: Place, base: Arguments) -> Iterator[Bad]:
    if place.name.endswith("_id") and place.required:
        # Conferences have names and participants have labels, which may stand for their ids.
        names = () if place.name in ("conference_id", "participant_id") else (f"the {SECRET} room",)
        for value in (*names, ".", "..", f"{SECRET}\n"):
            yield place.bad("not an id", base, value)


def _foreign_key(place: Place, base: Arguments) -> Iterator[Bad]:
    if "properties" in place.schema or "propertyNames" in place.schema:
        for key in ("odd", "on-hold", "from_"):
            yield place.bad("unknown inside", base, {key: SECRET}, _unknown_inside(place, key))


def _unknown_inside(place: Place, key: str) -> str:
    return place.name if place.name == "voice_settings" else f"There is no '{place.name}.{key}'; it takes"


def _misspelt(schema: Mapping[str, Any], base: Arguments) -> Iterator[Bad]:
    for name in schema["properties"]:
        for wrong in (name[:-1], f"{name}x"):
            if wrong not in schema["properties"]:
                yield Bad("misspelt", {**base, wrong: SECRET}, (f"'{wrong}'", f"Did you mean {name}?"))


def _unknown(schema: Mapping[str, Any], base: Arguments) -> Iterator[Bad]:
    yield Bad("unknown", {**base, "zzz": SECRET}, ("'zzz'", f"It takes {', '.join(schema['properties'])}."))


def _excluded(command: type[Command], base: Arguments) -> Iterator[Bad]:
    for first, other in command.exclusive:
        valid = f"https://example.com/{SECRET}" if other.endswith("_url") else SECRET
        yield Bad("both of a pair", {**base, first: AUDIO_URL, other: valid}, (first, other, "not both"))


def _two_at_once(schema: Mapping[str, Any], base: Arguments) -> Iterator[Bad]:
    for name in schema["properties"]:
        yield Bad("two at once", {**base, name: OF_TYPE["object"], "zzz": SECRET}, (name, "'zzz'"))


RULES_OF_A_PLACE = (
    _missing,
    _null,
    _wrong_type,
    _out_of_range,
    _wrong_length,
    _wrong_text,
    _wrong_list,
    _phone_number,
    _wrong_id,
    _foreign_key,
)
RULES_OF_A_TOOL = (_misspelt, _unknown, _two_at_once)

_WHISPER = "supervisor_role whisper needs whisper_call_control_ids"
_ONLY_WHISPER = "whisper_call_control_ids is only for supervisor_role whisper"
_SAY = {**ROOM_AND_ALL, "payload": "Hello", "voice": "female"}

_NO_EMERGENCY = "to must not reach an emergency"
_DIAL = EXAMPLE_OF["dial"].minimal
EMERGENCY = (
    *("911", "112", "999", "110", "00112", "0 999", "tel:911", "911,1", "911#", "9-1-1", " 911 "),
    *("+911", "+112", "+1911", "+1 911", "+19115550123", "+44999", "+49112", "+61000"),
    *("sip:911@example.com", "SIP:911@example.com", "sips:112@10.0.0.1:5061;transport=tls", "sip:1911@x", "sip:9911@x"),
    *("sip:+1911@x", "sip:+1911;phone-context=+1@x", "sip:%39%31%31@x", "sip:%2539%2531%2531@x", "sip:911:secret@x"),
    *("sip:00112@x", "sip:0011911@x", "sip:9.1.1@x", "sip:911,5@x", "sip:911*@x", "sip:sos@x", "sip:sos.fire@x"),
)
PREMIUM = (
    *("+19005551234", "+12029765555", "+449098790123", "+979123456789"),
    *("sip:19005551234@x", "sip:+1-900-555-1234@x", "sip:00449098790123@x"),
)
NO_NUMBERS = (
    *("2025550150", "(202) 555-0150", "+1 202 555 0150", "+12025550150,1", "+12025550150;ext=1", "001202555015"),
    *(
        "+0123456789",
        "++12025550150",
        "+1202555015",
        "+120255501500",
        "+15555550150",
        "+9991234567890",
        "\uff0b12025550150",
    ),
    *("1911", "+8199", "+5590", "+4990012345678", "+97912345678"),  # like an emergency or a premium number, and none
    *("ann", "sip:ann", "ann@example.com", "sip:@example.com", "sip:a@b@c", "sip:ann@example.com?to=911", "sip:ann@"),
    *(
        "http://example.com",
        "urn:service:sos",
        "\uff0b12025550150",
        "+\u0661\u0662\u0660\u0662\u0665\u0665\u0665\u0660\u0661\u0665\u0660",
    ),
)

BY_HAND: Mapping[str, tuple[Bad, ...]] = {
    "join_conference": (
        Bad("whisper to nobody", {**ROOM_AND_CALL, "supervisor_role": "whisper"}, (_WHISPER,)),
        Bad("heard by without whisper", {**ROOM_AND_CALL, "whisper_call_control_ids": LEGS}, (_ONLY_WHISPER,)),
    ),
    "update_supervisor": (
        Bad("whisper to nobody", {**ROOM_AND_CALL, "supervisor_role": "whisper"}, (_WHISPER,)),
        Bad(
            "heard by without whisper",
            {**ROOM_AND_CALL, "supervisor_role": "barge", "whisper_call_control_ids": LEGS},
            (_ONLY_WHISPER,),
        ),
    ),
    "dial": (
        *(
            Bad("emergency number", {**_DIAL, "to": number}, ("to must not reach an emergency",))
            for number in EMERGENCY
        ),
        *(
            Bad("premium-rate number", {**_DIAL, "to": number}, ("to must not be a premium-rate",))
            for number in PREMIUM
        ),
        *(Bad("no number", {**_DIAL, "to": number}, ("to must be a",)) for number in NO_NUMBERS),
        Bad("emergency number", {**_DIAL, "to": [TO, "+1911"]}, ("to[1] must not reach an emergency",)),
        Bad("role without supervising", {**_DIAL, "supervisor_role": "barge"}, ("supervise_call_control_id",)),
        Bad(
            "two things to supervise",
            {**_DIAL, "supervise_call_control_id": CALL, "conference_config": {"id": "1"}},
            ("conference_config or supervise_call_control_id, not both",),
        ),
        *(
            Bad("which conference", {**_DIAL, "conference_config": config}, ("by id or by conference_name",))
            for config in ({"mute": True}, {"id": "1", "conference_name": "Standup"})
        ),
        Bad(
            "whisper to nobody",
            {**_DIAL, "conference_config": {"id": "1", "supervisor_role": "whisper"}},
            (f"conference_config: {_WHISPER}",),
        ),
    ),
    "transfer_call": tuple(
        Bad("emergency number", {"call_control_id": CALL, "to": number}, (_NO_EMERGENCY,))
        for number in ("+1911", "112", "sip:911@example.com")
    ),
    "bridge_calls": (Bad("with nobody", {"call_control_id": CALL}, ("other_call_control_id or queue_name",)),),
    "play_audio": (Bad("nothing to play", ROOM_AND_ALL, ("audio_url or media_name",)),),
    "speak_text": (
        Bad(
            "another provider's field",
            {**_SAY, "voice_settings": {"type": "aws", "voice_speed": int(SECRET)}},
            ("voice_settings.voice_speed", "aws"),
        ),
        Bad(
            "wrong field of a provider",
            {**_SAY, "voice_settings": {"type": "azure", "gender": SECRET}},
            ("voice_settings.gender", "'Male' or 'Female'"),
        ),
    ),
}

KINDS = {
    "another provider's field",
    "array in its place",
    "boolean in its place",
    "both of a pair",
    "broken JSON in text",
    "emergency number",
    "empty list",
    "empty text",
    "everyone beside ids",
    "heard by without whisper",
    "integer in its place",
    "misspelt",
    "missing",
    "negative",
    "no number",
    "not an id",
    "nothing to play",
    "null for required",
    "number in its place",
    "object in its place",
    "phone number",
    "premium-rate number",
    "role without supervising",
    "string in its place",
    "too great",
    "too long",
    "too short",
    "too small",
    "two at once",
    "two things to supervise",
    "unknown",
    "unknown inside",
    "which conference",
    "whisper to nobody",
    "with nobody",
    "wrong entry",
    "wrong enum",
    "wrong field of a provider",
    "wrong pattern",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal of a wrong call."""

    bad: Bad
    is_error: bool
    text: str
    sent: int
    """How many requests reached Telnyx."""

    def __str__(self) -> str:
        return f"{self.bad.kind}: {json.dumps(self.bad.arguments)[:300]} -> {self.text}"


@cache
def refused(era: str) -> Mapping[str, list[Refusal]]:
    """The refusals of each tool's wrong calls."""
    return at_bench(era, _call_every_tool_wrongly)


async def _call_every_tool_wrongly(bench: Bench) -> Mapping[str, list[Refusal]]:
    return {
        name: [await _call_wrongly(bench, name, bad) for bad in bad_inputs(command)]
        for name, command in COMMAND_OF.items()
    }


async def _call_wrongly(bench: Bench, name: str, bad: Bad) -> Refusal:
    bench.received.clear()
    result = await bench.client.call_tool(name, dict(bad.arguments))
    return Refusal(bad, bool(result.is_error), text(result), len(bench.received))


def test_every_kind_of_bad_input_is_tried() -> None:
    assert {bad.kind for command in COMMAND_OF.values() for bad in bad_inputs(command)} == KINDS


@every_example
def test_bad_input_is_a_tool_error(example: Example, era: str) -> None:
    assert [str(refusal) for refusal in refused(era)[example.tool] if not refusal.is_error] == []


@every_example
def test_bad_input_sends_nothing_to_telnyx(example: Example, era: str) -> None:
    assert [str(refusal) for refusal in refused(era)[example.tool] if refusal.sent] == []


@every_example
def test_a_refusal_names_the_argument(example: Example, era: str) -> None:
    assert [
        str(refusal)
        for refusal in refused(era)[example.tool]
        if not all(name in refusal.text for name in refusal.bad.named)
    ] == []


@every_example
def test_the_refusal_of_a_list_names_only_its_wrong_entry(example: Example, era: str) -> None:
    of_entries = [refusal for refusal in refused(era)[example.tool] if refusal.bad.kind == "wrong entry"]
    assert [str(refusal) for refusal in of_entries if "everyone" in refusal.text] == []


@every_example
def test_a_refusal_is_in_plain_sentences(example: Example, era: str) -> None:
    for refusal in refused(era)[example.tool]:
        assert refusal.text.startswith(f"{example.tool} was not called: "), str(refusal)
        assert refusal.text.endswith((".", "?")), str(refusal)
        assert refusal.text.isprintable(), str(refusal)


@every_example
def test_a_refusal_has_no_words_of_a_library(example: Example, era: str) -> None:
    wordy = [refusal for refusal in refused(era)[example.tool] if any(word in refusal.text for word in FOREIGN)]
    assert [str(refusal) for refusal in wordy] == []


@every_example
def test_a_refusal_does_not_repeat_the_value(example: Example, era: str) -> None:
    assert [str(refusal) for refusal in refused(era)[example.tool] if SECRET in refusal.text] == []


# The rest of a call


@pytest.mark.anyio
async def test_a_client_receives_the_tools_of_the_snapshots(era: str) -> None:
    async with connected("--sandbox", "--toolsets", "all", era=era) as client:
        listed = (await client.list_tools()).tools
    assert [_told(tool) for tool in listed] == [_told(definition(command)) for command in LISTED]


def _told(described: Tool) -> dict[str, Any]:
    return described.model_dump(mode="json", by_alias=True, exclude_none=True)


NEAR = {
    "mute_participant": "mute_participants",
    "conference_end": "end_conference",
    "list_calls": "list_queue_calls",
}
"""Tools that do not exist, and a name that is near."""


@cache
def not_found(era: str) -> Mapping[str, MCPError]:
    """How the call of each tool that does not exist ends."""
    return at_bench(era, _call_tools_that_do_not_exist)


async def _call_tools_that_do_not_exist(bench: Bench) -> Mapping[str, MCPError]:
    errors: dict[str, MCPError] = {}
    for name in NEAR:
        with pytest.raises(MCPError) as raised:
            await bench.client.call_tool(name, dict(ROOM))
        errors[name] = raised.value
    return errors


@each_row("name", NEAR)
def test_an_unknown_tool_is_a_protocol_error(name: str, era: str) -> None:
    assert not_found(era)[name].error.code == INVALID_PARAMS


@each_row("name", NEAR)
def test_an_unknown_tool_is_answered_with_the_names_that_are_near(name: str, era: str) -> None:
    message = not_found(era)[name].error.message
    assert message.startswith(f"Unknown tool: {name}. Did you mean ")
    assert NEAR[name] in message


AS_TEXT: Mapping[str, tuple[str, Arguments]] = {
    "a list": ("mute_participants", {"call_control_ids": LEGS}),
    "a list where everyone is told by a list": ("unhold_participants", {"call_control_ids": [CALL]}),
    "those who hear a whisper": (
        "join_conference",
        {"call_control_id": CALL, "supervisor_role": "whisper", "whisper_call_control_ids": LEGS},
    ),
    "a filter": ("list_participants", {"filter": {"muted": True, "on_hold": False}}),
    "a voice's settings": ("speak_text", {**_SAY, "voice_settings": {"type": "minimax", "pitch": 3, "speed": 0.5}}),
}


@cache
def sent_plain_and_as_text(era: str) -> Mapping[str, tuple[Received, Received]]:
    """What Telnyx is sent when an argument is a list or object, and when it is the same as JSON in text."""
    return at_bench(era, _call_plainly_and_with_text)


async def _call_plainly_and_with_text(bench: Bench) -> Mapping[str, tuple[Received, Received]]:
    sent: dict[str, tuple[Received, Received]] = {}
    for case, (name, arguments) in AS_TEXT.items():
        bench.received.clear()
        for given in (arguments, {key: _json_text(value) for key, value in arguments.items()}):
            result = await bench.client.call_tool(name, {**ROOM, **given, **_same_id(name, case)})
            assert not result.is_error, text(result)
        # The guard may read the state of a leg before a command; the command itself is the last request of its kind.
        first, second = [request for request in bench.received if request.method != "GET" or COMMAND_OF[name].is_read()]
        sent[case] = first, second
    return sent


def _json_text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _same_id(name: str, case: str) -> dict[str, str]:
    return {"command_id": f"as text: {case}"} if COMMAND_OF[name].is_deduped() else {}


@each_row("case", AS_TEXT)
def test_lists_and_objects_that_a_host_sent_as_json_in_text_are_read(case: str, era: str) -> None:
    plain, as_text = sent_plain_and_as_text(era)[case]
    assert (plain.path, plain.query, plain.body) == (as_text.path, as_text.query, as_text.body)


@pytest.mark.anyio
async def test_a_result_of_a_protocol_without_structured_content_is_its_text_alone(tmp_path: Path) -> None:
    async with stdio_server("--sandbox", "--database", url_of(tmp_path / "events.db"), env={}) as server:
        assert (await server.initialize("2024-11-05"))["protocolVersion"] == "2024-11-05"
        result = await server.ask("tools/call", {"name": "list_queues", "arguments": {}})
    assert "structuredContent" not in result
    assert json.loads(result["content"][0]["text"])["queues"]

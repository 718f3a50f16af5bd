"""What a model reads of each tool: kept as a snapshot, exact, lean, and true to the risk of the tool."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.examples import EXAMPLE_OF, FROM, OTHER_TO, TO, VOICE_SETTINGS, schema_is_valid
from support.fuzzing import examples
from support.rows import each_row
from telnyx_conferencing.server.cli.tools import risk_words
from telnyx_conferencing.server.mcp.tool_definitions import definition, model_bytes, total_bytes
from telnyx_conferencing.tools import COMMANDS, PRESETS, TOOLS
from telnyx_conferencing.tools.base import Command, Request, Tool
from telnyx_conferencing.tools.call_audio import GatherFromCall
from telnyx_conferencing.tools.calls import Dial
from telnyx_conferencing.tools.schema import KEYWORDS, input_schema

SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "tools"
UPDATE = "UPDATE_SNAPSHOTS"
MODEL_BUDGET, TOTAL_BUDGET = 720, 1250
"""Bytes of a tool on average: of what the model reads, and of the whole definition."""

RISKS: Mapping[str, tuple[str, str]] = {
    "whoami": ("read", "idempotent"),
    "may_call": ("read", "idempotent"),
    "add_optout": ("routine", "idempotent"),
    "announce_recording": ("routine", "idempotent"),
    "request_grant": ("destructive", "idempotent"),
    "list_conferences": ("read", "idempotent"),
    "create_conference": ("routine; destructive by effect", "deduped"),
    "get_conference": ("read", "idempotent"),
    "end_conference": ("destructive", "deduped"),
    "join_conference": (
        "routine; destructive with supervisor_role monitor or whisper; destructive by effect",
        "deduped",
    ),
    "leave_conference": ("disruptive; destructive by effect", "deduped"),
    "hold_participants": ("routine; disruptive with call_control_ids everyone", "idempotent"),
    "unhold_participants": ("routine; disruptive with call_control_ids everyone", "idempotent"),
    "mute_participants": ("routine; disruptive with call_control_ids everyone", "idempotent"),
    "unmute_participants": ("routine; disruptive with call_control_ids everyone", "idempotent"),
    "play_audio": ("routine; disruptive with call_control_ids everyone", "once"),
    "stop_audio": ("routine; disruptive with call_control_ids everyone", "idempotent"),
    "speak_text": ("routine; disruptive with call_control_ids everyone", "deduped"),
    "send_dtmf": ("disruptive", "once"),
    "gather_dtmf": ("routine", "once"),
    "start_recording": ("destructive", "deduped"),
    "stop_recording": ("destructive", "deduped"),
    "pause_recording": ("disruptive", "deduped"),
    "resume_recording": ("destructive", "deduped"),
    "update_supervisor": ("disruptive; destructive with supervisor_role monitor or whisper", "deduped"),
    "list_participants": ("read", "idempotent"),
    "get_participant": ("read", "idempotent"),
    "update_participant": ("routine; destructive by effect", "idempotent"),
    "list_queues": ("read", "idempotent"),
    "get_queue": ("read", "idempotent"),
    "create_queue": ("routine", "once"),
    "update_queue": ("routine", "idempotent"),
    "delete_queue": ("destructive", "idempotent"),
    "list_queue_calls": ("read", "idempotent"),
    "get_queue_call": ("read", "idempotent"),
    "update_queue_call": ("routine; destructive by effect", "idempotent"),
    "remove_queue_call": ("destructive", "idempotent"),
    "enqueue_call": ("routine; destructive by effect", "deduped"),
    "leave_queue": ("destructive", "deduped"),
    "list_recordings": ("read", "idempotent"),
    "get_recording": ("read", "idempotent"),
    "dial": ("disruptive; destructive with supervisor_role monitor or whisper; destructive by effect", "deduped"),
    "get_call": ("read", "idempotent"),
    "list_active_calls": ("read", "idempotent"),
    "answer_call": ("routine", "deduped"),
    "reject_call": ("destructive", "deduped"),
    "hangup_call": ("destructive", "deduped"),
    "bridge_calls": ("disruptive; destructive by effect", "deduped"),
    "transfer_call": ("destructive", "deduped"),
    "speak_to_call": ("routine", "deduped"),
    "play_to_call": ("routine", "deduped"),
    "stop_call_audio": ("routine", "deduped"),
    "gather_from_call": ("routine", "deduped"),
    "stop_gather": ("routine", "deduped"),
    "send_call_dtmf": ("disruptive", "deduped"),
    "start_call_recording": ("destructive", "deduped"),
    "stop_call_recording": ("destructive", "deduped"),
    "pause_call_recording": ("disruptive", "deduped"),
    "resume_call_recording": ("destructive", "deduped"),
    "delete_recording": ("destructive", "idempotent"),
    "update_client_state": ("routine", "idempotent"),
    "switch_supervisor_role": ("disruptive; destructive with role monitor or whisper", "idempotent"),
    "list_events": ("read", "idempotent"),
    "get_event": ("read", "idempotent"),
    "wait_for_event": ("read", "idempotent"),
    "conference_summary": ("read", "idempotent"),
    "announce_positions": ("routine", "once"),
    "start_transcription": ("destructive", "deduped"),
    "stop_transcription": ("disruptive", "deduped"),
    "conference_transcript": ("read", "idempotent"),
    "report": ("read", "idempotent"),
    "show_switchboard": ("read", "idempotent"),
    "show_approval": ("read", "idempotent"),
    "decide_approval": ("routine", "idempotent"),
}
"""What each tool risks, and what a repeat of it does."""

every_command = each_row("command", TOOLS, lambda command: command.tool_name())


# Snapshots


@every_command
def test_the_description_and_schemas_of_a_tool_are_the_reviewed_ones(command: type[Tool]) -> None:
    described = definition(command).model_dump(mode="json", by_alias=True, exclude_none=True)
    rendered = f"{json.dumps(described, indent=2, ensure_ascii=False)}\n"
    file = SNAPSHOTS / f"{command.tool_name()}.json"
    if os.environ.get(UPDATE) == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rendered, "utf-8")
    reviewed = file.read_text("utf-8") if file.exists() else ""
    assert rendered == reviewed, f"{file.name} is out of date: if that is meant, {UPDATE}=1 make test rewrites it"


def test_every_snapshot_is_of_a_tool_that_there_is() -> None:
    assert {file.stem for file in SNAPSHOTS.iterdir()} == {command.tool_name() for command in TOOLS}


# Schemas


@every_command
@pytest.mark.parametrize("side", ["input", "output"])
def test_a_schema_is_valid_json_schema(command: type[Tool], side: str) -> None:
    assert schema_is_valid(schema_of(command, side))


@every_command
@pytest.mark.parametrize("side", ["input", "output"])
def test_a_schema_describes_an_object_without_alternatives_at_the_top(command: type[Tool], side: str) -> None:
    schema = schema_of(command, side)
    assert schema["type"] == "object"
    assert not schema.keys() & {"anyOf", "oneOf", "allOf", "not", "enum"}


@every_command
@pytest.mark.parametrize("side", ["input", "output"])
def test_a_schema_uses_only_keywords_that_every_host_understands(command: type[Tool], side: str) -> None:
    for part in subschemas(schema_of(command, side)):
        assert part.keys() <= KEYWORDS
        assert isinstance(part["type"], str)
        assert part["type"] != "null"
        assert "enum" not in part or part["type"] == "string"
        assert part["type"] != "array" or "items" in part
        assert part.get("default", "none given") is not None
        assert all(name.isidentifier() for name in part.get("properties", ()))


@every_command
def test_every_property_has_a_useful_description(command: type[Tool]) -> None:
    for part in subschemas(input_schema(command)):
        for name, schema in part.get("properties", {}).items():
            assert len(schema.get("description", "")) >= 8, name
            assert schema["type"] != "object" or schema["properties"], "Gemini refuses an object without properties"


@every_command
def test_the_first_sentence_of_a_description_is_short(command: type[Tool]) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{5,130}\.", command.__doc__ or "")


@pytest.mark.parametrize("preset", ["default", "all"])
def test_the_tools_of_a_preset_cost_no_more_than_the_budget_on_average(preset: str) -> None:
    tools = [tool for tool in PRESETS[preset] if not tool.needs_cards]
    model = sum(map(model_bytes, tools)) / len(tools)
    total = sum(map(total_bytes, tools)) / len(tools)
    assert model <= MODEL_BUDGET
    assert total <= TOTAL_BUDGET


def test_the_core_preset_has_the_forty_tools_that_cursor_takes() -> None:
    assert len(PRESETS["core"]) == 40


def schema_of(command: type[Tool], side: str) -> dict[str, Any]:
    described = definition(command)
    schema = described.input_schema if side == "input" else described.output_schema
    assert schema is not None
    return schema


def subschemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A schema and every schema in it."""
    yield schema
    inner = [*schema.get("properties", {}).values()]
    inner += [schema["items"]] if "items" in schema else []
    for part in inner:
        if isinstance(part, dict):
            yield from subschemas(cast("dict[str, Any]", part))


# Risk


def test_the_table_of_risks_has_every_tool() -> None:
    assert RISKS.keys() == {command.tool_name() for command in TOOLS}


@every_command
def test_the_risk_of_a_tool_is_the_one_in_the_table(command: type[Tool]) -> None:
    assert (risk_words(command), str(command.retry)) == RISKS[command.tool_name()]


@every_command
def test_the_annotations_follow_the_table(command: type[Tool]) -> None:
    risk, retry = RISKS[command.tool_name()]
    annotations = definition(command).annotations
    listed = annotations.model_dump(by_alias=True, exclude_none=True) if annotations is not None else {}
    hints = {"readOnlyHint": False, "destructiveHint": True} | listed
    assert hints["readOnlyHint"] is (risk == "read")
    if risk != "read":  # the other hints mean nothing for a tool that only reads
        assert hints["destructiveHint"] is ("destructive" in risk)
        assert hints.get("idempotentHint", False) is (retry == "idempotent")


# Requests, there and back

WORD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=12)
LEG = WORD.map(lambda word: f"v3:{word}")
URL = st.tuples(st.sampled_from(["http://", "https://"]), WORD.map(lambda word: word.replace("/", "-"))).map("".join)

NUMBERS = st.sampled_from([FROM, TO, OTHER_TO, "sip:ann@example.com"])

BY_NAME: Mapping[str, st.SearchStrategy[Any]] = {
    "conference_id": WORD.filter(lambda word: word not in (".", "..")),
    "participant_id": WORD.filter(lambda word: word not in (".", "..")),
    "call_control_id": LEG,
    "whisper_call_control_ids": st.lists(LEG, min_size=1, max_size=3),
    "call_control_ids": st.lists(LEG, min_size=1, max_size=3) | st.just("everyone"),
    "queue_name": WORD.filter(lambda word: word not in (".", "..")),
    "voice_settings": st.sampled_from(VOICE_SETTINGS),
    "other_call_control_id": LEG,
    "supervise_call_control_id": LEG,
    "connection_id": WORD.filter(lambda word: word not in (".", "..")),
    "recording_id": WORD.filter(lambda word: word not in (".", "..")),
    "from": NUMBERS,
    "to": NUMBERS,
    "from_display_name": st.from_regex(r"[A-Za-z0-9 _~!.+-]{1,128}", fullmatch=True),
    "id": st.uuids().map(str),
    "loop": st.integers(1, 100) | st.just("infinity"),
    "page_size": st.integers(1, 100),
    "audio_url": URL,
    "hold_audio_url": URL,
    "invalid_audio_url": URL,
    "client_state": st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20).map(
        lambda text: base64.b64encode(text.encode()).decode()
    ),
}
"""Arguments with rules that the schema does not state."""


def text_of(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        pattern: str = schema["pattern"]
        return st.from_regex(pattern.replace("$", r"\Z"))
    most = min(schema.get("maxLength", 20), 20)
    return st.text(min_size=max(1, schema.get("minLength", 0)), max_size=most)


def object_of(schema: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with at least one property: in a query, an empty filter looks like none."""
    fields = {name: value_of(name, inner) for name, inner in schema.get("properties", {}).items()}
    return st.fixed_dictionaries({}, optional=fields).filter(bool)


BY_TYPE: Mapping[str, Callable[[Mapping[str, Any]], st.SearchStrategy[Any]]] = {
    "string": text_of,
    "object": object_of,
    "boolean": lambda schema: st.booleans(),
    "integer": lambda schema: st.integers(schema.get("minimum", 1), schema.get("maximum", 10**9)),
}


def value_of(name: str, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if name in BY_NAME:
        return BY_NAME[name]
    if "enum" in schema:
        return st.sampled_from(cast("list[str]", schema["enum"]))
    return BY_TYPE[schema["type"]](schema)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """A valid command of any kind."""
    command = draw(st.sampled_from(COMMANDS))
    schema = input_schema(command)
    properties: dict[str, Any] = schema["properties"]
    values = {name: value_of(name, inner) for name, inner in properties.items()}
    if command.everyone_filter is not None:  # goes out as a list, which is made before the request is
        values["call_control_ids"] = BY_NAME["whisper_call_control_ids"]
    needed: list[str] = [*schema.get("required", ()), *command.one_of[:1], *map(command.wire_name, command.settings)]
    optional = {name: value for name, value in values.items() if name not in needed}
    arguments = draw(st.fixed_dictionaries({name: values[name] for name in needed}, optional=optional))
    for first, other in command.exclusive:
        if first in arguments:
            arguments.pop(other, None)
    for stays in EXAMPLE_OF[command.tool_name()].ours:
        arguments.pop(stays, None)
    if command is Dial:
        _supervise_one_thing(arguments)
        if "conference_config" in arguments:
            _name_one_conference(arguments["conference_config"])
    if command is GatherFromCall:
        _gather_after_one_prompt(arguments)
    if "transcription_engine_config" in arguments:
        # The request names an engine in any case.
        arguments["transcription_engine_config"].setdefault("transcription_engine", "Google")
    for whispering in (arguments, arguments.get("conference_config", {})):
        _whisper_to_somebody(draw, whispering)
    return command.model_validate(arguments, strict=True)


def _gather_after_one_prompt(arguments: dict[str, Any]) -> None:
    """Leave out what does not go with the prompt."""
    prompts = {name: arguments.pop(name) for name in ("payload", "audio_url", "media_name") if name in arguments}
    kind = next(iter(prompts), None)
    spoken, played = ("voice", "invalid_payload"), ("invalid_audio_url", "invalid_media_name")
    if kind == "payload":
        unfit = ("initial_timeout_millis", *played)
        arguments |= {"payload": prompts["payload"], "voice": "AWS.Polly.Joanna"}
    elif kind is not None:
        unfit = ("initial_timeout_millis", *spoken)
        arguments[kind] = prompts[kind]
    else:
        unfit = ("maximum_tries", *spoken, *played)
    for name in unfit:
        arguments.pop(name, None)


def _supervise_one_thing(arguments: dict[str, Any]) -> None:
    if "conference_config" in arguments:
        arguments.pop("supervise_call_control_id", None)
    if "supervise_call_control_id" not in arguments:
        arguments.pop("supervisor_role", None)


def _name_one_conference(config: dict[str, Any]) -> None:
    if "id" in config:
        config.pop("conference_name", None)
    if "hold_audio_url" in config:
        config.pop("hold_media_name", None)
    config.setdefault("conference_name" if "id" not in config else "id", "Standup")
    if "hold_audio_url" in config:
        config.pop("hold_media_name", None)


def _whisper_to_somebody(draw: st.DrawFn, arguments: dict[str, Any]) -> None:
    if arguments.get("supervisor_role") == "whisper" and "supervise_call_control_id" not in arguments:
        arguments["whisper_call_control_ids"] = draw(BY_NAME["whisper_call_control_ids"])
    else:
        arguments.pop("whisper_call_control_ids", None)


def parts(command: Command, request: Request) -> tuple[dict[str, str], Mapping[str, str], Mapping[str, Any]]:
    """What the receiver of a request reads in it: path parameters, query and body."""
    pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", command.endpoint().path)
    found = re.fullmatch(pattern, request.path)
    assert found is not None
    return {name: unquote(value) for name, value in found.groupdict().items()}, request.query, request.body or {}


@examples(500)
@given(commands())
def test_a_command_can_be_read_from_the_request_it_makes(command: Command) -> None:
    assert type(command).from_request(*parts(command, command.request())) == command

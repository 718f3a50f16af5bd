"""With --mask-numbers, a model reads only the last four digits of phone numbers, and all other text unchanged."""

import json
import re
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import anyio
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mcp.client import Client
from mcp.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CompleteResult,
    Completion,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    GetPromptResult,
    InputRequiredResult,
    ListResourcesResult,
    ListToolsResult,
    PromptMessage,
    ReadResourceResult,
    Resource,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from support.examples import CALL, CLIENT_STATE, CONFERENCE_ID, EXAMPLES
from support.mcp import ERAS, text
from support.rows import each_row
from telnyx_conferencing.server.mcp.number_masking import NumberMask, masked, masked_text

# Free text

MASKED: Mapping[str, str] = {
    "+14155550100": "+*******0100",
    "from '+14155550100' to '+12025550111'": "from '+*******0100' to '+*******0111'",
    "14155550100": "*******0100",
    "4155550100": "******0100",
    "5550100": "***0100",
    "(415) 555-0100": "(***) ***-0100",
    "+1 (415) 555-0100": "+* (***) ***-0100",
    r"\+1 \(415\) 555-0100": r"\+* \(***\) ***-0100",
    "415.555.0100": "***.***.0100",
    "+1.4155550100": "+*.******0100",
    "415_555_0100.wav": "***_***_0100.wav",
    "+44 (0)20 7946 0958": "+** (*)** **** 0958",
    "0044 20 7946 0958": "**** ** **** 0958",
    "01 42 68 53 00": "** ** ** 53 00",
    "030/1234567": "030/***4567",
    "4 1 5 5 5 5 0 1 0 0": "* * * * * * 0 1 0 0",
    "+1\u00a0415\u2011555\u20110100": "+*\u00a0***\u2011***\u20110100",
    "\uff0b\uff11\uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff11\uff10\uff10": (
        "\uff0b*******\uff10\uff11\uff10\uff10"
    ),
    "\u7535\u8bdd4155550100\u8bf7": "\u7535\u8bdd******0100\u8bf7",
    "tel:+1-415-555-0100;ext=12": "tel:+*-***-***-0100;ext=12",
    "4155550100x12 or 4155550100 ext. 3": "******0100x12 or ******0100 ext. 3",
    "<sip:+14155550100@10.20.30.40:5060>": "<sip:+*******0100@10.20.30.40:5060>",
    "telnyx://queues/%2B14155550100/events": "telnyx://queues/%2B*******0100/events",
    "%2b1%20415%20555%200100": "%2b*%20***%20***%200100",
    "tel%253A%252B14155550100": "tel%253A%252B*******0100",
    "name%3D4155550100": "name%3D******0100",
    "**4155550100**": "********0100**",
    "+14155550100 +14155550101": "+*******0100 +*******0101",
    "14155550100 14155550101": "*******0100 *******0101",
    "+14155550100 2 times": "+*******0100 2 times",
    "4155550100 on 2026-01-15": "******0100 on 2026-01-15",
    "4155550100 2026-01-15 10:00:00": "******0100 2026-01-15 10:00:00",
    '{"from": "12345", "id": "4155550100"}': '{"from":"*2345","id":"4155550100"}',
}
"""What is written, and what a model reads."""


@each_row("written", MASKED)
def test_a_number_is_masked_however_it_is_written(written: str) -> None:
    assert masked_text(written) == MASKED[written]


KEPT = (
    "",
    "Nobody is on hold.",
    CONFERENCE_ID,
    "12345678-1234-1234-1234-123456789012",
    "Conference 12345678-1234-… ended.",
    CALL,
    "v3:12345678901-1234567890_12345678",
    r"v3\:12345678901…",
    "telnyx://calls/v3%3A12345678901/events",
    CLIENT_STATE,
    "2026-01-15T10:00:00Z",
    "2026-01-15T10:00:00.123456+01:00",
    "2026-01-15 10:00:00",
    "15.01.2026, 01/15/2026",
    "recording-20260115-100000.wav",
    "10:00:05.123 - 10:00:10.456",
    "0.123456 of 99.5 %",
    "192.168.100.200",
    "1494404757140276705",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "https://example.invalid/a.wav?X-Amz-Date=20260115T100000Z&X-Amz-Expires=600",
    "https://example.invalid/a.wav?Expires=1768471200&Signature=x",
    "3 of 100 waiting: 1. 'caller', 240 s, 2. 'caller', 150 s",
    "12,345,678",
    "wait 600 s, code 90015",
    "[1, 2, 3, 4, 5, 6, 7, 8]",
    '{"id": "4155550100",  "waited": 1234567}',
)


@each_row("written", KEPT)
def test_text_that_is_no_phone_number_is_unchanged(written: str) -> None:
    assert masked_text(written) == written


# JSON


def test_a_key_for_numbers_masks_them_however_short_or_written() -> None:
    data = {"from": "55501", "to": ["911", "sip:55501@h"], "number": 14155550100, "callerIdNumber": "%2B55501"}
    seen = {"from": "*5501", "to": ["911", "sip:*5501@h"], "number": "*******0100", "callerIdNumber": "%2B*5501"}
    assert masked(data) == seen


@each_row("kept", [CALL, CONFERENCE_ID, "leg-a12345", "everyone", "anonymous", "2026-01-15T10:00:00Z"])
def test_a_value_that_is_no_number_is_kept_under_a_key_for_numbers(kept: str) -> None:
    assert masked({"from": kept, "to": kept, "number": kept}) == {"from": kept, "to": kept, "number": kept}


@each_row("key", ["id", "event_id", "connection_id", "call_control_ids", "occurred_at", "start_time", "nextCursor"])
def test_values_under_id_and_time_keys_are_not_masked(key: str) -> None:
    data = {key: "4155550100", "deep": [{key: ["+14155550100", 4155550100]}]}
    assert masked(data) == data


def test_figures_are_left_as_they_are() -> None:
    data = {
        "wait_time_secs": 12345678,
        "packet_count": "12345678",
        "page_number": 1234567,
        "score": 0.1234567,
        "on": True,
    }
    assert masked(data) == data


def test_a_number_that_is_a_key_is_masked_and_loses_nothing_to_another() -> None:
    assert masked({"+14155550100": 1, "+14155560100": 2, "a": 3}) == {"+*******0100": 1, "+*******0100'": 2, "a": 3}


def test_a_sip_header_is_masked_in_its_value() -> None:
    header = {"name": "P-Asserted-Identity", "value": '"Ann" <sip:+14155550100@sip.example.com;user=phone>'}
    assert masked(header)["value"] == '"Ann" <sip:+*******0100@sip.example.com;user=phone>'


def test_masking_returns_a_copy() -> None:
    data = {"from": "+14155550100", "calls": [{"to": "+14155550101"}]}
    masked(data)
    assert data == {"from": "+14155550100", "calls": [{"to": "+14155550101"}]}


@each_row("example", EXAMPLES, lambda example: example.tool)
def test_an_answer_of_telnyx_differs_in_its_numbers_only(example: Any) -> None:
    shown = json.dumps(masked(example.answer))
    assert "555010" not in shown
    assert masked(json.loads(shown)) == json.loads(shown)
    assert shown.replace("****0101", "+15550101"[1:]).replace("****0100", "15550100") == json.dumps(example.answer)


# Any text

DIGITS = st.text("0123456789", min_size=7, max_size=15)
GAPS = st.sampled_from(["", " ", "-", ".", ") ", " (", "\u00a0", "%20", " - "])
LETTERS = st.text(st.characters(exclude_categories=["Nd", "Cs"], exclude_characters="+*"), max_size=12)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """A number as it may be written."""
    digits = draw(DIGITS)
    plus = draw(st.sampled_from(["+", "", "00", "%2B", "tel:+", "sip:"]))
    cuts = sorted(draw(st.sets(st.integers(1, len(digits) - 1), max_size=3)))
    parts = [digits[start:end] for start, end in zip([0, *cuts], [*cuts, len(digits)], strict=True)]
    gap = draw(GAPS)
    return plus + gap.join(parts)


APART = re.compile(r"[A-Za-z0-9%.:/=\\_-]\s*$")
"""Characters that do not come before a phone number: after them it is part of an id, a time or an address."""
OTHERWISE = re.compile(
    r"(19|20)\d\d-\d\d-\d\d|\d\d?\.\d\d?\.\d{4}|\d{1,6}\.\d{1,6}|\d{1,3}(\.\d{1,3}){3}|\d{8}-\d{6}|\d{16,}(\D.*)?"
)
"""What may be a number, but is more often a date, a decimal, an IP address or an id: more digits in one piece than any
number has are one, whatever follows."""


@given(spellings(), LETTERS, LETTERS)
def test_no_seven_digits_of_a_number_survive(spelt: str, before: str, after: str) -> None:
    assume(APART.search(before) is None)
    assume(re.match(r"[A-Za-z:./_\\-]", after) is None)
    assume(OTHERWISE.fullmatch(spelt.removeprefix("sip:")) is None)
    shown = re.sub(r"%(20|2B)|[-. ()\u00a0]", "", masked_text(f"{before}{spelt}{after}"))
    assert re.search(r"\d{7}", shown) is None


IDS = st.one_of(
    st.uuids().map(str),
    st.integers(0, 10**12 - 1).map(lambda number: str(uuid.UUID(int=number))),
    st.binary(min_size=40, max_size=40).map(lambda raw: f"v3:{urlsafe_b64encode(raw).decode().rstrip('=')}"),
    st.text("0123456789-_", min_size=7, max_size=54).map(lambda digits: f"v3:{digits}"),
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(lambda moment: f"{moment.isoformat()}Z"),
    st.integers(10**18, 10**19 - 1).map(str),
)


@given(st.lists(IDS, min_size=1, max_size=4), st.sampled_from([" ", ", ", "/", "\n", " 2 "]))
def test_ids_survive_in_free_text(ids: list[str], between: str) -> None:
    assert masked_text(between.join(ids)) == between.join(ids)


@given(IDS, spellings())
def test_ids_survive_beside_a_number(name: str, spelt: str) -> None:
    assert name in masked_text(f"{name}, {spelt}")
    assert name in masked_text(f"{spelt}, {name}")


@given(st.dictionaries(st.sampled_from(["id", "call_control_id", "occurred_at", "to_id"]), st.text()))
def test_values_under_id_keys_are_unchanged(said: dict[str, str]) -> None:
    assert masked({"payload": said}) == {"payload": said}


SOUP = st.lists(
    st.one_of(
        spellings(),
        IDS,
        st.text("0123456789 .-()+*%:ABxv\\_=\n…", max_size=12),
        st.text(max_size=5),
    ),
    max_size=6,
).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | SOUP,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["from", "to", "id", "text", "number"]) | SOUP, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(SOUP)
def test_a_text_masked_twice_is_as_masked_once(written: str) -> None:
    assert masked_text(masked_text(written)) == masked_text(written)


@given(JSON)
def test_json_masked_twice_is_as_masked_once(said: Any) -> None:
    assert masked(masked(said)) == masked(said)


@given(JSON)
def test_json_and_the_same_as_text_are_masked_alike(said: Any) -> None:
    written = json.dumps({"said": said}, ensure_ascii=False)
    assert json.loads(masked_text(written)) == masked({"said": said})


# Over MCP

NUMBER, HIDDEN = "+14155550100", "+*******0100"
STRUCTURED = {
    "summary": f"1. '{NUMBER}'",
    "calls": [{"call_control_id": CALL, "from": NUMBER, "queue_id": "4155550100"}],
}
QUESTION = f"Hang up {NUMBER}?"
FORM: dict[str, Any] = {"type": "object", "properties": {}}


def tool_result(words: str, **more: Any) -> dict[str, Any]:
    """A tool's result."""
    return {"resultType": "complete", "content": [{"type": "text", "text": words}], **more}


async def call_tool(context: Any, call: Any) -> Any:
    if call.name == "fail":
        return tool_result(f"No call from {NUMBER}.", isError=True)
    if call.name == "unknown":
        raise MCPError(INVALID_PARAMS, f"Unknown tool: {NUMBER}", {"from": NUMBER, "id": CALL})
    if call.name == "ask":
        return await ask(context, call)
    return tool_result(json.dumps(STRUCTURED, ensure_ascii=False), structuredContent=STRUCTURED)


async def ask(context: Any, call: Any) -> Any:
    """Put a question to a person, as each protocol version has it."""
    if context.protocol_version < "2026":
        return tool_result((await context.session.elicit_form(QUESTION, FORM)).action)
    question = ElicitRequest(params=ElicitRequestFormParams(message=QUESTION, requested_schema=FORM))
    return tool_result("accept") if call.input_responses else InputRequiredResult(input_requests={"number": question})


async def list_tools(context: Any, params: Any) -> ListToolsResult:
    return ListToolsResult(tools=[])


async def read(context: Any, params: Any) -> ReadResourceResult:
    return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, text=f"# {NUMBER}\n\n{CALL}")])


async def list_resources(context: Any, params: Any) -> ListResourcesResult:
    return ListResourcesResult(resources=[Resource(uri="telnyx://queues/%2B14155550100", name=f"Queue {NUMBER}")])


async def complete(context: Any, params: Any) -> CompleteResult:
    return CompleteResult(completion=Completion(values=[NUMBER, CALL]))


async def prompt(context: Any, params: Any) -> GetPromptResult:
    content = TextContent(type="text", text=f"Greet {NUMBER}.")
    return GetPromptResult(messages=[PromptMessage(role="user", content=content)])


def server() -> Server[Any]:
    """A server that puts a number into every field that takes text."""
    made: Server[Any] = Server(
        "masked",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_read_resource=read,
        on_list_resources=list_resources,
        on_completion=complete,
        on_get_prompt=prompt,
    )
    made.middleware.append(NumberMask())
    return made


def result_and_questions(era: str, work: Callable[[Client], Any]) -> tuple[Any, list[str]]:
    """The result of some work with a client, and the questions that a person was asked meanwhile."""
    questions: list[str] = []

    async def answer(context: Any, params: Any) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action="accept", content={})

    async def run() -> Any:
        async with Client(server(), mode=ERAS[era], elicitation_callback=answer) as client:
            return await work(client)

    return anyio.run(run), questions


def test_a_tool_result_is_masked_in_its_text_and_its_structured_content(era: str) -> None:
    result, _ = result_and_questions(era, lambda client: client.call_tool("look", {}))
    call = {"call_control_id": CALL, "from": HIDDEN, "queue_id": "4155550100"}
    assert result.structured_content == {"summary": f"1. '{HIDDEN}'", "calls": [call]}
    assert json.loads(text(result)) == result.structured_content


def test_a_tool_error_is_masked(era: str) -> None:
    result, _ = result_and_questions(era, lambda client: client.call_tool("fail", {}))
    assert text(result) == f"No call from {HIDDEN}."
    assert result.is_error


def test_a_protocol_error_is_masked(era: str) -> None:
    async def call_unknown(client: Client) -> MCPError:
        with pytest.raises(MCPError) as raised:
            await client.call_tool("unknown", {})
        return raised.value

    error, _ = result_and_questions(era, call_unknown)
    assert (error.code, error.message) == (INVALID_PARAMS, f"Unknown tool: {HIDDEN}")
    assert error.data == {"from": HIDDEN, "id": CALL}


def test_a_person_who_is_asked_reads_the_number(era: str) -> None:
    _, questions = result_and_questions(era, lambda client: client.call_tool("ask", {}))
    assert questions == [QUESTION]


def test_the_text_of_a_resource_is_masked(era: str) -> None:
    result, _ = result_and_questions(era, lambda client: client.read_resource("telnyx://queues"))
    assert result.contents[0].text == f"# {HIDDEN}\n\n{CALL}"


def test_the_list_of_resources_is_masked(era: str) -> None:
    result, _ = result_and_questions(era, lambda client: client.list_resources())
    assert [(resource.uri, resource.name) for resource in result.resources] == [
        ("telnyx://queues/%2B*******0100", f"Queue {HIDDEN}")
    ]


def test_completions_are_masked(era: str) -> None:
    about = ResourceTemplateReference(type="ref/resource", uri="telnyx://queues/{queue_name}")
    result, _ = result_and_questions(era, lambda client: client.complete(about, {"name": "queue_name", "value": ""}))
    assert result.completion.values == [HIDDEN, CALL]


def test_a_prompt_is_masked(era: str) -> None:
    result, _ = result_and_questions(era, lambda client: client.get_prompt("greet"))
    assert result.messages[0].content.text == f"Greet {HIDDEN}."

"""The sandbox against Telnyx's published OpenAPI document.

`telnyx_contract.json` holds the facts of that document that the sandbox serves: arguments, answers, webhooks and error
codes, without prose.
"""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.contract import UNDOCUMENTED_CODES, contract, mismatches, resolve_schema
from support.documented_errors import ERRORS
from support.sandbox_client import Telnyx
from support.sandbox_tour import STATE, Tour
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox
from telnyx_conferencing.server.sandbox.commands import SERVED

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


@cache
def patterns() -> list[tuple[str, re.Pattern[str]]]:
    """The operations and their paths. One without parameters comes before one with them."""
    names = sorted(contract()["operations"], key=lambda name: name.count("{"))
    return [(name, re.compile(re.sub(r"{\w+}", "[^/]+", name.replace(" ", " /v2")))) for name in names]


def operation_of(exchange: httpx2.Response) -> str | None:
    called = f"{exchange.request.method} {exchange.request.url.path}"
    return next((name for name, pattern in patterns() if pattern.fullmatch(called)), None)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def tour() -> Tour:
    return await Tour.whole()


async def test_every_operation_is_served_and_answers_in_the_documented_shape(tour: Tour) -> None:
    answered: dict[str, list[str]] = {}
    for exchange in tour.exchanges:
        name = operation_of(exchange)
        if name is None:
            continue
        success = contract()["operations"][name]["success"]
        wrong = answered.setdefault(name, [])
        if exchange.status_code != success["status"]:
            wrong.append(f"{exchange.status_code} instead of {success['status']}")
        elif "schema" in success:
            wrong += mismatches(success["schema"], exchange.json())
    assert {name: wrong for name, wrong in answered.items() if wrong} == {}
    assert contract()["operations"].keys() - answered.keys() == set()


async def test_every_webhook_has_the_documented_shape(tour: Tour) -> None:
    wrong: dict[str, list[str]] = {}
    missing: dict[str, set[str]] = {}
    seen: set[str] = set()
    for envelope in tour.telnyx.sandbox.events:
        event = envelope.get("data", envelope)
        kind = event["event_type"]
        seen.add(kind)
        schema = contract()["webhooks"][kind]
        # The document types `client_state` as a string, and shows null in its examples.
        payload = {name: value for name, value in event["payload"].items() if value is not None}
        shown = {**event, "payload": payload}
        wrong.setdefault(kind, []).extend(mismatches(schema, {"data": shown} if "data" in envelope else shown))
        absent = set(_payload_fields(schema)) - event["payload"].keys() - _NOT_ALWAYS
        missing.setdefault(kind, set()).update(absent)
    assert {kind: problems for kind, problems in wrong.items() if problems} == {}
    assert {kind: fields for kind, fields in missing.items() if fields} == {}
    assert contract()["webhooks"].keys() - seen == _NEVER_SENT


_NOT_ALWAYS = {
    *("media_name", "media_url", "call_quality_stats", "status_detail"),
    *("call_screening_result", "shaken_stir_attestation", "shaken_stir_validated"),
}
"""Documented fields that depend on the case, or on what the sandbox does not have."""
_NEVER_SENT = {"call.cost", "call.recording.error", "call.recording.transcription.saved"}
"""Nothing costs money on the sandbox, no recording fails, and none is transcribed."""


def _payload_fields(schema: Json) -> Json:
    whole = resolve_schema(schema)["properties"]
    event = resolve_schema(whole["data"])["properties"] if "data" in whole else whole
    return resolve_schema(event["payload"])["properties"]


def bodies(name: str) -> Iterator[tuple[str, Json]]:
    """Request bodies of an operation that Telnyx accepts: each argument's example and each of its values."""
    schema = resolve_schema(contract()["operations"][name]["body"])
    properties: Json = {field: resolve_schema(about) for field, about in schema.get("properties", {}).items()}
    required = {field: _example(field, properties[field]) for field in schema.get("required", [])}
    for field, about in properties.items():
        values = about.get("enum", [])
        if "example" in about and " or " not in str(about["example"]):
            values = [*values, about["example"]]
        for value in values:
            yield field, {**required, field: value}


def _example(field: str, about: Json) -> Any:
    if field == "client_state":
        return STATE
    return about.get("example", about.get("enum", ["+12025550150"])[0])


ERRORS_SCHEMA = {"$ref": "#/components/schemas/call-control_Errors"}


def error_mismatches(body: Json) -> list[str]:
    """Why the body of a refusal does not fit the documented schema, codes and forms."""
    wrong = mismatches(ERRORS_SCHEMA, body)
    for error in body["errors"]:
        if error["code"] not in contract()["error_codes"].keys() | UNDOCUMENTED_CODES:
            wrong.append(f"code {error['code']} is not documented")
        source: Json = error.get("source", {})
        if not re.fullmatch(r"(/([^/~]|~[01])*)*", source.get("pointer", "")):
            wrong.append(f"{source} has no JSON pointer")
        if not source.keys() <= {"pointer", "parameter"}:
            wrong.append(f"{source} has more than a pointer or a parameter")
    return wrong


async def test_every_documented_error_has_the_documented_shape() -> None:
    telnyx = Telnyx(Sandbox(ManualClock()))
    refused: list[httpx2.Response] = []

    async def note(response: httpx2.Response) -> None:
        await response.aread()
        if response.status_code >= 400:
            refused.append(response)

    telnyx.http.event_hooks = {"response": [note]}
    for error in ERRORS:
        await error.cause(telnyx)
        telnyx.sandbox.reset()
    assert len(refused) == len(ERRORS)
    assert {answer.text: wrong for answer in refused if (wrong := error_mismatches(answer.json()))} == {}


_ARGUMENT_CODES = {"10004", "10015", "10016", "10032", "10033"}


async def test_every_example_and_every_value_of_an_argument_is_accepted() -> None:
    telnyx = Telnyx(Sandbox(ManualClock()))
    refused: list[str] = []
    for name, operation in contract()["operations"].items():
        if "body" not in operation:
            continue
        method, path = name.split(" ")
        url = re.sub(r"{\w+}", "unknown", path)
        for field, body in bodies(name):
            answer = await telnyx.send(method, url, body)
            errors: list[Json] = answer.json().get("errors", []) if answer.content else []
            refused += error_mismatches(answer.json()) if errors else []
            for error in errors:
                pointer: str = error.get("source", {}).get("pointer", "")
                if pointer.startswith(f"/{field}") and error["code"] in _ARGUMENT_CODES - _BY_STATE.get(field, set()):
                    refused.append(f"{name} {field}={json.dumps(body[field])}: {error['detail']}")
    assert refused == []


_BY_STATE = {"connection_id": {"10015"}, "queue_name": {"10015"}}
"""Arguments whose example names what the sandbox does not have, or has already."""


def test_the_documentation_names_every_argument_without_effect() -> None:
    section = DOCUMENTATION.read_text("utf-8").partition("## Accepted without effect")[2]
    named: set[str] = set(re.findall(r"`([a-z_]+\*?)`", section))
    documented: set[str] = set()
    missing: set[str] = set()
    for name, operation in contract()["operations"].items():
        arguments = {
            *resolve_schema(operation.get("body", {})).get("properties", {}),
            *operation.get("without_schema", []),
        }
        documented |= arguments
        ignored = arguments - _declared(name)
        missing |= {argument for argument in ignored if not any(fnmatch(argument, pattern) for pattern in named)}
    assert missing == set()
    known = documented | ACTIONS
    assert {pattern for pattern in named if not any(fnmatch(name, pattern) for name in known)} == set()


DOCUMENTATION = Path(__file__).parents[2] / "docs" / "sandbox.md"
ACTIONS = {name.rpartition("/")[2] for name in contract()["operations"]} | {"dial"}


def _declared(name: str) -> set[str]:
    """The arguments that the sandbox's command of an operation has, by Telnyx's names."""
    method, path = name.split(" ")
    command = next(served for served in SERVED if served.route.method == method and _same_path(served.route.path, path))
    return {command.wire_name(argument) for argument in command.model_fields}


def _same_path(one: str, other: str) -> bool:
    return re.sub(r"{\w+}", "{}", one) == re.sub(r"{\w+}", "{}", other)


async def test_every_documented_query_parameter_is_accepted() -> None:
    telnyx = Telnyx(Sandbox(ManualClock()))
    refused: list[str] = []
    for name, operation in contract()["operations"].items():
        url = re.sub(r"{connection_id}", "sandbox", name.split(" ")[1])
        for parameter, schema in operation["query"].items():
            for query, value in _queries(parameter, schema):
                answer = await telnyx.send("GET", f"{re.sub(r'{queue_name}', 'support', url)}?{query}={value}")
                if answer.status_code == 422:
                    refused.append(f"{name} {query}: {answer.text}")
    assert refused == []


def _queries(parameter: str, schema: Json) -> Iterator[tuple[str, str]]:
    """Queries with a value for each member of a parameter."""
    schema = resolve_schema(schema)
    if schema.get("properties"):
        for member, about in schema["properties"].items():
            yield from _queries(f"{parameter}[{member}]", about)
        return
    by_type = {"integer": "2", "boolean": "true"}
    value = by_type.get(schema.get("type", ""), "sandbox")
    if parameter.endswith(("[eq]", "[gt]", "[gte]", "[lt]", "[lte]")) and "enum" not in schema:
        value = "2025-01-01T00:00:00Z"
    if parameter in ("page[after]", "page[before]"):
        value = "MCA"
    for choice in schema.get("enum", [value]):
        yield parameter, str(choice)

"""Requests that schemathesis makes up from Telnyx's document: right ones and wrong ones, for every operation."""

import copy
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import given
from schemathesis.specs.openapi import checks as openapi_checks

from support.contract import UNDOCUMENTED_CODES, contract
from support.fuzzing import examples
from support.sandbox_http_server import serve_sandbox
from telnyx_conferencing.server.sandbox import Sandbox, SystemClock

pytestmark = pytest.mark.slow

Json = dict[str, Any]

HEADERS = {"authorization": "Bearer KEYtest"}
_checks: Any = openapi_checks  # its types are incomplete
DECLARED = [
    _checks.status_code_conformance,
    _checks.content_type_conformance,
    _checks.response_schema_conformance,
]
FILE = "https://example.com/a.mp3"


class Api:
    """A sandbox on a port, with a conference, a recording and a gather, which each request finds as they were."""

    def __init__(self, url: str, sandbox: Sandbox) -> None:
        self.url = f"{url}/v2"
        self.sandbox = sandbox
        self._http = httpx2.Client(base_url=url, headers=HEADERS)
        self._ids = self.begin_again()

    def close(self) -> None:
        self._http.close()

    def answer(self, case: Any) -> schemathesis.Response:
        """Send a request, and begin again if it had an effect."""
        answer = case.call(base_url=self.url, headers=HEADERS)
        if self.sandbox.requests and self.sandbox.requests[-1].applied:
            assert self.begin_again() == self._ids
        return answer

    def begin_again(self) -> dict[str, list[str]]:
        """Reset the sandbox and set it up. The ids are the same each time; they are returned by argument."""
        self._post("/sandbox/reset")
        legs = {leg["part"]: leg["call_control_id"] for leg in self.sandbox.snapshot()["legs"]}
        agent, caller = legs["agent"], legs["caller 1"]
        incoming = self._post("/sandbox/calls")["call_control_id"]
        room = self._post("/v2/conferences", call_control_id=agent, name="Room")["id"]
        self._post(f"/v2/conferences/{room}/actions/join", call_control_id=caller)
        self._post(f"/v2/conferences/{room}/actions/record_start", format="mp3")
        self._post(f"/v2/conferences/{room}/actions/record_stop")
        self._post(f"/v2/conferences/{room}/actions/record_start", format="mp3")
        self._post(f"/v2/calls/{legs['supervisor']}/actions/gather")
        self._post(f"/v2/calls/{legs['supervisor']}/actions/record_start", format="mp3", channels="single")
        recordings = [recording["id"] for recording in self.sandbox.snapshot()["recordings"]]
        deliveries = [delivery.id for delivery in self.sandbox.state.outbox.deliveries]
        calls = [*legs.values(), incoming]
        return {
            "call_control_id": calls,
            "conference_id": [room, "Room"],
            "connection_id": ["sandbox"],
            "delivery_id": deliveries[:2],
            "participant_id": [agent, "agent"],
            "queue_name": ["support", "new"],
            "recording_id": recordings,
            "to": ["+12025550150", "sip:agent@example.com"],
            "from": ["+12025550100"],
        }

    def _post(self, path: str, **body: Any) -> Any:
        answer = self._http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json().get("data", answer.json()) if answer.content else None

    def document(self) -> Json:
        """The contract as an OpenAPI document, in which ids and names are those of this sandbox."""
        paths: Json = {}
        for name, operation in contract()["operations"].items():
            method, path = name.split(" ")
            paths.setdefault(path, {})[method.lower()] = self._operation(path, operation)
        return {
            "openapi": "3.1.0",
            "info": {"title": "Telnyx", "version": "2"},
            "paths": paths,
            "components": self._with_what_there_is(contract()["components"]),
        }

    def _operation(self, path: str, operation: Json) -> Json:
        described: Json = {
            "parameters": [*self._path_parameters(path), *_query_parameters(operation["query"])],
            "responses": {str(operation["success"]["status"]): _success(operation["success"]), "default": _ERROR},
        }
        if "body" in operation:
            described["requestBody"] = {"required": True, "content": _json(operation["body"])}
        return described

    def _path_parameters(self, path: str) -> Iterator[Json]:
        for part in path.split("/"):
            if part.startswith("{"):
                name = part.strip("{}")
                kind = {"/conferences/{id}": "conference_id", "/webhook_deliveries/{id}": "delivery_id"}
                argument = next((kind[start] for start in kind if name == "id" and path.startswith(start)), name)
                schema = {"type": "string", "enum": self._ids[argument]}
                yield {"name": name, "in": "path", "required": True, "schema": schema}

    def _with_what_there_is(self, components: Json) -> Json:
        """Request schemas whose arguments name calls, queues and so on of this sandbox."""
        changed = copy.deepcopy(components)
        known: Json = {argument: {"type": "string", "enum": values} for argument, values in self._ids.items()}
        known["client_state"] = {"type": "string", "enum": ["aGk="]}
        known["audio_url"] = {"type": "string", "enum": [FILE, "https://files.invalid/a.mp3"]}
        known["call_control_ids"] = {"type": "array", "items": known["call_control_id"], "maxItems": 3}
        known["whisper_call_control_ids"] = known["call_control_ids"]
        known["supervise_call_control_id"] = known["link_to"] = known["call_control_id"]
        for name, schema in changed["schemas"].items():
            if name.endswith("Request"):
                schema.pop("example", None)
                properties: Json = schema.get("properties", {})
                for argument in _CALLBACKS & properties.keys():
                    del properties[argument]
                properties.update({argument: known[argument] for argument in properties if argument in known})
        return changed


_CALLBACKS = {"webhook_url", "webhook_urls"}
"""Arguments that would make the sandbox send webhooks to a host that was made up."""


def _query_parameters(query: Json) -> Iterator[Json]:
    for name, schema in query.items():
        deep = {"style": "deepObject", "explode": True} if "properties" in schema else {}
        closed = {"additionalProperties": False} if deep else {}
        yield {"name": name, "in": "query", "schema": {**schema, **closed}, **deep}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _success(success: Json) -> Json:
    return {"description": "", **({"content": _json(success["schema"])} if "schema" in success else {})}


_CODES = sorted(contract()["error_codes"].keys() | UNDOCUMENTED_CODES)
_ERROR: Json = {
    "description": "An error with a documented code.",
    "content": _json(
        {
            "required": ["errors"],
            "allOf": [{"$ref": "#/components/schemas/call-control_Errors"}],
            "properties": {"errors": {"minItems": 1, "items": {"properties": {"code": {"enum": _CODES}}}}},
        }
    ),
}


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    sandbox = Sandbox(SystemClock())
    with serve_sandbox(sandbox) as url:
        api = Api(url, sandbox)
        yield api
        api.close()


@pytest.mark.parametrize("name", list(contract()["operations"]))
def test_every_answer_to_made_up_requests_is_declared(api: Api, name: str) -> None:
    method, path = name.split(" ")
    document: Any = schemathesis.openapi.from_dict(api.document())
    operation = document[path][method]
    right = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @examples(40)
    @given(case=right | wrong)
    def check(case: Any) -> None:
        answer = api.answer(case)
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=DECLARED)

    check()

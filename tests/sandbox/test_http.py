"""HTTP: who may ask, what is refused, and that nothing malformed breaks it."""

import json
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fuzzing import examples
from support.sandbox_client import Telnyx
from telnyx_conferencing.server.sandbox import ManualClock, Sandbox
from telnyx_conferencing.tools import COMMANDS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer ", "Bearer test", "KEYtest", "Basic KEYtest", "Bearer key"])
@pytest.mark.parametrize("path", ["/v2/queues", "/v2/nothing", "/sandbox/state"])
async def test_a_request_without_a_key_is_refused(telnyx: Telnyx, key: str, path: str) -> None:
    response = await telnyx.http.get(path, headers={"authorization": key})
    assert response.status_code == 401
    assert response.json()["errors"][0]["code"] == "10009"


async def test_a_readonly_key_only_reads(sandbox: Sandbox) -> None:
    reader = Telnyx(sandbox, "KEYreadonly1")
    assert await reader.get("/queues")
    for method, path in (("POST", "/queues"), ("DELETE", "/queues/support"), ("POST", "/sandbox/reset")):
        status, error = await reader.refusal(method, path, {"queue_name": "x"})
        assert (status, error["code"]) == (403, "10010")


@pytest.mark.parametrize(
    "path", ["/", "/v2", "/v2/", "/v2/nothing", "/v2/queues//calls", "/v3/queues", "/sandbox/x", "/x"]
)
async def test_an_unknown_path_is_not_found_in_telnyx_s_shape(telnyx: Telnyx, path: str) -> None:
    response = await telnyx.http.get(path)
    assert response.status_code == 404
    assert response.json()["errors"][0]["code"] == "10005"


async def test_a_trailing_slash_makes_no_difference(telnyx: Telnyx) -> None:
    assert (await telnyx.http.get("/v2/queues/")).json() == (await telnyx.http.get("/v2/queues")).json()


async def test_a_wrong_method_says_which_are_right(telnyx: Telnyx) -> None:
    response = await telnyx.send("PUT", "/queues/support", {})
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"DELETE", "GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"max_size": NaN}', 400),
        (b"[" * 100_000, 400),
        (b'{"max_size": ' + b"9" * 5000 + b"}", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"x"', 422),
        (b"{}", 422),
        (b"", 422),
        (b" " * 1_000_001, 413),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(telnyx: Telnyx, body: bytes, status: int) -> None:
    response = await telnyx.http.post("/v2/queues", content=body)
    assert response.status_code == status
    assert response.json()["errors"]


async def test_each_wrong_argument_is_reported_as_its_own_error(telnyx: Telnyx) -> None:
    body = {"name": "", "max_participants": 1, "unheard_of": True}
    response = await telnyx.send("POST", "/conferences", body)
    errors = {error["source"]["pointer"]: error for error in response.json()["errors"]}
    assert response.status_code == 422
    assert errors.keys() == {"/call_control_id", "/name", "/max_participants"}
    assert errors["/call_control_id"]["code"] == "10004"


async def test_arguments_that_exclude_each_other_are_refused(telnyx: Telnyx) -> None:
    room = await telnyx.conference("agent")
    status, error = await telnyx.refuses(room, "play", audio_url="https://example.com/a.mp3", media_name="a")
    assert status == 422
    assert "audio_url or media_name" in error["detail"]


@pytest.mark.parametrize(
    "query",
    ["filter=x&filter[name]=y", "filter[=x", "[]=x", "page[size]=0",
     "page[size]=251", "page[number]=x", "filter[status]=open", "filter[occurred_at]=x", "unknown=1"],
)  # fmt: skip
async def test_a_query_that_makes_no_sense_is_refused(telnyx: Telnyx, query: str) -> None:
    response = await telnyx.http.get(f"/v2/conferences?{query}")
    assert response.status_code == 422
    assert response.json()["errors"]


async def test_every_tool_is_served(telnyx: Telnyx) -> None:
    for command in COMMANDS:
        path = command.route.fill(dict.fromkeys(command.route.parameters, "none"))
        await telnyx.send(command.route.method, path, {})
        assert telnyx.sandbox.requests[-1].command == command.tool_name()


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_FIELDS = sorted({name for command in COMMANDS for name in command.model_fields})
_NAMES = ("filter[name]", "filter[occurred_at][gte]", "filter[muted]", "page[size]", "page[number]", "filter")


async def conference_of_three() -> tuple[Telnyx, str]:
    """A conference with three in it; its ids are the same each time."""
    telnyx = Telnyx(Sandbox(ManualClock()))
    return telnyx, await telnyx.conference("agent", "supervisor", "caller 1")


def _known() -> tuple[list[str], str]:
    telnyx, room = anyio.run(conference_of_three)
    return [telnyx.part(name) for name in ("agent", "supervisor", "caller 1", "caller 2")], room


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, dict[str, str], bytes]:
    """Method, path, query and body, near what is right."""
    legs, room = _KNOWN
    known = [room, "support", "agent", *legs]
    value = st.sampled_from([*known, legs, [room], "infinity", 10**400, -1, 0, 1, True]) | _JSON
    command = draw(st.sampled_from(COMMANDS))
    segments = {name: draw(st.sampled_from(known) | _TEXT) for name in command.route.parameters}
    fields = st.sampled_from(sorted(command.model_fields)) | st.sampled_from(_FIELDS)
    body = json.dumps(draw(st.dictionaries(fields, value, max_size=8))).encode()
    query = draw(st.dictionaries(st.sampled_from(_NAMES) | _TEXT, _TEXT, max_size=2))
    path = command.route.fill(segments)
    return command.route.method, path, query, draw(st.just(body) | st.binary(max_size=40))


_KNOWN = _known()


@pytest.mark.slow
@examples(400)
@given(requests())
async def test_a_malformed_request_is_never_an_internal_error(request: tuple[str, str, dict[str, str], bytes]) -> None:
    method, path, query, body = request
    telnyx, _ = await conference_of_three()
    response = await telnyx.http.request(method, f"/v2{path}", params=query, content=body)
    assert response.status_code < 500
    await telnyx.sandbox.advance(100_000)
    assert json.loads(json.dumps(telnyx.sandbox.snapshot()))


@pytest.mark.slow
@examples(200)
@given(st.binary(max_size=60), st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", "X"]), st.binary(max_size=30))
async def test_no_path_is_an_error_of_ours(raw_path: bytes, method: str, query: bytes) -> None:
    sandbox = Sandbox(ManualClock())
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    for prefix in (b"", b"/v2/", b"/v2/queues/", b"/sandbox/calls/"):
        scope = {
            "type": "http",
            "method": method,
            "path": "/",
            "raw_path": prefix + raw_path,
            "query_string": query,
            "headers": [(b"authorization", b"Bearer KEYtest")],
        }
        await sandbox.app(scope, receive, send)
        assert sent[-2]["status"] < 500

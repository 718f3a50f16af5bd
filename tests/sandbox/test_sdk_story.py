"""A contact centre with Telnyx's Python and Node SDKs, on a sandbox whose requests and webhooks go wrong."""

import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from telnyx import Telnyx as PythonSdk
from telnyx import omit

from support import npm
from support.http import serve_app
from support.telnyx import Telnyx
from support.webhooks import eventually, free_port
from telnyx_conferencing.server.sandbox import EMPTY, Sandbox, create_app
from telnyx_conferencing.server.sandbox.api import ReceivedRequest
from telnyx_conferencing.server.sandbox.webhooks import Signer

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

Json = dict[str, Any]
Application = Callable[[Telnyx, int], AbstractContextManager[None]]

NUMBER = "+12025550100"
AGENT = "+12025550150"
NODE_APPLICATION = Path(__file__).parent / "node_sdk"

FAULTS: list[Json] = [
    {"kind": "status", "status": 503, "path": "/answer$", "times": 1},
    {"kind": "status", "status": 429, "retry_after": 1, "path": "/speak$", "times": 1},
    {"kind": "drop", "path": "/gather$", "times": 1},
    {"kind": "drop", "path": "/enqueue$", "times": 1, "after": True},
    {"kind": "status", "status": 500, "path": "^/calls$", "times": 1, "after": True},
    {"kind": "duplicate", "event_type": "call.initiated", "times": 1},
    {"kind": "duplicate", "event_type": "call.gather.ended", "times": 1},
    {"kind": "reorder", "event_type": "call.speak.started", "times": 1},
]
"""Each request fails once, before or after its effect, and webhooks come twice or late."""


class PythonApplication:
    """Answers calls, greets the caller, asks for a digit, enqueues the caller and connects an agent.

    Each repeat of a request by the SDK carries the same command_id.
    """

    def __init__(self, client: PythonSdk) -> None:
        self._client = client
        self._handled: set[str] = set()
        self.failures: list[Exception] = []

    def receive(self, body: str, headers: dict[str, str]) -> int:
        """The status for a webhook."""
        try:
            event: Any = self._client.webhooks.unwrap(body, headers=headers)
        except ValueError:
            return 400
        if event.data.id not in self._handled:
            self._handled.add(event.data.id)
            threading.Thread(target=self._react, args=(event.data,)).start()
        return 200

    def _react(self, event: Any) -> None:
        try:
            self._act(event.event_type, event.payload, event.id)
        except Exception as failure:
            self.failures.append(failure)

    def _act(self, event_type: str, payload: Any, command_id: str) -> None:
        nobody: Any = omit  # the SDK's type requires a call even where a queue is named
        actions, leg = self._client.calls.actions, payload.call_control_id
        match event_type:
            case "call.initiated" if payload.direction == "incoming":
                actions.answer(leg, command_id=command_id)
            case "call.answered" if payload.to == AGENT:
                actions.bridge(leg, call_control_id_to_bridge_with=nobody, queue="sales", command_id=command_id)
            case "call.answered":
                actions.speak(leg, payload="Welcome", voice="female", command_id=command_id)
            case "call.speak.ended":
                actions.gather(leg, maximum_digits=1, timeout_millis=60_000, command_id=command_id)
            case "call.gather.ended":
                actions.enqueue(leg, queue_name="sales", command_id=command_id)
            case "call.enqueued":
                self._client.calls.dial(connection_id="sandbox", from_=NUMBER, to=AGENT, command_id=command_id)
            case _:
                pass


@contextmanager
def python_application(line: Telnyx, port: int) -> Generator[None]:
    with PythonSdk(api_key="KEYtest", base_url=f"{line.url}/v2", public_key=line.sandbox.public_key) as client:
        application = PythonApplication(client)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self.send_response(application.receive(body, dict(self.headers.items())))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep quiet."""

        with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()
        assert application.failures == []


@contextmanager
def node_application(line: Telnyx, port: int) -> Generator[None]:
    packages = npm.install_packages(NODE_APPLICATION)
    program = packages.parent / "contact_centre.mjs"
    shutil.copy(NODE_APPLICATION / program.name, program)
    command = ["node", str(program), f"{line.url}/v2", line.sandbox.public_key, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "listening\n"
            yield
            assert process.poll() is None, "it has ended"
        finally:
            process.terminate()


class World:
    """Time, and the people at the other ends of the lines."""

    def __init__(self, line: Telnyx) -> None:
        self._line = line

    def call(self) -> str:
        return self._line.request("POST", "/sandbox/calls")["data"]["call_control_id"]

    def press(self, leg: str, digits: str) -> None:
        self._line.request("POST", f"/sandbox/calls/{leg}/press", {"digits": digits})

    def pass_time(self, seconds: float) -> None:
        self._line.request("POST", "/sandbox/clock", {"advance_seconds": seconds})

    async def until(self, is_so: Callable[[dict[str, Json]], bool]) -> None:
        """Wait until something is so of the call legs, by call_control_id."""

        async def look() -> bool:
            legs: list[Json] = self._line.request("GET", "/sandbox/state")["data"]["legs"]
            return is_so({leg["call_control_id"]: leg for leg in legs})

        await eventually(look)

    async def until_event(self, event_type: str) -> None:
        async def look() -> bool:
            events: list[Json] = self._line.request("GET", "/sandbox/events")["data"]
            return event_type in [event.get("data", event)["event_type"] for event in events]

        await eventually(look)


@pytest.mark.parametrize("application", [python_application, node_application])
async def test_a_caller_reaches_an_agent_although_requests_and_webhooks_go_wrong(application: Application) -> None:
    port = free_port()
    sandbox = Sandbox(webhook_url=f"http://127.0.0.1:{port}/webhooks", scene=EMPTY)
    with serve_app(create_app(sandbox)) as url:
        line = Telnyx(sandbox, url)
        for rule in FAULTS:
            line.request("POST", "/sandbox/faults", rule)
        world = World(line)
        with application(line, port):
            caller = world.call()
            await world.until_event("call.speak.started")
            world.pass_time(2)
            await world.until(lambda legs: legs[caller]["gathering"])
            world.press(caller, "1")
            await world.until(lambda legs: len(legs) == 2)
            world.pass_time(2)
            await world.until(lambda legs: legs[caller]["place"]["kind"] == "bridge")
            await world.until(lambda _: sent(sandbox) == TIMES_SENT)
            forged = {"unsigned": {}, "signed by another": Signer().headers(b"{}", sandbox.clock.now())}
            refused = {name: _post(port, headers) for name, headers in forged.items()}
    effects = [_action(request) for request in sandbox.requests if request.applied]
    assert sorted(effects) == sorted(TIMES_SENT)
    assert [rule["happened"] for rule in sandbox.faults.view()] == [1] * len(FAULTS)
    assert refused == {"unsigned": 400, "signed by another": 400}


TIMES_SENT = {
    "answer": 2,
    "speak": 2,
    "gather": 2,
    "enqueue": 2,
    "calls": 2,
    "bridge": 1,
}
"""How often each command comes: the SDK repeats those that fail. Each has its effect once."""


def sent(sandbox: Sandbox) -> dict[str, int]:
    return dict(Counter(map(_action, list(sandbox.requests))))


def _action(request: ReceivedRequest) -> str:
    return request.path.rpartition("/")[2]


def _post(port: int, headers: dict[str, str]) -> int:
    with httpx2.Client(trust_env=False) as http:
        return http.post(f"http://127.0.0.1:{port}/webhooks", content=b"{}", headers=headers).status_code

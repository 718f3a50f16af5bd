"""The embedded Telnyx over real HTTP, and the room that the tests play in."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from mcp.client import Client

from support.http import NO_TLS, serve_app
from support.mcp import call
from telnyx_conferencing.server.sandbox import Sandbox, create_app


@dataclass
class Telnyx:
    """A running sandbox."""

    sandbox: Sandbox
    url: str

    @property
    def env(self) -> dict[str, str]:
        """What makes a server use it."""
        return {"TELNYX_API_KEY": "KEYtests", "TELNYX_BASE_URL": f"{self.url}/v2"}

    def request(self, method: str, path: str, body: Any = None, key: str = "KEYtests") -> Any:
        """One HTTP request, as any program can send it."""
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(trust_env=False, verify=NO_TLS) as client:
            answer = client.request(method, f"{self.url}{path}", json=body, headers=headers)
        return answer.json() if answer.content else None

    def commands(self) -> list[str]:
        """The paths of the requests that change something, in order."""
        return [f"{request.method} {request.path}" for request in self.sandbox.requests if request.method != "GET"]

    def waiting(self) -> list[str]:
        """The call legs in the support queue, first in line first."""
        return [entry["call_control_id"] for entry in self.request("GET", "/v2/queues/support/calls")["data"]]


@contextmanager
def telnyx() -> Generator[Telnyx]:
    """A sandbox with its scene, over HTTP."""
    sandbox = Sandbox()
    with serve_app(create_app(sandbox)) as url:
        yield Telnyx(sandbox, url)


async def open_room(client: Client, *call_legs: str, name: str = "Standup") -> str:
    """A conference with these call legs in it; its id."""
    first, *others = call_legs
    opened = await call(client, "create_conference", call_control_id=first, name=name)
    conference_id: str = opened["conference"]["id"]
    for leg in others:
        await call(client, "join_conference", conference_id=conference_id, call_control_id=leg)
    return conference_id

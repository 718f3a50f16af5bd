"""A client of the sandbox, for tests: Telnyx's API in process, and the sandbox's controls."""

from typing import Any

import httpx2

from telnyx_conferencing.server.sandbox import Sandbox

Json = dict[str, Any]


def leg_of(sandbox: Sandbox, part: str) -> str:
    """The call_control_id of a leg of the scene."""
    return next(leg["call_control_id"] for leg in sandbox.snapshot()["legs"] if leg.get("part") == part)


class Telnyx:
    """Paths below /v2 are given with a leading slash; those of the sandbox's own begin with /sandbox."""

    def __init__(self, sandbox: Sandbox, key: str = "KEYtest") -> None:
        self.sandbox = sandbox
        transport = httpx2.ASGITransport(app=sandbox.app)
        self.http = httpx2.AsyncClient(
            transport=transport, base_url="http://telnyx.test", headers={"authorization": f"Bearer {key}"}
        )

    async def send(self, method: str, path: str, body: Any = None, **query: Any) -> httpx2.Response:
        """One request; a keyword `filter_name` or `filter__x__gte` becomes `filter[name]`, `filter[x][gte]`."""
        url = path if path.startswith("/sandbox") else f"/v2{path}"
        params = {_deep(name): value for name, value in query.items()}
        return await self.http.request(method, url, params=params, json=body)

    async def get(self, path: str, **query: Any) -> Any:
        """The `data` of an answer."""
        return (await self.page(path, **query))["data"]

    async def page(self, path: str, **query: Any) -> Json:
        response = await self.send("GET", path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: Json | None = None, method: str = "POST") -> Any:
        """A command that must succeed; its `data`, None if it has no body."""
        response = await self.send(method, path, {} if body is None else body)
        assert response.status_code in (200, 204), response.text
        return response.json()["data"] if response.content else None

    async def refusal(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Json]:
        """The status and the first error of an answer that must be a refusal in Telnyx's shape."""
        response = await self.send(method, path, body, **query)
        assert response.status_code >= 400, response.text
        first = response.json()["errors"][0]
        assert {"code", "title", "detail"} <= first.keys()
        assert first["detail"].endswith(".")
        return response.status_code, first

    def part(self, name: str) -> str:
        """The call_control_id of a leg of the scene."""
        return leg_of(self.sandbox, name)

    async def conference(self, *parts: str, **more: Any) -> str:
        """Open a conference with the first of the parts, and have the others join; its id."""
        creator, *rest = [self.part(name) for name in parts]
        opened = await self.post("/conferences", {"call_control_id": creator, "name": "Room", **more})
        for leg in rest:
            await self.act(opened["id"], "join", call_control_id=leg)
        return opened["id"]

    async def act(self, conference_id: str, action: str, **body: Any) -> Any:
        return await self.post(f"/conferences/{conference_id}/actions/{action}", body)

    async def refuses(self, conference_id: str, action: str, **body: Any) -> tuple[int, Json]:
        return await self.refusal("POST", f"/conferences/{conference_id}/actions/{action}", body)

    async def people(self, conference_id: str, **query: Any) -> dict[str, Json]:
        """Who is in a conference, by call_control_id."""
        listed = await self.get(f"/conferences/{conference_id}/participants", **query)
        return {who["call_control_id"]: who for who in listed}

    async def arrival(self) -> str:
        """A new incoming call."""
        return (await self.post("/sandbox/calls"))["call_control_id"]

    def events(self, *kinds: str) -> list[Json]:
        """What was emitted, without envelopes: all of it, or of these types."""
        bare = [event.get("data", event) for event in self.sandbox.events]
        return [event for event in bare if not kinds or event["event_type"] in kinds]

    def kinds(self, since: int = 0) -> list[str]:
        """The types of the events emitted after this many."""
        return [event["event_type"] for event in self.events()[since:]]


def _deep(name: str) -> str:
    if name in ("page_number", "page_size"):
        return name.replace("_", "[") + "]"
    if not name.startswith("filter_"):
        return name
    first, *rest = name.removeprefix("filter_").split("__")
    return f"filter[{first}]" + "".join(f"[{part}]" for part in rest)

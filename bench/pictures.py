"""Make the pictures in docs/: the views of the operator page, and the switchboard in a host and as text.

Each is of a real server on the embedded Telnyx.
"""

import html
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx2
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from playwright.async_api import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.browser_pages import Scheme, host, tab  # noqa: E402
from support.commands import COMMAND  # noqa: E402
from support.mcp import call, text  # noqa: E402
from support.mcp_apps import PENDING, RENDERS  # noqa: E402 (found by the line before)
from support.webhooks import eventually, free_port  # noqa: E402
from telnyx_conferencing.server.guard.ledger import Ledger  # noqa: E402
from telnyx_conferencing.server.web.operator.sign_in import create_code  # noqa: E402

DOCS = ROOT / "docs"
_PAUSE = 4.0
"""Seconds until the board has looked again."""
_POLICY = Path(__file__).with_name("pictures.toml")
"""Asks about ending a conference alone, so that the rest of the house is there without a person's yes."""
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #16181d; }
pre { margin: 0; padding: 22px 26px; color: #d7dae0; font: 13px/1.5 "DejaVu Sans Mono", monospace; width: max-content; }
b { color: #8fb4ff; font-weight: 400; }
</style><pre><b>show_switchboard</b>

"""


@dataclass
class House:
    """A server on the embedded Telnyx, and those who phone there."""

    client: Client
    port: int
    log: Path
    database: str

    async def happens(self, path: str) -> None:
        """A person at a far end does something."""
        headers = {"authorization": "Bearer KEYpictures"}
        async with httpx2.AsyncClient(trust_env=False, headers=headers) as http:
            answer = await http.post(f"http://127.0.0.1:{self.port}/sandbox/calls/{path}", json={})
            assert answer.status_code < 300, answer.text

    async def waiting(self, queue: str) -> list[str]:
        calls = (await call(self.client, "list_queue_calls", queue_name=queue))["calls"]
        return [one["call_control_id"] for one in calls]

    async def opened(self, name: str) -> str:
        """A conference with the one who has waited longest, the agent and three who were called; its id."""
        caller, [agent] = (await self.waiting("support"))[0], await self.waiting("agents")
        made = await call(self.client, "create_conference", call_control_id=caller, name=name)
        room: str = made["conference"]["id"]
        await call(self.client, "join_conference", conference_id=room, call_control_id=agent)
        numbers = [f"+1202555014{digit}" for digit in (2, 5, 8)]
        given: dict[str, Any] = {"from": "+12025550100", "to": numbers, "connection_id": "sandbox"}
        await call(self.client, "dial", **given, conference_config={"id": room})

        async def are_in() -> bool:
            return len(await self.people(room)) == 2 + len(numbers)

        await eventually(are_in)
        return room

    async def busy(self) -> None:
        """Two conferences in which people talk, are muted, on hold, listened to and recorded."""
        [supervisor] = await self.waiting("supervisors")
        room = await self.opened("Order 4711")
        legs = [one["call_control_id"] for one in await self.people(room)]
        listens = {"call_control_id": supervisor, "supervisor_role": "monitor"}
        await call(self.client, "join_conference", conference_id=room, **listens)
        await call(self.client, "start_recording", conference_id=room, format="mp3")
        await call(self.client, "mute_participants", conference_id=room, call_control_ids=[legs[2]])
        await call(self.client, "hold_participants", conference_id=room, call_control_ids=[legs[3]])
        huddle = {"conference_name": "Sales huddle"}
        given: dict[str, Any] = {"from": "+12025550100", "connection_id": "sandbox"}
        await call(self.client, "dial", **given, to=["+12025550161", "+12025550162"], conference_config=huddle)
        await anyio.sleep(_PAUSE)
        await self.happens(f"{legs[0]}/speak")

    async def sign_in(self, page: Page) -> str:
        """Sign in on the operator page, as with the code that the `operator` command prints; its address."""
        [address] = {word for word in self.log.read_text().split() if word.endswith("/operator")}
        async with Ledger.open(self.database) as ledger:
            code = await create_code(ledger, "anna@desk")
        await page.goto(address)
        await page.get_by_label("Sign-in code").fill(code)
        await page.keyboard.press("Enter")
        await page.get_by_text("Live", exact=True).wait_for()
        return address

    async def people(self, room: str) -> list[dict[str, Any]]:
        people: list[dict[str, Any]] = (await call(self.client, "list_participants", conference_id=room))[
            "participants"
        ]
        return people


@asynccontextmanager
async def house(*arguments: str, renders: bool = True) -> AsyncGenerator[House]:
    with TemporaryDirectory(prefix="pictures-") as home:
        port, log = free_port(), Path(home) / "stderr.log"
        options = ["--sandbox", "--sandbox-port", str(port), "--database", f"sqlite:///{home}/events.db", *arguments]
        process = StdioServerParameters(command=COMMAND, args=["serve", *options])
        with log.open("w") as stderr:
            extensions = RENDERS if renders else ()
            async with Client(stdio_client(process, errlog=stderr), extensions=extensions) as client:
                await client.list_tools()
                yield House(client, port, log, f"sqlite:///{home}/events.db")


async def empty() -> None:
    async with house() as served, host(served.client, width=980) as rendered:
        for queue in ("agents", "supervisors", "support"):
            for leg in await served.waiting(queue):
                await served.happens(f"{leg}/hangup")
        await rendered.show("show_switchboard")
        await anyio.sleep(_PAUSE)
        await rendered.tab.locator("iframe").screenshot(path=DOCS / "board-empty.png")


VIEWS = (("now", ""), ("approvals", "/approvals"), ("history", "/history"), ("report", "/report"), ("audit", "/audit"))
_SIZES: tuple[tuple[str, Scheme, int, int], ...] = (("", "light", 1280, 860), ("-phone", "dark", 360, 740))


async def operator() -> None:
    """Each view of the operator page, on a desk and on a phone."""
    async with house("--policy", str(_POLICY), "--operator-page", "0") as served:
        await served.busy()
        rooms = (await call(served.client, "list_conferences"))["conferences"]
        [room] = [one["id"] for one in rooms if one["name"] == "Order 4711"]
        await served.client.call_tool("end_conference", {"conference_id": room})
        for suffix, scheme, width, height in _SIZES:
            async with tab(scheme, width, height) as page:
                address = await served.sign_in(page)
                for name, path in (*VIEWS, ("conference", f"/history/{room}")):
                    await page.goto(f"{address}{path}")
                    await page.get_by_role("link", name="Approvals").wait_for()
                    await anyio.sleep(_PAUSE / 2)
                    await page.screenshot(path=DOCS / f"operator-{name}{suffix}.png")


async def approval() -> None:
    async with house() as served, host(served.client, "dark", width=760) as rendered:
        room = await served.opened("Standup")
        refused = await served.client.call_tool("end_conference", {"conference_id": room})
        await rendered.show("show_approval", approval=(refused.meta or {})[PENDING])
        await rendered.page.get_by_role("button", name="Approve").wait_for()
        await anyio.sleep(_PAUSE / 8)
        await rendered.tab.locator("iframe").screenshot(path=DOCS / "board-approval.png")


async def in_text() -> None:
    async with house("--approval", "never", renders=False) as served, tab(height=400) as page:
        await served.busy()
        table = text(await served.client.call_tool("show_switchboard", {}))
        await page.set_content(f"{_TERMINAL}{html.escape(table)}</pre>")
        await page.locator("pre").screenshot(path=DOCS / "board-text.png")


async def main() -> None:
    for make in (empty, operator, approval, in_text):
        await make()
    for picture in sorted([*DOCS.glob("board-*.png"), *DOCS.glob("operator-*.png")]):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1024} KB")


if __name__ == "__main__":
    anyio.run(main)

"""The operator page over a real store, and visitors who keep what a browser keeps."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from starlette.routing import Router

from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import ApprovalRequest, Ledger
from telnyx_conferencing.server.web.operator import LiveCalls, OperatorPage
from telnyx_conferencing.server.web.operator.server import open_stored_calls
from telnyx_conferencing.server.web.operator.sign_in import create_code

PORT = 8642
HOST = f"127.0.0.1:{PORT}"


@dataclass
class Clock:
    """Only the test moves it."""

    moment: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


def asked(binding: str = "1", question: str = "End conference 'Standup'? 3 people are in it.") -> ApprovalRequest:
    return ApprovalRequest(binding, binding, "end_conference", "destructive", question, "Claude Code 2.1")


@dataclass
class Page:
    """A page and its ledger."""

    ledger: Ledger
    live: LiveCalls
    clock: Clock

    def __post_init__(self) -> None:
        self.page = OperatorPage(self.ledger, self.live, PORT, now=self.clock.now)

    async def code(self, by: str = "anna@desk") -> str:
        """A new sign-in code."""
        return await create_code(self.ledger, by)

    def visitor(self) -> "Visitor":
        return Visitor(
            httpx2.AsyncClient(transport=httpx2.ASGITransport(Router(self.page.routes)), base_url=f"http://{HOST}")
        )

    async def signed_in(self, by: str = "anna@desk") -> "Visitor":
        visitor = self.visitor()
        assert (await visitor.sign_in(await self.code(by))).status_code == 200
        return visitor


@dataclass
class Visitor:
    """A browser at the page: its cookies, and the key in its storage."""

    http: httpx2.AsyncClient
    key: str = ""

    async def get(self, name: str, **headers: str) -> httpx2.Response:
        """As the page's script asks."""
        given = {"x-operator-key": self.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.http.get(f"/operator/api/{name}", headers=given)

    async def is_signed_in(self) -> bool:
        return (await self.get("session")).json()["signed_in"]

    async def post(self, name: str, body: Any = None, **headers: str | None) -> httpx2.Response:
        """As the page's script posts; a header that is None is left out."""
        base = str(self.http.base_url).rstrip("/")
        usual = {"origin": base, "x-operator-key": self.key, "content-type": "application/json"}
        sent = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        given = {name: value for name, value in sent.items() if value is not None}
        content = json.dumps({} if body is None else body)
        return await self.http.post(f"/operator/api/{name}", content=content, headers=given)

    async def sign_in(self, code: str) -> httpx2.Response:
        answer = await self.post("sign-in", {"code": code})
        if answer.status_code == 200:
            self.key = answer.json()["key"]
        return answer


@asynccontextmanager
async def open_page(directory: Path) -> AsyncGenerator[Page]:
    """A page over a new store; only the test moves the clock of both."""
    clock, url = Clock(), url_of(directory / "store.db")
    async with open_stored_calls(url) as (_, live), Ledger.open(url, now=clock.now) as ledger:
        yield Page(ledger, live, clock)

"""The Telnyx API over HTTP: one command, sent, and repeated where that is safe."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import anyio
import httpx2
from opentelemetry.trace import SpanKind
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from ...tools.base import Command, Retry
from ..tracing import span
from .errors import OutcomeUnknown, RateLimited, TelnyxFailed, TelnyxRefused, Unreachable, read_problems

REQUEST_ID = "x-request-id"
Exchanged = Callable[[Command, int, float], None]

_RATE_LIMITED, _NOT_FOUND = 429, 404
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take, in seconds."""

    connect: float = 5
    read: float = 10
    write: float = 5
    pool: float = 5
    attempt: float = 15
    """One request with its whole answer."""
    deadline: float = 30
    """All attempts: well within the 60 s for which Telnyx remembers a `command_id`."""
    first_wait: float = 0.25
    longest_wait: float = 5

    def http(self) -> httpx2.Timeout:
        return httpx2.Timeout(connect=self.connect, read=self.read, write=self.write, pool=self.pool)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What Telnyx answered."""

    body: Any
    """The JSON, or None where there was none."""
    attempts: int
    status: int
    request_id: str | None = None
    """Telnyx's own, of the last attempt: by it Telnyx's support finds the request."""


class _AttemptError(Exception):
    """One attempt that brought no result."""

    def __init__(self, reason: str, *, sent: bool, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.status = status
        self.retry_after = retry_after

    @property
    def may_have_happened(self) -> bool:
        return self.sent and self.status != _RATE_LIMITED


@dataclass(slots=True)
class _Sending:
    """A command under way: what is known after each attempt."""

    command: Command
    deadline: float
    attempts: int = 0
    uncertain: bool = False
    """An earlier attempt may have taken effect."""


class TelnyxClient:
    """Telnyx's API, through one HTTP client for the server's life.

    `now` and `sleep` are the clock that waiting between attempts goes by, in seconds.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        timing: Timing | None = None,
        now: Callable[[], float] = anyio.current_time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._http = http
        self._base_url = str(http.base_url).rstrip("/")
        self._extensions = {"timeout": http.timeout.as_dict()}
        self._timing = timing or Timing()
        self._now = now
        self._sleep = sleep
        self._told: list[Exchanged] = []

    def on_exchange(self, told: Exchanged) -> None:
        """Be told of every request: the command, the status of the answer (0: there was none), seconds."""
        self._told.append(told)

    async def send(self, command: Command) -> ApiResponse:
        """Send a command and return Telnyx's answer.

        Deduped and idempotent commands are repeated on a lost connection, a timeout, 429 and 5xx, until the deadline;
        a command that must happen once is repeated only while nothing was sent. A deduped command must carry its
        `command_id`.

        Raises `TelnyxRefused`, `RateLimited`, `Unreachable` (nothing was done), `TelnyxFailed` (a read without an
        answer) or `OutcomeUnknown` (it may have been done).
        """
        sending = _Sending(command, self._now() + self._timing.deadline)
        try:
            return await self._attempt(sending)
        except _AttemptError as failed:
            first = failed
        try:
            return await self._repeated(sending, first)
        except _AttemptError as failed:
            raise _explained(sending, failed) from None

    async def read(self, command: Command) -> Any:
        """The JSON that Telnyx answers a read with. Raises as `send` does."""
        return (await self.send(command)).body

    async def _repeated(self, sending: _Sending, first: _AttemptError) -> ApiResponse:
        """The answer to a later attempt. Retrying costs time even when it is not needed, so it starts here."""
        attempts = AsyncRetrying(
            sleep=self._sleep,
            wait=lambda state: self._wait(sending, state),
            stop=lambda state: self._now() + state.upcoming_sleep > sending.deadline,
            retry=retry_if_exception(
                lambda error: isinstance(error, _AttemptError) and _repeatable(sending.command, error)
            ),
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                if attempt.retry_state.attempt_number == 1:
                    raise first
                return await self._attempt(sending)
        raise AssertionError("tenacity returns or raises")

    async def _attempt(self, sending: _Sending) -> ApiResponse:
        sending.attempts += 1
        try:
            status, body, headers = await self._exchange(sending.command)
            return self._judged(sending, status, body, headers)
        except _AttemptError as failed:
            sending.uncertain = sending.uncertain or failed.may_have_happened
            raise

    async def _exchange(self, command: Command) -> tuple[int, Any, httpx2.Headers]:
        with span(f"{command.route.method} {command.route.path}", SpanKind.CLIENT) as current:
            current.set_attribute("http.request.method", command.route.method)
            current.set_attribute("url.template", command.route.path)
            begun, status = time.monotonic(), 0
            try:
                response = await self._request(command)
                status = response.status_code
                current.set_attribute("http.response.status_code", status)
                if request_id := response.headers.get(REQUEST_ID):
                    current.set_attribute("telnyx.request_id", request_id)
            finally:
                for told in self._told:
                    told(command, status, time.monotonic() - begun)
        try:
            body = response.json() if response.content else None
        except ValueError:
            body = None
        return response.status_code, body, response.headers

    async def _request(self, command: Command) -> httpx2.Response:
        sent = command.request()
        # What the client would put together for each request is the same for all.
        request = httpx2.Request(
            sent.method,
            self._base_url + sent.path,
            params=sent.query or None,
            headers=self._http.headers,
            json=sent.body,
            extensions=self._extensions,
        )
        try:
            async with asyncio.timeout(self._timing.attempt):
                return await self._http.send(request)
        except _NOT_SENT as error:
            raise _AttemptError(_reason(error), sent=False) from None
        except (httpx2.TransportError, httpx2.DecodingError, TimeoutError) as error:
            raise _AttemptError(_reason(error), sent=True) from None

    def _judged(self, sending: _Sending, status: int, body: Any, headers: httpx2.Headers) -> ApiResponse:
        if status < 300:
            return ApiResponse(body, sending.attempts, status, headers.get(REQUEST_ID))
        if status == _RATE_LIMITED or status >= 500:
            after = _retry_after(headers.get("retry-after"))
            raise _AttemptError(f"Telnyx answered {status}", sent=True, status=status, retry_after=after)
        command = sending.command
        if status == _NOT_FOUND and command.route.method == "DELETE" and sending.uncertain:
            return ApiResponse(
                None, sending.attempts, status, headers.get(REQUEST_ID)
            )  # gone, as an earlier attempt wanted
        problems = read_problems(body)
        if sending.uncertain and not command.is_read():
            said = "; ".join(map(str, problems)) or "no reason given"
            raise OutcomeUnknown(command, f"an answer was lost, and a repeat was refused with {status} ({said})")
        refused = TelnyxRefused(command, status, problems)
        refused.request_id = headers.get(REQUEST_ID)
        raise refused

    def _wait(self, sending: _Sending, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, _AttemptError) and error.retry_after else 0.0
        most = min(self._timing.longest_wait, self._timing.first_wait * 2 ** (sending.attempts - 1))
        return asked + random.uniform(most / 2, most)  # noqa: S311 - so that not all come back at once


def _repeatable(command: Command, failed: _AttemptError) -> bool:
    return not failed.sent or command.retry is not Retry.ONCE


def _explained(sending: _Sending, failed: _AttemptError) -> Exception:
    """What to tell the model when the attempts are used up."""
    command = sending.command
    if sending.uncertain and not command.is_read():
        return OutcomeUnknown(command, failed.reason)
    if failed.status == _RATE_LIMITED:
        return RateLimited(command, failed.retry_after)
    if not failed.sent:
        return Unreachable(command, failed.reason)
    return TelnyxFailed(command, failed.reason)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return "no answer in time"
    if isinstance(error, _NOT_SENT):
        return "no connection"
    return "the connection broke"


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a `Retry-After` header in either of its forms."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return None

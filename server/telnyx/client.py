"""Sends commands to the Telnyx API, and repeats them where that is safe."""

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

from ...tools.base import Command, Retry
from ..tracing import span
from .errors import OutcomeUnknown, RateLimited, TelnyxFailed, TelnyxRefused, Unreachable, parse_problems

REQUEST_ID = "x-request-id"
ExchangeListener = Callable[[Command, int, float], None]
"""Called after each request: the command, the status of the response (0 if there was none), and seconds."""

_RATE_LIMITED, _NOT_FOUND = 429, 404
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Timing:
    """Time limits of requests to Telnyx, in seconds."""

    connect: float = 3
    read: float = 10
    write: float = 5
    pool: float = 3
    attempt: float = 15
    """One request, up to the end of its response."""
    deadline: float = 30
    """All attempts of a command: well within the 60 s for which Telnyx remembers a `command_id`."""
    unreachable: float = 5
    """No attempt to connect starts later than this for a read: with `connect`, an error comes within 8 s."""
    first_delay: float = 0.25
    """Before the second attempt. The delay doubles with each attempt."""
    max_delay: float = 5

    def http(self) -> httpx2.Timeout:
        return httpx2.Timeout(connect=self.connect, read=self.read, write=self.write, pool=self.pool)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A successful response from Telnyx."""

    body: Any
    """The parsed JSON, or None if the body is empty or is not JSON."""
    attempts: int
    status: int
    request_id: str | None = None
    """Telnyx's id of the last attempt. Telnyx's support finds the request by it."""


class _AttemptError(Exception):
    """One attempt failed, and another may succeed."""

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
    """The state of a command between its attempts."""

    command: Command
    started: float
    attempts: int = 0
    uncertain: bool = False
    """An earlier attempt may have taken effect."""


class TelnyxClient:
    """The Telnyx API, over one HTTP client that lives as long as the server.

    `now` and `sleep` are the clock for the delays between attempts, in seconds.
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
        self._listeners: list[ExchangeListener] = []

    def on_exchange(self, listener: ExchangeListener) -> None:
        """Call the listener after every request."""
        self._listeners.append(listener)

    async def send(self, command: Command) -> ApiResponse:
        """Send a command and return Telnyx's response.

        Deduped and idempotent commands are repeated after a lost connection, a timeout, 429 and 5xx, until the
        deadline. A command that must happen once is repeated only while nothing was sent. A deduped command must carry
        its `command_id`.

        Raises `TelnyxRefused`, `RateLimited`, `Unreachable` (nothing was done), `TelnyxFailed` (a read without a
        response) or `OutcomeUnknown` (it may have been done).
        """
        sending = _Sending(command, self._now())
        while True:
            try:
                return await self._attempt(sending)
            except _AttemptError as failed:
                delay = self._delay(sending, failed)
                if not _is_repeatable(command, failed) or self._now() + delay > self._deadline(sending, failed):
                    raise _final_error(sending, failed) from None
            await self._sleep(delay)

    async def read(self, command: Command) -> Any:
        """The JSON of Telnyx's response to a read. Raises as `send` does."""
        return (await self.send(command)).body

    async def _attempt(self, sending: _Sending) -> ApiResponse:
        sending.attempts += 1
        try:
            status, body, headers = await self._exchange(sending.command)
            return self._interpret(sending, status, body, headers)
        except _AttemptError as failed:
            sending.uncertain = sending.uncertain or failed.may_have_happened
            raise

    async def _exchange(self, command: Command) -> tuple[int, Any, httpx2.Headers]:
        with span(f"{command.endpoint().method} {command.endpoint().path}", SpanKind.CLIENT) as current:
            current.set_attribute("http.request.method", command.endpoint().method)
            current.set_attribute("url.template", command.endpoint().path)
            started, status = time.monotonic(), 0
            try:
                response = await self._request(command)
                status = response.status_code
                current.set_attribute("http.response.status_code", status)
                if request_id := response.headers.get(REQUEST_ID):
                    current.set_attribute("telnyx.request_id", request_id)
            finally:
                for listener in self._listeners:
                    listener(command, status, time.monotonic() - started)
        try:
            body = response.json() if response.content else None
        except ValueError:
            body = None
        return response.status_code, body, response.headers

    async def _request(self, command: Command) -> httpx2.Response:
        request = command.request()
        # Building the request here saves the client's own merging of URL, headers and timeout, which never change.
        prepared = httpx2.Request(
            request.method,
            self._base_url + request.path,
            params=request.query or None,
            headers=self._http.headers,
            json=request.body,
            extensions=self._extensions,
        )
        try:
            async with asyncio.timeout(self._timing.attempt):
                return await self._http.send(prepared)
        except _NOT_SENT as error:
            raise _AttemptError(_reason(error), sent=False) from None
        except (httpx2.TransportError, httpx2.DecodingError, TimeoutError) as error:
            raise _AttemptError(_reason(error), sent=True) from None

    def _interpret(self, sending: _Sending, status: int, body: Any, headers: httpx2.Headers) -> ApiResponse:
        """The response as a result. Raises the error that it reports."""
        command, request_id = sending.command, headers.get(REQUEST_ID)
        if status < 300:
            return ApiResponse(body, sending.attempts, status, request_id)
        if status == _RATE_LIMITED or status >= 500:
            retry_after = _parse_retry_after(headers.get("retry-after"))
            raise _AttemptError(f"Telnyx answered {status}", sent=True, status=status, retry_after=retry_after)
        if status == _NOT_FOUND and command.endpoint().method == "DELETE" and sending.uncertain:
            return ApiResponse(None, sending.attempts, status, request_id)  # an earlier attempt deleted it
        problems = parse_problems(body)
        if sending.uncertain and not command.is_read():
            detail = "; ".join(map(str, problems)) or "no reason given"
            raise OutcomeUnknown(command, f"an answer was lost, and a repeat was refused with {status} ({detail})")
        raise TelnyxRefused(command, status, problems, request_id=request_id)

    def _deadline(self, sending: _Sending, failed: _AttemptError) -> float:
        """When the last attempt may start."""
        gives_up_early = sending.command.is_read() and not failed.sent
        return sending.started + (self._timing.unreachable if gives_up_early else self._timing.deadline)

    def _delay(self, sending: _Sending, failed: _AttemptError) -> float:
        """Seconds to wait before the next attempt: what Telnyx asks for, and a random part so that clients spread."""
        backoff = min(self._timing.max_delay, self._timing.first_delay * 2 ** (sending.attempts - 1))
        return (failed.retry_after or 0.0) + random.uniform(backoff / 2, backoff)  # noqa: S311 (no secret)


def _is_repeatable(command: Command, failed: _AttemptError) -> bool:
    return not failed.sent or command.retry is not Retry.ONCE


def _final_error(sending: _Sending, failed: _AttemptError) -> Exception:
    """The error to report when no attempt is left."""
    command = sending.command
    if sending.uncertain and not command.is_read():
        return OutcomeUnknown(command, failed.reason)
    if failed.status == _RATE_LIMITED:
        return RateLimited(failed.retry_after)
    if not failed.sent:
        return Unreachable(command, failed.reason)
    return TelnyxFailed(command, failed.reason)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return "no answer in time"
    if isinstance(error, _NOT_SENT):
        return "no connection"
    return "the connection broke"


def _parse_retry_after(value: str | None) -> float | None:
    """Seconds, from a `Retry-After` header in either of its forms."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return None

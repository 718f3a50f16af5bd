"""The sandbox as a whole: a Telnyx on one machine, as an ASGI app."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from .api import Api, ReceivedRequest
from .app import SandboxApp
from .clock import Clock, SystemClock, Timers, later
from .context import MAX_HISTORY, NUMBER, Account
from .control_api import Controls
from .faults import Faults
from .ids import Ids
from .responses import Json
from .scene import SUPPORT, Scene, create_scene
from .state import SandboxState
from .webhooks import Outbox, Signer

if TYPE_CHECKING:
    import httpx2


class Sandbox:
    """A Telnyx for one machine.

    `clock` is where it takes the time from. `webhook_url` is where events are posted to; without one they wait until
    `post_to` names one. After three failed attempts they go to `failover_url`, if there is one. `scene` is where it
    starts. `numbers` are the account's phone numbers besides the sandbox's own; `any_from` lets calls show any number.
    The same `seed` gives the same ids.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        webhook_url: str | None = None,
        scene: Scene = SUPPORT,
        seed: int = 0,
        *,
        failover_url: str | None = None,
        numbers: Iterable[str] = (),
        any_from: bool = False,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.faults = Faults(seed)
        self.requests: deque[ReceivedRequest] = deque(maxlen=MAX_HISTORY)
        self._webhook_url = webhook_url
        self._failover_url = failover_url
        self._scene = scene
        self._account = Account(frozenset({NUMBER, *numbers}), any_from, scene.outbound_profile)
        self._seed = seed
        self._signer = Signer()
        self._observers: list[Callable[[Json], None]] = []
        self._timers = Timers(self.clock)
        self._delays = Timers(self.clock)
        self._woken = anyio.Event()
        self._delivering = anyio.Lock()
        self._client: httpx2.AsyncClient | None = None
        self._is_running = False
        self.state = self._new_state()
        api = Api(lambda: self.state, self.faults, self._delays, self.run_due)
        self.app = SandboxApp(api.routes, Controls(self).routes, self.run_due, self.requests.append)
        """The ASGI app, which a server runs through `create_app`."""

    def _new_state(self) -> SandboxState:
        ids = Ids(self._seed)
        outbox = Outbox(
            self._timers, ids, self.faults, self._signer, url=self._webhook_url, failover_url=self._failover_url
        )
        outbox.observers = self._observers
        outbox.on_waiting = self._timers.on_change = self._wake
        state = SandboxState(self._timers, ids, outbox, self._account)
        outbox.is_history = True
        create_scene(self._scene, self._timers, state.legs, state.queues)
        outbox.is_history = False
        return state

    @property
    def public_key(self) -> str:
        """Base64 of the Ed25519 key that webhooks are signed with."""
        return self._signer.public_key

    @property
    def events(self) -> deque[Json]:
        """Every event emitted, as it goes over the wire, in order; the last 10,000."""
        return self.state.outbox.events

    def on_event(self, observer: Callable[[Json], None]) -> None:
        """Call the listener with every event as it is sent. Webhook faults apply: it may come twice, late or never."""
        self._observers.append(observer)

    def post_to(self, webhook_url: str) -> None:
        """Send webhooks to this URL from now on, first those that have waited for a URL."""
        self._webhook_url = webhook_url
        self.state.outbox.post_to(webhook_url)

    def signed(self, envelope: Json) -> tuple[bytes, dict[str, str]]:
        """The body and the headers with which Telnyx would post an event."""
        return self.state.outbox.signed(envelope)

    def snapshot(self) -> Json:
        """The whole state, as JSON."""
        return self.state.snapshot()

    def reset(self) -> None:
        """Begin again: the scene and the ids as at first, no faults, nothing remembered. The clock goes on."""
        self._timers.clear()
        self.faults.reset()
        self.requests.clear()
        self.state.outbox.drop_waiting()
        self.state = self._new_state()

    def run_due(self) -> None:
        """Run everything that is due by now."""
        self._delays.run_due()
        self._timers.run_due()

    async def advance(self, seconds: float) -> None:
        """Move the clock on. What falls due happens at its own time, and webhooks are delivered between."""
        target = later(self.clock.now(), seconds)
        await self._deliver()
        while (due := self._next_due()) is not None and due <= target:
            self.clock.move_to(due)
            self.run_due()
            await self._deliver()
        self.clock.move_to(target)
        if not self._is_running:
            await self._close_client()

    def _next_due(self) -> datetime | None:
        return min((due for due in (self._timers.next_due(), self._delays.next_due()) if due), default=None)

    def _wake(self) -> None:
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run timers and deliver webhooks in the background."""
        raised: Exception | None = None
        self._is_running = True
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._drive, tasks)
                try:
                    yield
                except Exception as failure:
                    raised = failure
                tasks.cancel_scope.cancel()
        finally:
            self._is_running = False
            await self._close_client()
        if raised is not None:
            raise raised  # not in the ExceptionGroup of a task group

    async def _drive(self, tasks: TaskGroup) -> None:
        """Run what is due, and send each webhook in a task of its own, so that a slow receiver delays no other."""
        while True:
            self._woken = anyio.Event()
            self.run_due()
            for delivery in self.state.outbox.take_deliverable():
                tasks.start_soon(self.state.outbox.attempt, self._open_client(), delivery)
            due = self._next_due()
            with anyio.move_on_after(None if due is None else self.clock.real_seconds_until(due)):
                await self._woken.wait()

    async def _deliver(self) -> None:
        """Send what waits in order, as long as nothing new waits."""
        async with self._delivering:
            while deliveries := self.state.outbox.take_deliverable():
                for delivery in deliveries:
                    await self.state.outbox.attempt(self._open_client(), delivery)

    def _open_client(self) -> "httpx2.AsyncClient":
        if self._client is None:
            import httpx2  # noqa: PLC0415 - needed only where there is a receiver

            self._client = httpx2.AsyncClient(timeout=None, trust_env=False, limits=httpx2.Limits(max_connections=None))
        return self._client

    async def _close_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with anyio.CancelScope(shield=True):
                await client.aclose()

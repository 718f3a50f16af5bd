"""Queues: places in order, how long calls wait, and how they leave."""

from dataclasses import dataclass, field
from datetime import datetime

from ...tools.queues import (
    CreateQueue,
    DeleteQueue,
    EnqueueCall,
    GetQueue,
    GetQueueCall,
    LeaveQueue,
    ListQueues,
    RemoveQueueCall,
    UpdateQueue,
    UpdateQueueCall,
)
from .clock import Timer
from .commands import ListQueueCalls
from .context import SandboxContext
from .errors import already_queued, impossible, not_found, queue_full, queue_not_empty
from .legs import Leg, Legs
from .responses import Answer, Json, data, iso, ok, page

MAX_SIZE = 300
"""Of a queue that is created, if the request does not say."""
MAX_SIZE_ON_ENQUEUE = 100
"""Of a queue that enqueueing creates, if the request does not say."""


@dataclass(eq=False, slots=True)
class QueuedCall:
    """A call's place in a queue."""

    queue: "Queue"
    leg: Leg
    enqueued_at: datetime
    keep_after_hangup: bool
    timer: Timer | None = None

    def on_leave(self) -> None:
        self.queue.take_out(self, "leave")

    def on_hangup(self) -> None:
        if not self.keep_after_hangup:
            self.queue.take_out(self, "hangup")

    @property
    def position(self) -> int:
        return self.queue.calls.index(self) + 1

    @property
    def waited(self) -> int:
        """Whole seconds."""
        return int((self.queue.context.now() - self.enqueued_at).total_seconds())

    def view(self) -> Json:
        return {
            "record_type": "queue_call",
            "call_control_id": self.leg.call_control_id,
            "call_leg_id": self.leg.call_leg_id,
            "call_session_id": self.leg.call_session_id,
            "connection_id": self.leg.connection_id,
            "queue_id": self.queue.id,
            "queue_position": self.position,
            "enqueued_at": iso(self.enqueued_at),
            "wait_time_secs": self.waited,
            "from": self.leg.from_,
            "to": self.leg.to,
            "is_alive": self.leg.is_alive,
        }


@dataclass(eq=False, slots=True)
class Queue:
    context: SandboxContext
    id: str
    name: str
    max_size: int
    created_at: datetime
    updated_at: datetime
    calls: list[QueuedCall] = field(default_factory=list[QueuedCall])
    departed_calls: int = 0
    departed_wait_secs: int = 0
    """By the calls that have left."""

    def check_has_room(self) -> None:
        """Raises `ApiError` when it is full."""
        if len(self.calls) >= self.max_size:
            raise queue_full(self.name)

    def add(self, leg: Leg, keep_after_hangup: bool, max_wait: int | None) -> QueuedCall:
        """Put a leg last; `max_wait` is in seconds. The caller has moved it out of its location before."""
        call = QueuedCall(self, leg, self.context.now(), keep_after_hangup)
        self.calls.append(call)
        if max_wait is not None:
            call.timer = self.context.after(max_wait, lambda: self.take_out(call, "timeout"))
        payload = {
            "queue": self.name,
            "current_position": call.position,
            "queue_avg_wait_time_secs": self.average_past_wait(),
        }
        self.context.emit("call.enqueued", {**leg.ids(), **payload})
        return call

    def take_out(self, call: QueuedCall, reason: str) -> None:
        """Remove a call from its place; the leg is parked, if it is alive."""
        position, waited = call.position, call.waited
        self.calls.remove(call)
        self.departed_calls += 1
        self.departed_wait_secs += waited
        if call.timer is not None:
            call.timer.cancel()
        if call.leg.location is call:
            call.leg.location = None
        payload = {"queue": self.name, "queue_position": position, "wait_time_secs": waited, "reason": reason}
        self.context.emit("call.dequeued", {**call.leg.ids(), **payload})

    def average_past_wait(self) -> int:
        """How long the calls that have left waited on average, in whole seconds."""
        return self.departed_wait_secs // self.departed_calls if self.departed_calls else 0

    def average_wait(self) -> int:
        """How long the calls in it have waited on average, in whole seconds."""
        return sum(call.waited for call in self.calls) // len(self.calls) if self.calls else 0

    def first_alive(self) -> QueuedCall | None:
        return next((call for call in self.calls if call.leg.is_alive), None)

    def view(self) -> Json:
        return {
            "record_type": "queue",
            "id": self.id,
            "name": self.name,
            "current_size": len(self.calls),
            "max_size": self.max_size,
            "average_wait_time_secs": self.average_wait(),
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at),
        }


class Queues:
    def __init__(self, context: SandboxContext, legs: Legs) -> None:
        self._context = context
        self._legs = legs
        self.by_name: dict[str, Queue] = {}

    def find(self, name_or_id: str) -> Queue | None:
        by_id = (queue for queue in self.by_name.values() if queue.id == name_or_id)
        return self.by_name.get(name_or_id) or next(by_id, None)

    def get_queue(self, name_or_id: str) -> Queue:
        """Raises `ApiError` (404)."""
        queue = self.find(name_or_id)
        if queue is None:
            raise not_found(f"There is no queue '{name_or_id}'.")
        return queue

    def open(self, name: str, max_size: int) -> Queue:
        now = self._context.now()
        queue = Queue(self._context, self._context.ids.uuid(), name, max_size, now, now)
        self.by_name[name] = queue
        return queue

    def create(self, command: CreateQueue) -> Answer:
        if self.find(command.queue_name) is not None:
            raise impossible("Queue exists", f"There is a queue '{command.queue_name}' already.", "queue_name")
        return data(self.open(command.queue_name, command.max_size or MAX_SIZE).view())

    def list(self, command: ListQueues) -> Answer:
        return page(list(self.by_name.values()), Queue.view, command)

    def get(self, command: GetQueue) -> Answer:
        return data(self.get_queue(command.queue_name).view())

    def update(self, command: UpdateQueue) -> Answer:
        queue = self.get_queue(command.queue_name)
        queue.max_size = command.max_size
        queue.updated_at = self._context.now()
        return data(queue.view())

    def delete(self, command: DeleteQueue) -> Answer:
        queue = self.get_queue(command.queue_name)
        if queue.calls:
            raise queue_not_empty()
        del self.by_name[queue.name]
        return None

    def list_calls(self, command: ListQueueCalls) -> Answer:
        return page(self.get_queue(command.queue_name).calls, QueuedCall.view, command)

    def get_call(self, command: GetQueueCall) -> Answer:
        return data(self._call(command).view())

    def update_call(self, command: UpdateQueueCall) -> Answer:
        call = self._call(command)
        if command.keep_after_hangup is not None:
            call.keep_after_hangup = command.keep_after_hangup
        return None

    def remove_call(self, command: RemoveQueueCall) -> Answer:
        call = self._call(command)
        if call.leg.is_alive:
            detail = f"Call {call.leg.call_control_id} is active; a live call leaves with leave_queue."
            raise impossible("Call is active", detail)
        call.queue.take_out(call, "hangup")
        return None

    def _call(self, command: GetQueueCall | UpdateQueueCall | RemoveQueueCall) -> QueuedCall:
        queue = self.get_queue(command.queue_name)
        calls = (call for call in queue.calls if call.leg.call_control_id == command.call_control_id)
        call = next(calls, None)
        if call is None:
            raise not_found(f"There is no call {command.call_control_id} in queue '{queue.name}'.")
        return call

    def enqueue(self, command: EnqueueCall) -> Answer:
        leg = self._legs.live(command.call_control_id)
        self._legs.check_can_talk(leg)
        queue = self.find(command.queue_name)
        if queue is not None:
            self._check_can_take(queue, leg)
        leg.remember(command.client_state)
        self._legs.answer(leg)
        self._legs.move(leg, None)
        queue = queue or self.open(command.queue_name, command.max_size or MAX_SIZE_ON_ENQUEUE)
        leg.location = queue.add(leg, bool(command.keep_after_hangup), command.max_wait_time_secs)
        return ok()

    def _check_can_take(self, queue: Queue, leg: Leg) -> None:
        """Raises `ApiError` when a leg cannot be put in a queue."""
        if isinstance(leg.location, QueuedCall) and leg.location.queue is queue:
            raise already_queued()
        queue.check_has_room()

    def leave(self, command: LeaveQueue) -> Answer:
        leg = self._legs.live(command.call_control_id)
        call = leg.location
        if not isinstance(call, QueuedCall):
            raise impossible("Call not queued", f"Call {leg.call_control_id} is in no queue.")
        leg.remember(command.client_state)
        call.queue.take_out(call, "leave")
        return ok()

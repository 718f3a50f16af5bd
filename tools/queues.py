"""Tools for queues and the calls that wait in them."""

from typing import Annotated

from .base import DELETE, GET, PATCH, POST, Command, Retry, Risk, Undo
from .results import Accepted, QueuedCallPage, QueuedCallResult, QueuePage, QueueResult
from .types import (
    CallControlId,
    ClientState,
    CommandId,
    PageNumber,
    PageSize,
    Positive,
    QueueName,
    described,
)

KeepAfterHangup = Annotated[bool, described("Keep its place when the caller hangs up; default false.")]
MaxSize = Annotated[Positive, described("Most calls that may wait.")]


class ListQueues(Command):
    """List call queues: how many calls wait, and how long."""

    starts_jobs = True
    route = GET("/queues")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = QueuePage
    does = "list queues"

    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class GetQueue(Command):
    """See one queue: how many calls wait, and how long. list_queue_calls shows who."""

    route = GET("/queues/{queue_name}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = QueueResult
    does = "see {queue_name}"

    queue_name: QueueName


class CreateQueue(Command):
    """Create a call queue. enqueue_call puts calls in it."""

    route = POST("/queues")
    risk = Risk.ROUTINE
    retry = Retry.ONCE
    result = QueueResult
    does = "open {queue_name}"
    undo = Undo("delete_queue", carried=("queue_name",), but="only while no call waits in it")

    queue_name: Annotated[QueueName, described("Name for the queue.")]
    max_size: MaxSize | None = None


class UpdateQueue(Command):
    """Change how many calls may wait in a queue."""

    route = POST("/queues/{queue_name}")
    risk = Risk.ROUTINE
    retry = Retry.IDEMPOTENT
    result = QueueResult
    does = "let {max_size} calls wait in {queue_name}"

    queue_name: QueueName
    max_size: MaxSize


class DeleteQueue(Command):
    """Delete an empty queue. Telnyx refuses while calls wait in it."""

    route = DELETE("/queues/{queue_name}")
    risk = Risk.DESTRUCTIVE
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "delete {queue_name}"

    queue_name: QueueName


class ListQueueCalls(Command):
    """List the calls in a queue: call_control_id, position, caller, wait."""

    search_hint = "who is waiting in line"
    route = GET("/queues/{queue_name}/calls")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = QueuedCallPage
    does = "list calls in {queue_name}"

    queue_name: QueueName
    page_number: PageNumber | None = None
    page_size: PageSize | None = None


class GetQueueCall(Command):
    """See one waiting call: position, caller, wait."""

    route = GET("/queues/{queue_name}/calls/{call_control_id}")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = QueuedCallResult
    does = "see {call_control_id} in {queue_name}"

    queue_name: QueueName
    call_control_id: CallControlId


class UpdateQueueCall(Command):
    """Set whether a waiting call keeps its place after hang-up."""

    route = PATCH("/queues/{queue_name}/calls/{call_control_id}")
    risk = Risk.ROUTINE
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "update {call_control_id} in {queue_name}"

    queue_name: QueueName
    call_control_id: CallControlId
    keep_after_hangup: KeepAfterHangup | None = None


class RemoveQueueCall(Command):
    """Remove a hung-up call from a queue. A live one leaves with leave_queue."""

    route = DELETE("/queues/{queue_name}/calls/{call_control_id}")
    risk = Risk.DESTRUCTIVE
    retry = Retry.IDEMPOTENT
    result = Accepted
    does = "remove {call_control_id} from {queue_name}"

    queue_name: QueueName
    call_control_id: CallControlId


class EnqueueCall(Command):
    """Put a call in a queue, which is created if it does not exist."""

    search_hint = "put the caller back in the queue or in line"
    route = POST("/calls/{call_control_id}/actions/enqueue")
    risk = Risk.ROUTINE
    worst_effect = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "put {call_control_id} in {queue_name}"
    announces = ("call.enqueued",)
    undo = Undo("leave_queue", carried=("call_control_id",), but="it is parked: where it was before is lost")

    call_control_id: CallControlId
    queue_name: QueueName
    max_wait_time_secs: Annotated[Positive, described("Leaves the queue after this time.")] | None = None
    max_size: Annotated[Positive, described("Size of a queue that is created.")] | None = None
    keep_after_hangup: KeepAfterHangup | None = None
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class LeaveQueue(Command):
    """Take a live call out of its queue; it stays up, parked."""

    route = POST("/calls/{call_control_id}/actions/leave_queue")
    risk = Risk.DESTRUCTIVE
    retry = Retry.DEDUPED
    result = Accepted
    does = "take {call_control_id} out of its queue"
    announces = ("call.dequeued",)

    call_control_id: CallControlId
    client_state: ClientState | None = None
    command_id: CommandId | None = None

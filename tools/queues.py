"""Tools for queues and the calls that wait in them."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from .audio import Voice
from .base import DELETE, GET, PATCH, POST, Command, Retry, Risk, Route, Undo
from .call_audio import PlayToCall, SpeakToCall
from .results import Accepted, PositionsResult, QueuedCallPage, QueuedCallResult, QueuePage, QueueResult
from .types import (
    AudioUrl,
    CallControlId,
    ClientState,
    CommandId,
    NotEmpty,
    PageAfter,
    PageNumber,
    PageSize,
    Positive,
    QueueName,
    SpokenText,
    described,
)
from .voices import Language

_PLACEHOLDER = re.compile(r"{(\w+)}")
_PLACEHOLDERS = frozenset({"position", "waiting", "minutes"})


def _fillable(text: str, info: ValidationInfo) -> str:
    if unknown := set(_PLACEHOLDER.findall(text)) - _PLACEHOLDERS:
        raise ValueError(f"has no {{{min(unknown)}}}; it takes {{position}}, {{waiting}} and {{minutes}}")
    return text


KeepAfterHangup = Annotated[bool, described("Keep its place when the caller hangs up; default false.")]
MaxSize = Annotated[Positive, described("Maximum number of waiting calls.")]


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
    page_after: PageAfter | None = None
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
    worst_effect = Risk.DESTRUCTIVE
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


class AnnouncePositions(Command):
    """Say to each caller in a queue which position they have, one by one; then hold music, if given."""

    search_hint = "how long do callers wait, hold music for the queue"
    route = GET("/queues/{queue_name}/calls")
    risk = Risk.ROUTINE
    retry = Retry.ONCE
    result = PositionsResult
    does = "announce positions in {queue_name}"
    speaks = "text"
    announces = ("call.speak.started", "call.speak.ended")
    exclusive = (("audio_url", "media_name"),)

    queue_name: QueueName
    text: Annotated[
        SpokenText,
        AfterValidator(_fillable),
        described("With {position}, {waiting}: how many wait, {minutes}: average wait."),
    ] = "You are number {position} in line."
    voice: Voice
    language: Annotated[Language, described("Needed for voice male or female.")] | None = None
    audio_url: Annotated[AudioUrl, described("Hold music after it, without end.")] | None = None
    media_name: Annotated[NotEmpty, described("The same, uploaded.")] | None = None
    skip_within_secs: Annotated[int, Field(ge=5, le=3600), described("Skip callers who heard it within this time.")] = (
        60
    )
    limit: Annotated[int, Field(ge=1, le=200), described("Only the first in line.")] = 50

    def words(self, position: int, waiting: int, minutes: int) -> str:
        """The text for one caller."""
        values = {"position": position, "waiting": waiting, "minutes": minutes}
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), self.text)

    def requests(self, call_control_id: str, words: str) -> list[Command]:
        """The commands for one caller: what plays is stopped, then the words, then the music."""
        speech = SpeakToCall(
            call_control_id=call_control_id, payload=words, voice=self.voice, language=self.language, stop="all"
        )
        if self.audio_url is None and self.media_name is None:
            return [speech]
        music = PlayToCall(
            call_control_id=call_control_id, audio_url=self.audio_url, media_name=self.media_name, loop="infinity"
        )
        return [speech, music]

    @classmethod
    def routes(cls) -> tuple[Route, ...]:
        return (cls.route, *SpeakToCall.routes(), *PlayToCall.routes())

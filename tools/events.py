"""What has happened on the line: webhook events, past and to come."""

from typing import Annotated

from pydantic import Field

from .base import Risk, Tool
from .results import EventPage, EventResult, SummaryResult, WaitResult
from .types import CallControlId, ConferenceId, EventTypes, NotEmpty, Positive, QueueName


class ListEvents(Tool):
    """Find past webhook events, newest first: who joined, left, spoke, waited."""

    risk = Risk.READ
    result = EventPage

    types: EventTypes | None = None
    conference_id: ConferenceId | None = None
    call_control_id: CallControlId | None = None
    queue_name: QueueName | None = None
    since: Annotated[NotEmpty, Field(description="ISO 8601 time or event id.")] | None = None
    until: Annotated[NotEmpty, Field(description="ISO 8601 time.")] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[Positive, Field(description="next_cursor.")] | None = None


class GetEvent(Tool):
    """See one webhook event as Telnyx sent it."""

    risk = Risk.READ
    result = EventResult

    event_id: NotEmpty
    include_recording_urls: Annotated[bool, Field(description="Download links: secrets for 10 minutes.")] = False


class WaitForEvent(Tool):
    """Wait until a webhook event shows that something has happened, such as a result's expect_events."""

    risk = Risk.READ
    result = WaitResult

    types: EventTypes
    conference_id: ConferenceId | None = None
    call_control_id: CallControlId | None = None
    queue_name: QueueName | None = None
    since: Annotated[NotEmpty, Field(description="Event id or ISO 8601 time; default: the last command.")] | None = None
    timeout_secs: Annotated[int, Field(ge=1, le=600)] = 30


class ConferenceSummary(Tool):
    """What happened in a conference: who, how long, on hold, talk turns, recordings, how it ended."""

    risk = Risk.READ
    result = SummaryResult

    conference_id: ConferenceId

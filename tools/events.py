"""Tools for webhook events, past and to come."""

from typing import Annotated

from pydantic import Field

from .base import Risk, Tool
from .results import EventPage, EventResult, SummaryResult, WaitResult
from .types import CallControlId, ConferenceId, EventTypes, NotEmpty, Positive, QueueName, described


class ListEvents(Tool):
    """Find past webhook events, newest first: who joined, left, spoke, waited. For what comes next, wait_for_event."""

    risk = Risk.READ
    result = EventPage

    types: EventTypes | None = None
    conference_id: ConferenceId | None = None
    call_control_id: CallControlId | None = None
    queue_name: QueueName | None = None
    since: Annotated[NotEmpty, described("Not before this ISO 8601 time or event id.")] | None = None
    until: Annotated[NotEmpty, described("Not after this ISO 8601 time.")] | None = None
    limit: Annotated[int, Field(ge=1, le=100), described("Maximum number of events.")] = 20
    cursor: Annotated[Positive, described("next_cursor of the page before.")] | None = None


class GetEvent(Tool):
    """See one webhook event in full."""

    risk = Risk.READ
    result = EventResult

    event_id: Annotated[NotEmpty, described("Id from list_events.")]


class WaitForEvent(Tool):
    """Wait for a webhook event, such as those in a result's expect_events, instead of polling."""

    search_hint = "tell me when somebody joins, watch, notify"
    risk = Risk.READ
    result = WaitResult

    types: EventTypes
    conference_id: ConferenceId | None = None
    call_control_id: CallControlId | None = None
    queue_name: QueueName | None = None
    since: Annotated[NotEmpty, described("Event id or ISO 8601 time; default: your last command.")] | None = None
    timeout_secs: Annotated[int, Field(ge=1, le=600), described("Seconds to wait.")] = 30


class ConferenceSummary(Tool):
    """Summarize a conference, also a past one: who, how long, holds, talk turns, recordings, how it ended."""

    search_hint = "what happened on a past call, yesterday's meeting"
    risk = Risk.READ
    result = SummaryResult

    conference_id: ConferenceId

"""Tools about what may be done: who may be called, who has opted out, and what a person grants in advance."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from .base import Risk, Tool
from .numbers import party_key
from .results import GrantResult, MayCallResult, OptOutResult
from .types import ConferenceId, NotEmpty, described

MAX_NUMBERS = 50

Party = Annotated[str, AfterValidator(party_key), described("Phone number with + and country code, or SIP URI.")]


class MayCall(Tool):
    """Check before dial which numbers may be called now by the operator's rules, and when otherwise."""

    risk = Risk.READ
    result = MayCallResult

    numbers: Annotated[
        list[NotEmpty], Field(min_length=1, max_length=MAX_NUMBERS), described("Phone numbers, E.164, or SIP URIs.")
    ]


class AddOptout(Tool):
    """Never call a person again: use it when they ask not to be called. Only the operator can undo it."""

    risk = Risk.ROUTINE
    result = OptOutResult

    number: Party


class RequestGrant(Tool):
    """Ask a person once to allow several calls of one tool, within limits; those calls need no further approval."""

    risk = Risk.DESTRUCTIVE
    result = GrantResult
    always_asks = True

    tool: Annotated[NotEmpty, described("Tool name, such as hangup_call.")]
    limits: Annotated[
        dict[str, Any],
        WithJsonSchema(
            {
                "type": "object",
                "description": 'Each argument with its allowed value or list of values; "*": any.',
                # Gemini refuses an object without properties. The server accepts every argument of the tool.
                "properties": {
                    "call_control_id": {"type": "string", "description": "Call leg id."},
                    "to": {"type": "string", "description": "Called number."},
                },
            }
        ),
    ]
    conference_id: (
        Annotated[ConferenceId, described("Only in this conference, by id or name; default: anywhere.")] | None
    ) = None
    count: Annotated[int, Field(ge=1, le=100), described("How often; a list counts each person.")]
    minutes: Annotated[int, Field(ge=1, le=240), described("How long it holds.")]

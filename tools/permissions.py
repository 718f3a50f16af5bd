"""Tools about what may be done: who may be called, and who has opted out."""

from typing import Annotated

from pydantic import AfterValidator, Field

from .base import Risk, Tool
from .numbers import party_key
from .results import MayCallResult, OptOutResult
from .types import NotEmpty, described

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

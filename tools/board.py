"""The switchboard, and cards by which a person answers: what hosts that render pages show, and others as text."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Risk, Tool
from .results import ApprovalResult, BoardResult, ToolResult
from .types import NotEmpty

SWITCHBOARD: Literal["switchboard"] = "switchboard"
"""The page on which both are shown."""

Code = Annotated[NotEmpty, Field(max_length=40, description="The code it waits as.")]


class ShowSwitchboard(Tool):
    """Show who is where now: rooms, people, queues, last events, what waits for a yes; live where pages are shown."""

    risk = Risk.READ
    result = BoardResult
    page = SWITCHBOARD


class ShowApproval(Tool):
    """Show a person what waits for their yes, as a card that they answer."""

    risk = Risk.READ
    result = ApprovalResult
    page = SWITCHBOARD
    needs_cards = True

    approval: Code


class DecideApproval(Tool):
    """Answer a question: for the button of its card alone."""

    risk = Risk.ROUTINE
    result = ToolResult
    page = SWITCHBOARD
    needs_cards = True
    page_only = True
    is_secret = True

    approval: Code
    secret: Annotated[NotEmpty, Field(max_length=200)]
    yes: bool

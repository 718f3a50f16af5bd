"""Tools for the switchboard and approval cards, for hosts that render pages; others get text."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Risk, Tool
from .results import ApprovalResult, BoardResult, ToolResult
from .types import NotEmpty, described

SWITCHBOARD: Literal["switchboard"] = "switchboard"
"""The page that shows both."""

Code = Annotated[NotEmpty, Field(max_length=40), described("The approval's code, from the refusal.")]


class ShowSwitchboard(Tool):
    """Show all at once: conferences, people, queues, latest events, pending approvals."""

    risk = Risk.READ
    result = BoardResult
    page = SWITCHBOARD


class ShowApproval(Tool):
    """Show a person a pending approval as a card to answer."""

    risk = Risk.READ
    result = ApprovalResult
    page = SWITCHBOARD
    needs_cards = True

    approval: Code


class DecideApproval(Tool):
    """Answer an approval: only for the button of its card."""

    risk = Risk.ROUTINE
    result = ToolResult
    page = SWITCHBOARD
    needs_cards = True
    page_only = True
    is_secret = True

    approval: Code
    secret: Annotated[NotEmpty, Field(max_length=200), described("The card's secret.")]
    yes: Annotated[bool, described("true: approve.")]

"""The ways by which tool calls come in, and back to whoever made them."""

from typing import Any, Protocol

from mcp.server import ServerRequestContext
from mcp_types import CallToolRequestParams, RequestId

from ..guard import Asker, Caller, NobodyToAsk
from ..shutdown import Shutdown
from .elicitation import Elicitation
from .sessions import caller_of

_PATIENCE = 300.0
"""Seconds that a question waits for its answer."""


class CallContext(Protocol):
    """One call's way in and back."""

    @property
    def caller(self) -> Caller:
        """Who calls."""
        ...

    @property
    def context(self) -> ServerRequestContext[Any, Any] | None:
        """The request over MCP, where it came by one."""
        ...

    @property
    def request_id(self) -> RequestId | None: ...

    def asker(self, name: str) -> Asker:
        """The way to a person. `name`: names the call, and so the answer to its question."""
        ...


class McpCallContext:
    """A call of an MCP client."""

    def __init__(self, context: ServerRequestContext[Any, Any], call: CallToolRequestParams, leaving: Shutdown) -> None:
        self.caller = caller_of(context)
        self.context: ServerRequestContext[Any, Any] | None = context
        self.request_id: RequestId | None = context.request_id
        self._mcp = context
        self._call = call
        self._leaving = leaving

    def asker(self, name: str) -> Asker:
        return Elicitation(self._mcp, self._call, name, patience=_PATIENCE, leaving=self._leaving)


class ButtonCallContext:
    """A call by a button of the board in a browser: whoever presses it is asked elsewhere."""

    context: ServerRequestContext[Any, Any] | None = None
    request_id: RequestId | None = None

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def asker(self, name: str) -> Asker:
        return NobodyToAsk("a button of the board puts no questions")

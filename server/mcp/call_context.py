"""Where a tool call came from, and how to ask its caller."""

from typing import Any, Protocol

from mcp.server import ServerRequestContext
from mcp_types import CallToolRequestParams, RequestId

from ..guard import ApprovedByCaller, Approver, Caller, NoApprover
from ..lifecycle import Shutdown
from .elicitation import Elicitation
from .sessions import caller_of


class CallContext(Protocol):
    """The origin of one tool call."""

    @property
    def caller(self) -> Caller: ...

    @property
    def context(self) -> ServerRequestContext[Any, Any] | None:
        """The MCP request; None for a call that came another way."""
        ...

    @property
    def request_id(self) -> RequestId | None: ...

    def asker(self, call_id: str) -> Approver:
        """A way to ask a person. `call_id` identifies the call, and so the answer to its question."""
        ...


class McpCallContext:
    """A call from an MCP client."""

    def __init__(
        self,
        context: ServerRequestContext[Any, Any],
        call: CallToolRequestParams,
        shutdown: Shutdown,
        ask_timeout_s: float | None = None,
        page: str | None = None,
    ) -> None:
        """`page`: the address of the running operator page."""
        self.caller = caller_of(context)
        self.context: ServerRequestContext[Any, Any] | None = context
        self.request_id: RequestId | None = context.request_id
        self._mcp = context
        self._call = call
        self._shutdown = shutdown
        self._ask_timeout_s = ask_timeout_s
        self._page = page

    def asker(self, call_id: str) -> Approver:
        return Elicitation(
            self._mcp, self._call, call_id, timeout_s=self._ask_timeout_s, shutdown=self._shutdown, page=self._page
        )


class ButtonCallContext:
    """A call from a button in a browser, where nobody can be asked."""

    context: ServerRequestContext[Any, Any] | None = None
    request_id: RequestId | None = None

    def __init__(self, caller: Caller, approved_by: str | None = None) -> None:
        """`approved_by`: the person whose press is the approval; None: it is none."""
        self.caller = caller
        self._approved_by = approved_by

    def asker(self, call_id: str) -> Approver:
        if self._approved_by is not None:
            return ApprovedByCaller(self._approved_by, call_id)
        return NoApprover("a button of the board cannot ask questions")

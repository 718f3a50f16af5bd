"""Why a call was not carried out: types whose message the model reads and acts on."""

from typing import ClassVar


class CallFailed(Exception):
    """A tool call ended without its result. The message says what is wrong, what is allowed and what to try."""

    def __init__(self, message: str, for_person: str | None = None) -> None:
        """`for_person`: the message for a person who pressed a button; None: the same message."""
        super().__init__(message)
        self.for_person = for_person or message

    outcome: ClassVar[str] = "failed"
    """The result of the call, as the audit names it."""

    @property
    def why(self) -> str:
        """The reason for the audit, where more is known of the call beside it."""
        return str(self)


class CallRefused(CallFailed):
    """This server refused the command: nothing was sent to Telnyx."""

    outcome = "refused"


class OutOfScope(CallRefused):
    """The policy does not allow a request to touch what it names; it may allow another one like it."""


class LookupFailed(CallRefused):
    """A fact that is needed before a command is sent could not be looked up."""

    def __init__(self, tool: str, failed: CallFailed) -> None:
        """`failed`: why the lookup failed."""
        super().__init__(f"{tool} was not sent, because the server could not look up what it affects. {failed}")

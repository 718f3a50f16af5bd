"""Why a call was not carried out: types whose message the model reads and acts on."""

from typing import ClassVar


class CallFailed(Exception):
    """A tool call ended without its result. The message says what is wrong, what is allowed and what to try."""

    def __init__(self, message: str, for_person: str | None = None) -> None:
        """`for_person`: the same for a person who pressed a button; None: the message suits them too."""
        super().__init__(message)
        self.for_person = for_person or message

    outcome: ClassVar[str] = "failed"
    """How the audit names what became of the call."""

    @property
    def why(self) -> str:
        """The reason for the audit, where more is known of the call beside it."""
        return str(self)


class CallRefused(CallFailed):
    """This server did not pass the command on: nothing was sent."""

    outcome = "refused"


class OutOfScope(CallRefused):
    """The policy does not allow a request to touch what it names; it may allow another one like it."""


class LookupFailed(CallRefused):
    """What must be known before a command is sent could not be found out."""

    def __init__(self, tool: str, failed: CallFailed) -> None:
        """`failed`: what came of looking."""
        super().__init__(f"{tool} was not sent, since what it concerns could not be looked at first. {failed}")

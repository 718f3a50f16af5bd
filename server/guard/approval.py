"""Who said yes: a person is asked before what cannot be taken back, shown what it will touch."""

from collections.abc import Awaitable, Callable
from enum import Enum, StrEnum
from typing import Protocol

from ...tools.base import Command, Risk
from ..errors import Refused

_MOST_ROUNDS = 3


class Level(StrEnum):
    """From which risk on a person is asked."""

    DESTRUCTIVE = "destructive"
    DISRUPTIVE = "disruptive"
    ALL = "all"
    NEVER = "never"

    def asks(self, risk: Risk) -> bool:
        """Whether a command of this risk needs a yes. A read never does."""
        return _FROM[self] <= risk if self is not Level.NEVER else False


_FROM = {Level.DESTRUCTIVE: Risk.DESTRUCTIVE, Level.DISRUPTIVE: Risk.DISRUPTIVE, Level.ALL: Risk.ROUTINE}


class Reply(Enum):
    """What came back from a question."""

    YES = "a person said yes"
    NO = "a person said no"
    NOBODY = "nobody answered"


class Asker(Protocol):
    """A way to put one yes-or-no question to a person."""

    @property
    def can_ask(self) -> bool:
        """Whether the client at the other end can ask at all."""
        ...

    async def ask(self, question: str) -> Reply:
        """Put the question to the person. May end the call instead, to be repeated with the answer."""
        ...


class PersonDeclined(Refused):
    """A person said no: final for this call."""

    def __init__(self, command: Command) -> None:
        super().__init__(
            f"A person was asked and said no to {command.tool_name()}. Nothing was sent. "
            "Do not try it again or another way unless they ask for it."
        )


class NobodyAsked(Refused):
    """No person could be asked, so there is no yes."""

    def __init__(self, command: Command, why: str) -> None:
        super().__init__(
            f"{command.tool_name()} with these arguments is {command.current_risk()} and needs a person's yes, but "
            f"nobody could be asked: {why}. Nothing was sent, and repeating the call will not change that. "
            "The operator can use a client that supports MCP elicitation, or set the approval level "
            "(serve --approval)."
        )


async def approve(command: Command, level: Level, compose: Callable[[Command], Awaitable[str]], asker: Asker) -> None:
    """Return once a person has said yes to what the command would do now, or when none needs to.

    `compose` puts the question from live facts. A yes to a question whose facts have changed since does not count:
    the new question is asked. Raises `PersonDeclined`, `NobodyAsked`, or what `compose` raises.
    """
    if not level.asks(command.current_risk()):
        return
    if not asker.can_ask:
        raise NobodyAsked(command, "this client has not declared that it can put questions to a person (elicitation)")
    question = await compose(command)
    for _ in range(_MOST_ROUNDS):
        reply = await asker.ask(question)
        if reply is Reply.NO:
            raise PersonDeclined(command)
        if reply is Reply.NOBODY:
            raise NobodyAsked(command, "the question was cancelled or not answered")
        approved, question = question, await compose(command)
        if question == approved:
            return
    raise Refused(
        f"What {command.tool_name()} would touch changed each time while a person was being asked. Nothing was sent. "
        "Look at the state again, then decide."
    )

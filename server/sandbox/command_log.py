"""Commands that are sent again with the same command_id get their first answer."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...tools.base import Command
from .responses import Answer

COMMAND_ID_LIFETIME = timedelta(seconds=60)
"""How long a command_id is known."""

_SCOPES = ("conference_id", "call_control_id", "connection_id")


@dataclass(slots=True)
class CommandLog:
    """The commands of the last 60 seconds that have a command_id, with their answers."""

    _answers: dict[tuple[str, str], Answer] = field(default_factory=dict[tuple[str, str], Answer])
    _since: deque[tuple[datetime, tuple[str, str]]] = field(default_factory=deque[tuple[datetime, tuple[str, str]]])

    def answer_to(self, command: Command, now: datetime) -> Answer:
        """The answer to an earlier command with the same id for the same call or conference; None: there was none."""
        while self._since and now - self._since[0][0] >= COMMAND_ID_LIFETIME:
            self._answers.pop(self._since.popleft()[1], None)
        key = _key(command)
        return None if key is None else self._answers.get(key)

    def remember(self, command: Command, answer: Answer, now: datetime) -> None:
        key = _key(command)
        if key is not None:
            self._answers[key] = answer
            self._since.append((now, key))


def _key(command: Command) -> tuple[str, str] | None:
    """What a command_id is unique for, and the command_id; None: the command has none."""
    command_id = getattr(command, "command_id", None)
    if command_id is None:
        return None
    # The path comes first: who joins a conference is in the body.
    names = (*command.route.parameters, *_SCOPES)
    return next(str(getattr(command, name)) for name in names if hasattr(command, name)), command_id

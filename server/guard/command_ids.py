"""Refuses a `command_id` that would make Telnyx ignore a different command."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from ...tools.base import Command
from ..errors import CallRefused
from ..newest import Newest

_WINDOW = timedelta(seconds=60)
"""Telnyx ignores a command whose id it executed within this time on the same call or conference."""
_MAX_REMEMBERED = 10_000


class CommandIds:
    """The command ids that this process sent recently."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._sent = Newest[tuple[str, str], tuple[datetime, str]](_MAX_REMEMBERED)

    def check(self, command: Command) -> None:
        """Raises `CallRefused` when the command's id was sent with other arguments a moment ago."""
        command_id: str | None = getattr(command, "command_id", None)
        before = self._sent.get((command_id or "", _target(command)))
        if before is not None and before[1] != _content(command) and before[0] <= self._now() < before[0] + _WINDOW:
            raise CallRefused(
                f"{command.tool_name()} was not sent: this command_id was used for another command in the last "
                f"{_WINDOW.seconds} s, and Telnyx would ignore this one. Leave command_id out, or give a new one."
            )

    def record(self, command: Command) -> None:
        """Note that a command is being sent."""
        command_id: str | None = getattr(command, "command_id", None)
        if command_id is not None:
            self._sent[command_id, _target(command)] = (self._now(), _content(command))


def _content(command: Command) -> str:
    return f"{command.tool_name()} {json.dumps(command.model_dump(mode='json'), sort_keys=True)}"


def _target(command: Command) -> str:
    """The conference or call of a command; empty for one without, such as a dial."""
    return str(getattr(command, "conference_id", None) or getattr(command, "call_control_id", None) or "")

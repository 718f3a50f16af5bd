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
        if any(self._is_taken(key, _content(command)) for key in _keys(command)):
            raise CallRefused(
                f"{command.tool_name()} was not sent: this command_id was used for another command in the last "
                f"{_WINDOW.seconds} s, and Telnyx would ignore this one. Leave command_id out, or give a new one."
            )

    def _is_taken(self, key: tuple[str, str], content: str) -> bool:
        sent_at, sent = self._sent.get(key, (self._now(), content))
        return sent != content and sent_at <= self._now() < sent_at + _WINDOW

    def record(self, command: Command) -> None:
        """Note that a command is being sent."""
        for key in _keys(command):
            self._sent[key] = (self._now(), _content(command))


def _content(command: Command) -> str:
    return f"{command.tool_name()} {json.dumps(command.model_dump(mode='json'), sort_keys=True)}"


def _keys(command: Command) -> list[tuple[str, str]]:
    """The command's id with each conference and call that it names; with nothing for one that names none: a dial."""
    command_id: str | None = getattr(command, "command_id", None)
    if command_id is None:
        return []
    named = (getattr(command, name, None) for name in ("conference_id", "call_control_id"))
    return [(command_id, target) for target in named if target is not None] or [(command_id, "")]

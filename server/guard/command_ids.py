"""Refuses a `command_id` that would make Telnyx ignore a different command."""

import json
from collections.abc import Callable, Iterable
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
        keys = _keys(command)
        if keys and self._are_taken(keys, _content(command)):
            raise CallRefused(
                f"{command.tool_name()} was not sent: this command_id was used for another command in the last "
                f"{_WINDOW.seconds} s, and Telnyx would ignore this one. Leave command_id out, or give a new one."
            )

    def _are_taken(self, keys: Iterable[tuple[str, str]], content: str) -> bool:
        now = self._now()
        earlier = (self._sent[key] for key in keys if key in self._sent)
        return any(sent != content and sent_at <= now < sent_at + _WINDOW for sent_at, sent in earlier)

    def record(self, command: Command) -> None:
        """Note that a command is being sent."""
        if keys := _keys(command):
            sent = (self._now(), _content(command))
            for key in keys:
                self._sent[key] = sent


def _content(command: Command) -> str:
    return f"{command.tool_name()} {json.dumps(command.model_dump(mode='json'), sort_keys=True)}"


def _keys(command: Command) -> list[tuple[str, str]]:
    """The command's id with each conference and call that it names; with nothing for one that names none: a dial."""
    command_id: str | None = getattr(command, "command_id", None)
    if command_id is None:
        return []
    named = (getattr(command, name, None) for name in ("conference_id", "call_control_id"))
    return [(command_id, target) for target in named if target is not None] or [(command_id, "")]

"""What this server allows at all: a tool outside it is neither listed nor callable."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...tools.base import Tool


@dataclass(frozen=True, slots=True)
class Policy:
    """Which commands exist on this server."""

    read_only: bool = False
    toolsets: frozenset[str] | None = None
    """None: all."""

    def refusal(self, command: type[Tool]) -> str | None:
        """Why the command does not exist here; None when it does."""
        if self.toolsets is not None and command.toolset() not in self.toolsets:
            return f"toolset {command.toolset()} is switched off on this server"
        if self.read_only and not command.is_read():
            return "this server is read-only"
        return None

    def allowed(self, commands: Iterable[type[Tool]]) -> list[type[Tool]]:
        """Those that exist, in the order given."""
        return [command for command in commands if self.refusal(command) is None]

"""The hosts: where each keeps its servers, how it writes them, and how it hands on an environment variable."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from .json_text import JSON, JSON_WITH_COMMENTS
from .texts import Entry, Syntax
from .toml_text import TOML

NAME = "telnyx-conferencing"
"""What the server is called in every configuration."""
API_KEY, PUBLIC_KEY = "TELNYX_API_KEY", "TELNYX_PUBLIC_KEY"


class Base(Enum):
    """What a configuration's place is relative to."""

    HOME = "home"
    APPLICATIONS = "applications"
    """Where applications keep their data: `~/.config`, `~/Library/Application Support`, `%APPDATA%`."""


@dataclass(frozen=True, slots=True)
class Host:
    """An application that starts MCP servers."""

    name: str
    title: str
    base: Base
    folder: str
    file: str
    section: str
    """The table of servers in it."""
    moved_by: str | None = None
    """The environment variable that names another folder."""
    syntax: Syntax = JSON
    also: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the host wants in every server beside command and arguments."""
    hands_on: Mapping[str, Any] | None = None
    """What makes it hand the API key on from its own environment; None: it cannot."""
    inherits: bool = False
    """Whether its servers see all of its environment, not only the usual few variables."""
    then: str = "Restart it if it is running."
    """What a person does after a change."""

    def config(self, platform: str = sys.platform) -> Path:
        """The file that holds its servers."""
        moved = os.environ.get(self.moved_by, "") if self.moved_by else ""
        return Path(moved) / self.file if moved else _base(self.base, platform) / self.folder / self.file

    def environment(self, entry: Entry) -> dict[str, str]:
        """What a server so configured would see of this environment, beside the few variables that every one sees."""
        names = os.environ if self.inherits else entry.get("env_vars", ())
        return {name: os.environ[name] for name in names if name in os.environ}


def _base(base: Base, platform: str) -> Path:
    home = Path.home()
    if base is Base.HOME:
        return home
    if platform == "darwin":
        return home / "Library" / "Application Support"
    if platform == "win32":
        return Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")


def _env(reference: str) -> Mapping[str, Any]:
    return {"env": {API_KEY: reference}}


HOSTS = {
    host.name: host
    for host in (
        Host(
            "claude-code",
            "Claude Code",
            Base.HOME,
            "",
            ".claude.json",
            "mcpServers",
            moved_by="CLAUDE_CONFIG_DIR",
            also={"type": "stdio"},
            hands_on=_env(f"${{{API_KEY}:-}}"),
            inherits=True,
            then="Sessions that are open see it after /mcp or a restart.",
        ),
        Host(
            "claude-desktop",
            "Claude Desktop",
            Base.APPLICATIONS,
            "Claude",
            "claude_desktop_config.json",
            "mcpServers",
            then="Quit Claude Desktop and open it again.",
        ),
        Host(
            "cursor",
            "Cursor",
            Base.HOME,
            ".cursor",
            "mcp.json",
            "mcpServers",
            syntax=JSON_WITH_COMMENTS,
            hands_on=_env(f"${{env:{API_KEY}}}"),
            then="Switch it on under Settings, MCP, if Cursor asks.",
        ),
        Host(
            "vscode",
            "VS Code",
            Base.APPLICATIONS,
            "Code/User",
            "mcp.json",
            "servers",
            syntax=JSON_WITH_COMMENTS,
            also={"type": "stdio"},
            hands_on=_env(f"${{env:{API_KEY}}}"),
            inherits=True,
            then="Start it from `MCP: List Servers` in the command palette.",
        ),
        Host(
            "gemini",
            "Gemini CLI",
            Base.HOME,
            ".gemini",
            "settings.json",
            "mcpServers",
            syntax=JSON_WITH_COMMENTS,
            hands_on=_env(f"${{{API_KEY}:-}}"),
        ),
        Host(
            "codex",
            "Codex",
            Base.HOME,
            ".codex",
            "config.toml",
            "mcp_servers",
            moved_by="CODEX_HOME",
            syntax=TOML,
            hands_on={"env_vars": [API_KEY]},
        ),
    )
}

"""The MCP hosts: where each keeps its servers, how it writes them, and how it passes an environment variable on."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from .json_text import JSON, JSON_WITH_COMMAND_LIST, JSON_WITH_COMMENTS, JSON_WITH_TRANSPORT
from .texts import Entry, Syntax
from .toml_text import TOML

NAME = "telnyx-conferencing"
"""The server's name in every configuration."""
API_KEY, PUBLIC_KEY = "TELNYX_API_KEY", "TELNYX_PUBLIC_KEY"
CONNECTION_ID, FROM_NUMBER = "TELNYX_CONNECTION_ID", "TELNYX_FROM_NUMBER"


class BaseFolder(Enum):
    """The folder that a configuration's path is relative to."""

    HOME = "home"
    CONFIG = "config"
    """`~/.config`, or `$XDG_CONFIG_HOME`, on every platform."""
    APPLICATIONS = "applications"
    """Where applications keep their data: `~/.config`, `~/Library/Application Support`, `%APPDATA%`."""


@dataclass(frozen=True, slots=True)
class Host:
    """An application that starts MCP servers."""

    name: str
    title: str
    base: BaseFolder
    folder: str
    file: str
    section: str
    """The name of the table of servers in the file."""
    folder_variable: str | None = None
    """The environment variable that names another folder."""
    syntax: Syntax = JSON
    extra_fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields that the host needs in every server, besides command and arguments."""
    key_reference: Mapping[str, Any] | None = None
    """Fields that make the host pass the API key on from its own environment; None: it cannot."""
    inherits_environment: bool = False
    """Whether its servers see all of its environment, not only the usual few variables."""
    default_options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Options of `serve` that this host needs, unless others are given."""
    next_step: str = "Restart it if it is running."
    """What a person does after a change."""

    def config(self, platform: str = sys.platform) -> Path:
        """The file that holds its servers."""
        folder = os.environ.get(self.folder_variable, "") if self.folder_variable else ""
        return Path(folder) / self.file if folder else _base(self.base, platform) / self.folder / self.file

    def environment(self, entry: Entry) -> dict[str, str]:
        """The variables of this environment that a server so configured would see, besides the usual few."""
        names = os.environ if self.inherits_environment else entry.get("env_vars", ())
        return {name: os.environ[name] for name in names if name in os.environ}


def _base(base: BaseFolder, platform: str) -> Path:
    home = Path.home()
    if base is BaseFolder.HOME:
        return home
    if base is BaseFolder.APPLICATIONS and platform == "darwin":
        return home / "Library" / "Application Support"
    if base is BaseFolder.APPLICATIONS and platform == "win32":
        return Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")


def _env(reference: str) -> Mapping[str, Any]:
    return {"env": {API_KEY: reference}}


_CLINE_TIMEOUT_S = 120
"""For a call. It also makes Cline wait this long for the start of a server: without it, Cline gives up after 3 s."""

HOSTS = {
    host.name: host
    for host in (
        Host(
            "claude-code",
            "Claude Code",
            BaseFolder.HOME,
            "",
            ".claude.json",
            "mcpServers",
            folder_variable="CLAUDE_CONFIG_DIR",
            extra_fields={"type": "stdio"},
            key_reference=_env(f"${{{API_KEY}:-}}"),
            inherits_environment=True,
            next_step="Open sessions see it after /mcp or a restart.",
        ),
        Host(
            "claude-desktop",
            "Claude Desktop",
            BaseFolder.APPLICATIONS,
            "Claude",
            "claude_desktop_config.json",
            "mcpServers",
            next_step="Quit Claude Desktop and open it again.",
        ),
        Host(
            "cursor",
            "Cursor",
            BaseFolder.HOME,
            ".cursor",
            "mcp.json",
            "mcpServers",
            syntax=JSON_WITH_COMMENTS,
            key_reference=_env(f"${{env:{API_KEY}}}"),
            default_options={"toolsets": "core"},  # Cursor offers the model 40 tools at most
            next_step="If Cursor asks, enable it under Settings, MCP.",
        ),
        Host(
            "vscode",
            "VS Code",
            BaseFolder.APPLICATIONS,
            "Code/User",
            "mcp.json",
            "servers",
            syntax=JSON_WITH_COMMENTS,
            extra_fields={"type": "stdio"},
            key_reference=_env(f"${{env:{API_KEY}}}"),
            inherits_environment=True,
            next_step="Start it with `MCP: List Servers` in the command palette.",
        ),
        Host(
            "gemini",
            "Gemini CLI",
            BaseFolder.HOME,
            ".gemini",
            "settings.json",
            "mcpServers",
            syntax=JSON_WITH_COMMENTS,
            key_reference=_env(f"${{{API_KEY}:-}}"),
        ),
        Host(
            "codex",
            "Codex",
            BaseFolder.HOME,
            ".codex",
            "config.toml",
            "mcp_servers",
            folder_variable="CODEX_HOME",
            syntax=TOML,
            key_reference={"env_vars": [API_KEY]},
        ),
        Host(
            "opencode",
            "OpenCode",
            BaseFolder.CONFIG,
            "opencode",
            "opencode.json",
            "mcp",
            syntax=JSON_WITH_COMMAND_LIST,
            extra_fields={"type": "local"},
            key_reference={},  # it passes all of its environment on
            inherits_environment=True,
        ),
        Host(
            "qwen",
            "Qwen Code",
            BaseFolder.HOME,
            ".qwen",
            "settings.json",
            "mcpServers",
            folder_variable="QWEN_HOME",
            syntax=JSON_WITH_COMMENTS,
            key_reference={},  # the same
            inherits_environment=True,
        ),
        Host(
            "copilot",
            "GitHub Copilot CLI",
            BaseFolder.HOME,
            ".copilot",
            "mcp-config.json",
            "mcpServers",
            folder_variable="COPILOT_HOME",
            syntax=JSON_WITH_COMMENTS,
            key_reference=_env(f"${{{API_KEY}:-}}"),
            inherits_environment=True,
            next_step="Open sessions see it after /mcp reload or a restart.",
        ),
        Host(
            "cline",
            "Cline",
            BaseFolder.HOME,
            ".cline",
            "data/settings/cline_mcp_settings.json",
            "mcpServers",
            folder_variable="CLINE_DIR",
            syntax=JSON_WITH_TRANSPORT,
            extra_fields={"timeout": _CLINE_TIMEOUT_S},
            key_reference={},  # as for OpenCode
            inherits_environment=True,
        ),
    )
}

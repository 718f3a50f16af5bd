"""A person's empty home directory, and the hosts' configurations in it."""

import json
import os
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from support.command_line import run
from support.keyring_backend import NO_RING, ring_env
from telnyx_conferencing.server.cli.main import cli

NAME = "telnyx-conferencing"
PLACES = {
    "claude-code": (".claude.json", "mcpServers"),
    "claude-desktop": (".config/Claude/claude_desktop_config.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "vscode": (".config/Code/User/mcp.json", "servers"),
    "gemini": (".gemini/settings.json", "mcpServers"),
    "codex": (".codex/config.toml", "mcp_servers"),
    "opencode": (".config/opencode/opencode.json", "mcp"),
    "qwen": (".qwen/settings.json", "mcpServers"),
    "copilot": (".copilot/mcp-config.json", "mcpServers"),
    "cline": (".cline/data/settings/cline_mcp_settings.json", "mcpServers"),
}
"""Where each host keeps its servers under a home directory on Linux, and the table of them."""
MOVED = (
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "GEMINI_CLI_HOME",
    "QWEN_HOME",
    "COPILOT_HOME",
    "CLINE_DIR",
)


@dataclass
class Home:
    """A home directory."""

    path: Path
    ring: bool = False
    """Whether its person has a keyring."""
    more: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def env(self) -> dict[str, str]:
        ring = ring_env(self.path / "ring.json") if self.ring else NO_RING
        return {"HOME": str(self.path), **dict.fromkeys(MOVED, ""), **ring, **self.more}

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """`telnyx-conferencing ARGUMENTS` by this person."""
        return run(*arguments, env={**self.env, **(env or {})}, timeout=timeout)

    def does(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """What a command prints that must succeed. Where there is no keyring to hold on to, it runs in this process."""
        if self.ring:
            ended = self.run(*arguments, env=env)
            assert ended.returncode == 0, ended.stderr
            return ended.stdout
        result = self._invoked(arguments, env)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refuses(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """The one sentence of a command that must not do it; in this process, without a keyring."""
        result = self._invoked(arguments, env)
        assert (result.exit_code, result.stdout) == (1, "")
        [sentence] = result.stderr.splitlines()
        return sentence

    def _invoked(self, arguments: tuple[str, ...], env: Mapping[str, str] | None) -> Result:
        no_settings = {name: None for name in os.environ if name.startswith("TELNYX")}
        return CliRunner().invoke(cli, arguments, env={**no_settings, **self.env, **(env or {})})

    def config(self, host: str) -> Path:
        return self.path / PLACES[host][0]

    def write(self, host: str, text: str) -> Path:
        """Have a configuration stand there."""
        path = self.config(host)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def servers(self, host: str) -> dict[str, Any]:
        """The servers in a configuration, as its host reads it."""
        text = self.config(host).read_text()
        return (tomllib.loads(text) if host == "codex" else json.loads(text))[PLACES[host][1]]

    def server(self, host: str) -> dict[str, Any]:
        """This server in a configuration."""
        return self.servers(host)[NAME]

    def starts(self, host: str) -> list[str]:
        """The command line of this server in a configuration."""
        server = self.server(host)
        server = server.get("transport", server)
        return server["command"] if host == "opencode" else [server["command"], *server["args"]]

    def backups(self, host: str) -> list[Path]:
        config = self.config(host)
        return sorted(config.parent.glob(f"{config.name}.*.backup"))

"""The manifests that tell hosts and registries how to install this server, made from the code."""

import json
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr

from telnyx_conferencing.server.cli.hosts.install import cursor_link
from telnyx_conferencing.server.cli.hosts.registry import API_KEY, NAME, PUBLIC_KEY
from telnyx_conferencing.server.settings import PREFIX, Settings
from telnyx_conferencing.tools import TOOLS

ROOT = Path(__file__).parents[2]
REGISTRY_NAME = f"io.github.{NAME}/{NAME}"
"""By this name the MCP registry knows it; the README carries it too, to prove that both have one owner."""
_PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_SUMMARY = "Run live conference calls and call queues on Telnyx from an AI agent, safely."
_ABOUT = {"name": NAME, "version": _PROJECT["version"], "description": _PROJECT["description"]}
_OWNER = {"name": f"the {NAME} authors"}
_ASKED = {
    "api_key": ("Telnyx API key", "From the Telnyx portal, API Keys. Not needed for the sandbox.", ""),
    "connection_id": ("Telnyx connection", "Id of the Call Control application for calls out.", ""),
    "from_number": ("Caller number", "A number of your account for calls out, such as +12025550123.", ""),
    "sandbox": ("Sandbox", None, True),
    "approval": ("Ask a person", None, "destructive"),
    "read_only": ("Only read", None, False),
}
"""What a host asks when it installs this server: title, description if it is not the setting's own, default."""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    return str(alias) if alias else f"{PREFIX}{name.upper()}"


def _asked() -> dict[str, dict[str, Any]]:
    return {
        name: {
            "type": "boolean" if isinstance(default, bool) else "string",
            "title": title,
            "description": description or Settings.model_fields[name].description,
            "default": default,
            "required": False,
            **({"sensitive": True} if name == "api_key" else {}),
        }
        for name, (title, description, default) in _ASKED.items()
    }


def _server(folder: str) -> dict[str, Any]:
    """This server out of a folder with its source, with the answers as its settings."""
    answers = {variable(name): f"${{user_config.{name}}}" for name in _ASKED}
    return {"command": "uvx", "args": ["--from", folder, NAME, "serve"], "env": answers}


PLUGIN_SERVER = "telnyx"
"""Short, so that `mcp__plugin_..._telnyx__conference_summary` stays within the 64 characters of a tool name."""


def plugin() -> dict[str, Any]:
    """The Claude Code plugin: the skill, and the server out of the plugin's own folder."""
    about = {**_ABOUT, "license": _PROJECT["license"], "keywords": _PROJECT["keywords"], "author": _OWNER}
    server = _server("${CLAUDE_PLUGIN_ROOT}")
    return {**about, "skills": ["./"], "mcpServers": {PLUGIN_SERVER: server}, "userConfig": _asked()}


def marketplace() -> dict[str, Any]:
    """This repository as a place to install the plugin from."""
    plugin = {"name": NAME, "source": "./", "description": _PROJECT["description"]}
    return {"name": NAME, "description": _SUMMARY, "owner": _OWNER, "plugins": [plugin]}


def bundle() -> dict[str, Any]:
    """The MCPB manifest, for Claude Desktop."""
    return {
        "manifest_version": "0.4",
        **_ABOUT,
        "display_name": "Telnyx conferencing",
        "author": _OWNER,
        "license": _PROJECT["license"],
        "keywords": _PROJECT["keywords"],
        "server": {"type": "uv", "entry_point": "server/__main__.py", "mcp_config": _server("${__dirname}")},
        "tools": [{"name": tool.tool_name(), "description": tool.__doc__} for tool in TOOLS],
        "user_config": _asked(),
        "compatibility": {"runtimes": {"python": _PROJECT["requires-python"]}},
    }


def registry() -> dict[str, Any]:
    """server.json, for the MCP registry."""
    package = {
        "registryType": "pypi",
        "identifier": NAME,
        "version": _PROJECT["version"],
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": "serve"}],
        "environmentVariables": [_variable(name) for name in Settings.model_fields if name != "keyring"],
    }
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": REGISTRY_NAME,
        "description": _SUMMARY,
        "version": _PROJECT["version"],
        "packages": [package],
    }


_SHARED = {
    API_KEY: "Your Telnyx API key; not needed on the sandbox.",
    PUBLIC_KEY: "Telnyx's public key, which proves who sent a webhook.",
    "TELNYX_BASE_URL": "Another address of the API.",
}


def _variable(name: str) -> dict[str, Any]:
    field = Settings.model_fields[name]
    kinds = [field.annotation, *get_args(field.annotation)]
    entry: dict[str, Any] = {"name": variable(name), "description": field.description or _SHARED[variable(name)]}
    if SecretStr in kinds:
        entry["isSecret"] = True
    if bool in kinds:
        entry["format"] = "boolean"
    elif int in kinds:
        entry["format"] = "number"
    elif Path in kinds:
        entry["format"] = "filepath"
    choices = [kind for kind in kinds if isinstance(kind, str)]
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            choices = [str(option) for option in kind]
    return {**entry, "choices": choices} if choices else entry


def cursor() -> str:
    """Cursor's link for the README: practice, with what PyPI has."""
    return cursor_link({"command": "uvx", "args": [f"{NAME}@{_PROJECT['version']}", "serve", "--sandbox"]})


FILES = {
    ".claude-plugin/plugin.json": plugin,
    ".claude-plugin/marketplace.json": marketplace,
    ".mcp/server.json": registry,
    ".mcpb/manifest.json": bundle,
}
COPIES = {"prompts/_skill.md": "SKILL.md"}
"""Files of the package that repeat files above it."""


def text(path: str) -> str:
    """A file's text."""
    if path in COPIES:
        return (ROOT / COPIES[path]).read_text()
    return json.dumps(FILES[path](), indent=2, ensure_ascii=False) + "\n"

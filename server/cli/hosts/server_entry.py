"""How a host starts this server: a command with arguments that work from any folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...adapters.approval_help import program
from ...database import absolute_url
from ...sandbox import SCENES
from .registry import API_KEY, Host
from .texts import Entry

_OWN_FIELDS = ("command", "args", "env", "env_vars")


def arguments(host: Host, options: Mapping[str, Any]) -> list[str]:
    """The given options and the host's defaults as arguments of `serve`.

    Paths become absolute, since a host may start it in any folder.
    """
    result: list[str] = []
    for name, value in {**host.default_options, **_present_options(options)}.items():
        result.append(f"--{name.replace('_', '-')}")
        if value is not True:
            result.append(_ABSOLUTE.get(name, str)(str(value)))
    return result


def _present_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None and value is not False}


def _absolute_path(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _absolute_scene(scene: str) -> str:
    return scene if scene in SCENES else _absolute_path(scene)


_ABSOLUTE = {"policy": _absolute_path, "database": absolute_url, "scene": _absolute_scene}


def entry(host: Host, options: list[str], variables: Mapping[str, Any]) -> Entry:
    """The server as this host's configuration holds it.

    `variables`: `env`, or other fields that make the host set variables, as in `Host.key_reference`.
    """
    command, *first = program()
    return {**host.extra_fields, "command": command, "args": [*first, "serve", *options], **variables}


def merged(existing: Entry | None, ours: Entry) -> Entry:
    """Our entry with what a person added to the existing one: the host's own settings, and further variables."""
    if existing is None:
        return ours
    other_fields = {key: value for key, value in existing.items() if key not in _OWN_FIELDS}
    result: dict[str, Any] = {**other_fields, **ours}
    replaced = {API_KEY, *ours.get("env", {})}
    env = {name: value for name, value in existing.get("env", {}).items() if name not in replaced}
    if env or "env" in ours:
        result["env"] = {**env, **ours.get("env", {})}
    env_vars = [name for name in existing.get("env_vars", ()) if name != API_KEY]
    if env_vars or "env_vars" in ours:
        result["env_vars"] = [*env_vars, *ours.get("env_vars", ())]
    return result


def with_env(variables: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """The variables with others whose values are not secret, such as Telnyx's public key."""
    return {**variables, "env": {**variables.get("env", {}), **env}} if env else dict(variables)

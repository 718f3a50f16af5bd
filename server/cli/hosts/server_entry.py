"""How a host starts this server: a command with its arguments, the same wherever the host starts it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...adapters.approval_help import program
from .registry import API_KEY, PUBLIC_KEY, Host
from .texts import Entry

_OURS = ("command", "args", "env", "env_vars")


def arguments(given: Mapping[str, Any]) -> list[str]:
    """The settings that were given, as options of `serve`. Places are made absolute: a host starts it anywhere."""
    options: list[str] = []
    for name, value in given.items():
        if value is None or value is False:
            continue
        options.append(f"--{name.replace('_', '-')}")
        if value is not True:
            options.append(_ABSOLUTE.get(name, str)(str(value)))
    return options


def _absolute_path(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _absolute_url(url: str) -> str:
    scheme, mark, path = url.partition(":///")
    return f"{scheme}{mark}{_absolute_path(path)}" if mark and scheme.startswith("sqlite") and path else url


_ABSOLUTE = {"policy": _absolute_path, "database": _absolute_url}


def entry(host: Host, options: list[str], variables: Mapping[str, Any]) -> Entry:
    """The server as this host's configuration holds it.

    `variables`: `env`, or what else makes the host set variables, as in `Host.hands_on`.
    """
    command, *first = program()
    return {**host.also, "command": command, "args": [*first, "serve", *options], **variables}


def merged(existing: Entry | None, ours: Entry) -> Entry:
    """The server with what a person added to it in the host: settings of the host's own, and further variables."""
    if existing is None:
        return ours
    kept = {key: value for key, value in existing.items() if key not in _OURS}
    result: dict[str, Any] = {**kept, **ours}
    replaced = {API_KEY, *ours.get("env", {})}
    env = {name: value for name, value in existing.get("env", {}).items() if name not in replaced}
    if env or "env" in ours:
        result["env"] = {**env, **ours.get("env", {})}
    handed = [name for name in existing.get("env_vars", ()) if name != API_KEY]
    if handed or "env_vars" in ours:
        result["env_vars"] = [*handed, *ours.get("env_vars", ())]
    return result


def with_public_key(variables: Mapping[str, Any], public_key: str | None) -> dict[str, Any]:
    """The variables with Telnyx's public key, which is no secret."""
    if public_key is None:
        return dict(variables)
    return {**variables, "env": {**variables.get("env", {}), PUBLIC_KEY: public_key}}

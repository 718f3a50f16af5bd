"""Options of the command line, made from the declarations of the settings."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, get_args

import click

from ..events.times import parse_time
from ..settings import PREFIX, Settings, SettingsError, load

METAVARS = {
    "toolsets": "A,B",
    "allow": "TOOLS",
    "deny": "TOOLS",
    "policy": "FILE",
    "approval_ttl": "5m",
    "push": "TYPES",
    "catch_up": "60s",
    "keep": "30d",
    "database": "URL",
    "operator_page": "PORT",
    "host": "ADDRESS",
    "port": "PORT",
    "allowed_hosts": "A,B",
    "allowed_origins": "A,B",
    "oauth_issuer": "URL",
    "oauth_audience": "URL",
    "oauth_jwks_url": "URL",
}


FOR_MANY = (
    "transport",
    "host",
    "port",
    "allowed_hosts",
    "allowed_origins",
    "require_tokens",
    "oauth_issuer",
    "oauth_audience",
    "oauth_jwks_url",
    "stateless",
)
"""The settings of `serve` that are for many clients over HTTP."""

FOR_ONE = (
    "sandbox",
    "sandbox_port",
    "keyring",
    "read_only",
    "toolsets",
    "allow",
    "deny",
    "policy",
    "approval",
    "approval_ttl",
    "calls_per_minute",
    "most_people",
    "dials_per_hour",
    "concurrent_calls",
    "dry_run",
    "mask_numbers",
    "audit_content",
    "operator_page",
    "webhook_port",
    "insecure_webhooks",
    "catch_up",
    "push",
    "database",
    "keep",
    "keep_most",
    "log_level",
    "log_format",
)
"""Those that also go with one client over stdio."""

SERVING = (*FOR_MANY, *FOR_ONE)
"""The settings of `serve` that have an option."""


def settings_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options for these settings."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for name in reversed(names):
            function = _option(name)(function)
        return function

    return decorate


def _option(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    field = Settings.model_fields[name]
    option = f"--{name.replace('_', '-')}"
    help_text = f"{field.description}  [env: {PREFIX}{name.upper()}]"
    if field.annotation is bool:
        return click.option(option, name, is_flag=True, default=None, help=help_text)
    return click.option(option, name, default=None, metavar=metavar(name), help=help_text)


def metavar(name: str) -> str:
    """What a setting takes, as its option shows it; empty for a flag."""
    annotation = Settings.model_fields[name].annotation
    if annotation is bool:
        return ""
    kinds: list[Any] = [annotation, *get_args(annotation)]
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return "|".join(kind)
    choices = [kind for kind in kinds if isinstance(kind, str)]
    return "|".join(choices) if choices else METAVARS.get(name, "N")


def loaded(given: dict[str, Any]) -> Settings:
    """The settings, with the options that were given. Raises `SettingsError`."""
    return load(**{name: value for name, value in given.items() if value is not None})


_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def since(text: str | None) -> datetime | None:
    """The moment that `--since` names, or that was so long ago. Raises `SettingsError`."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else parse_time(text)
    except (ValueError, OverflowError):
        raise SettingsError(
            "--since: must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or a time ago such as 30m, 2h or 7d."
        ) from None

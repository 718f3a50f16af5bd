"""Options of the command line, made from the declarations of the settings."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, get_args

import click

from ..events.times import parse_time
from ..settings import PREFIX, Settings, SettingsError, load

HTTP_SETTINGS = (
    "transport",
    "host",
    "port",
    "allowed_hosts",
    "allowed_origins",
    "trusted_proxies",
    "require_tokens",
    "oauth_issuer",
    "oauth_audience",
    "oauth_jwks_url",
    "stateless",
)
"""Settings of `serve` for many clients over HTTP."""

COMMON_SETTINGS = (
    "sandbox",
    "sandbox_port",
    "scene",
    "keyring",
    "read_only",
    "toolsets",
    "allow",
    "deny",
    "policy",
    "approval",
    "approval_ttl",
    "ask_timeout",
    "alert_webhook",
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
    "keep_transcripts",
    "log_level",
    "log_format",
)
"""Settings of `serve` for either transport."""

SERVE_SETTINGS = (*HTTP_SETTINGS, *COMMON_SETTINGS)
"""All settings of `serve` that have an option."""

_METAVARS = {
    "toolsets": "NAMES",
    "allow": "TOOLS",
    "deny": "TOOLS",
    "policy": "FILE",
    "alert_webhook": "URL",
    "approval_ttl": "DURATION",
    "ask_timeout": "DURATION",
    "push": "TYPES",
    "catch_up": "DURATION",
    "keep": "DURATION",
    "database": "URL",
    "sandbox_port": "PORT",
    "scene": "none|support|FILE",
    "operator_page": "PORT",
    "webhook_port": "PORT",
    "host": "ADDRESS",
    "port": "PORT",
    "allowed_hosts": "HOSTS",
    "allowed_origins": "ORIGINS",
    "trusted_proxies": "NETWORKS",
    "oauth_issuer": "URL",
    "oauth_audience": "URL",
    "oauth_jwks_url": "URL",
}


def settings_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that adds an option for each of these settings to a command."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for name in reversed(names):
            function = _option(name)(function)
        return function

    return decorate


def flag(name: str) -> str:
    """A setting's option, such as `--sandbox-port`."""
    return f"--{name.replace('_', '-')}"


def _option(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    field = Settings.model_fields[name]
    option = flag(name)
    default = default_text(name)
    extra = f"env: {PREFIX}{name.upper()}" + (f"; default: {default}" if default else "")
    help_text = f"{field.description}  [{extra}]"
    if field.annotation is bool:
        return click.option(option, name, is_flag=True, default=None, help=help_text)
    return click.option(option, name, default=None, metavar=metavar(name), help=help_text)


def default_text(name: str) -> str:
    """A setting's default as a person writes it; empty for none."""
    value = Settings.model_fields[name].default
    if isinstance(value, timedelta):
        days, seconds = divmod(int(value.total_seconds()), 86_400)
        return f"{days}d" if days else f"{seconds // 60}m"
    return str(value) if value else ""


def metavar(name: str) -> str:
    """The kind of value that a setting takes, or its choices, as its option shows them; empty for a flag."""
    annotation = Settings.model_fields[name].annotation
    if annotation is bool:
        return ""
    choices = list(_choices(annotation))
    return "|".join(choices) if choices else _METAVARS.get(name, "N")


def _choices(annotation: Any) -> Sequence[str]:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return list(annotation)
    if isinstance(annotation, str):
        return [annotation]
    return [choice for kind in get_args(annotation) for choice in _choices(kind)]


def load_settings(options: Mapping[str, Any]) -> Settings:
    """The settings with these options; None means that an option was not given. Raises `SettingsError`."""
    return load(**{name: value for name, value in options.items() if value is not None})


def parse_serve_options(arguments: list[str]) -> dict[str, Any]:
    """The options in arguments of `serve`. Raises `click.UsageError`."""

    @click.command("serve")
    @settings_options(*SERVE_SETTINGS)
    def parser(**_: Any) -> None: ...

    return parser.make_context("serve", arguments).params


def share_database(context: click.Context, database: str | None) -> None:
    """Make a --database before a subcommand's name count for the subcommand."""
    group = context.command
    if database is not None and isinstance(group, click.Group):
        context.default_map = {name: {"database": database} for name in group.commands}


_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

since_option = click.option(
    "--since",
    "begin",
    metavar="TIME",
    help="Start at this time: ISO 8601, such as 2026-01-31T12:00:00Z, or an age, such as 30m, 2h or 7d.",
)

until_option = click.option(
    "--until", "end", metavar="TIME", help="End before this time: ISO 8601, or an age, as for --since."
)


def read_since(text: str | None, option: str = "--since") -> datetime | None:
    """The time that `--since` or another option names. Raises `SettingsError`."""
    if text is None:
        return None
    age = _AGO.fullmatch(text.strip())
    try:
        return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])}) if age else parse_time(text)
    except (ValueError, OverflowError):
        raise SettingsError(
            f"{option}: must be an ISO 8601 time, such as 2026-01-31T12:00:00Z, or an age, such as 30m, 2h or 7d."
        ) from None

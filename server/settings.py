"""Every setting: its environment variable, default and meaning. The command line is made from these."""

import difflib
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from ..tools import PRESETS, TOOLSET_NAMES, TOOLSETS
from ..tools.base import ApprovalLevel
from ..tools.numbers import caller_number
from ..tools.text import read_duration
from .alerts.secrets import secret_bytes
from .database.errors import StoreError
from .database.url import absolute_url

PREFIX = "TELNYX_CONFERENCING_"
_SHORTEST_KEY = 32
_LIKENESS = 0.8
"""Of a misspelt variable. Names that other programs set, such as `..._SERVICE_HOST` in Kubernetes, are less alike."""


class SettingsError(Exception):
    """A setting is wrong; the message says which and what it may be."""


class Settings(BaseModel):
    """What an operator decides."""

    model_config = ConfigDict(populate_by_name=True, frozen=True)

    api_key: Annotated[
        SecretStr | None,
        Field(
            validation_alias="TELNYX_API_KEY",
            exclude=True,
            description="Your Telnyx API key. Not needed with --sandbox.",
        ),
    ] = None
    public_key: Annotated[
        str | None,
        Field(
            validation_alias="TELNYX_PUBLIC_KEY",
            description="Telnyx's public key, which verifies the signatures of webhooks. During a key change: "
            "several, comma-separated.",
        ),
    ] = None
    base_url: Annotated[str, Field(validation_alias="TELNYX_BASE_URL", description="Base URL of Telnyx's API.")] = (
        "https://api.telnyx.com/v2"
    )
    connection_id: Annotated[
        str | None,
        Field(
            validation_alias="TELNYX_CONNECTION_ID",
            description="Connection (Call Control application) for calls that do not name one.",
        ),
    ] = None
    from_number: Annotated[
        str | None,
        Field(
            validation_alias="TELNYX_FROM_NUMBER",
            description="Caller number for calls that do not name one, such as +12025550123.",
        ),
    ] = None
    sandbox: Annotated[
        bool, Field(description="Run on the embedded sandbox instead of Telnyx: no account, no real calls.")
    ] = False
    sandbox_port: Annotated[
        int | None,
        Field(
            ge=0,
            le=65535,
            description="Also serve the sandbox's API on this loopback port. Needs --sandbox. 0: a free port.",
        ),
    ] = None
    scene: Annotated[
        str,
        Field(
            description="The calls and queues that the sandbox starts with: none, support, or a YAML or JSON file. "
            "Needs --sandbox.",
        ),
    ] = "support"
    keyring: Annotated[
        bool, Field(description="Read the API key from the system keyring if TELNYX_API_KEY is not set.")
    ] = False
    transport: Annotated[
        Literal["stdio", "http"],
        Field(description="stdio: serve one client on stdin and stdout. http: serve many clients over HTTP."),
    ] = "stdio"
    host: Annotated[str, Field(description="Address to listen on, with --transport http.")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="Port to listen on, with --transport http. 0: a free port.")
    ] = 8484
    allowed_hosts: Annotated[
        frozenset[str],
        Field(
            description="Host names under which clients reach the server, comma-separated, with --transport http. "
            "Loopback names are always allowed.",
        ),
    ] = frozenset()
    allowed_origins: Annotated[
        frozenset[str],
        Field(
            description="Web origins whose pages may call the server, comma-separated, with --transport http. "
            "Example: https://example.com.",
        ),
    ] = frozenset()
    trusted_proxies: Annotated[
        frozenset[str],
        Field(
            description="Addresses or networks of reverse proxies in front of the server, comma-separated, with "
            "--transport http. Their idle connections are not limited. Example: 10.0.0.0/8.",
        ),
    ] = frozenset()
    require_tokens: Annotated[
        bool,
        Field(
            description="Require a token from every client, with --transport http. Always on when other machines can "
            "reach the server, and with --oauth-issuer.",
        ),
    ] = False
    oauth_issuer: Annotated[
        str | None, Field(description="Also accept tokens from this OAuth authorization server, with --transport http.")
    ] = None
    oauth_audience: Annotated[
        str | None,
        Field(
            description="Audience that OAuth tokens must carry: this server's URL as clients write it, such as "
            "https://calls.example.com/mcp.",
        ),
    ] = None
    oauth_jwks_url: Annotated[
        str | None, Field(description="URL of the OAuth issuer's keys, if its metadata does not name it.")
    ] = None
    stateless: Annotated[
        bool,
        Field(
            description="Keep no sessions at protocol 2025-11-25, so that any replica can answer, with --transport "
            "http.",
        ),
    ] = False
    state_keys: Annotated[
        SecretStr | None,
        Field(
            exclude=True,
            description="Keys that all replicas share, comma-separated, newest first, so that each can verify the "
            "others' approval requests.",
        ),
    ] = None
    read_only: Annotated[bool, Field(description="Offer only tools that read.")] = False
    toolsets: Annotated[
        frozenset[str] | None,
        Field(
            description=f"Offer only these toolsets, comma-separated: the presets {', '.join(PRESETS)}, or "
            f"{', '.join(TOOLSETS)}. If not set: default."
        ),
    ] = None
    allow: Annotated[
        frozenset[str] | None,
        Field(description="Offer only these tools, comma-separated. * matches any characters, as in list_*."),
    ] = None
    deny: Annotated[
        frozenset[str] | None,
        Field(description="Do not offer these tools, comma-separated. * matches any characters, as in list_*."),
    ] = None
    approval: Annotated[
        ApprovalLevel | None,
        Field(
            description="Lowest risk that needs a person's approval: destructive, disruptive or all. never: no "
            "approval. If not set: destructive.",
        ),
    ] = None
    approval_ttl: Annotated[
        timedelta,
        Field(description="How long an approval request stays open, and how long an approval stays valid, such as 5m."),
    ] = timedelta(minutes=5)
    ask_timeout: Annotated[
        timedelta | None,
        Field(
            description="How long a call waits for a person to answer in the client, such as 45s; then the approval is "
            "pending. If not set: 45s, and 5m in Claude Code and Codex."
        ),
    ] = None
    policy: Annotated[
        Path | None,
        Field(description="Policy file. The server applies changes to it while it runs. See docs/policy.md."),
    ] = None
    alert_webhook: Annotated[
        str | None,
        Field(
            repr=False,
            description="URL that the policy's alerts are sent to. Needs TELNYX_CONFERENCING_ALERT_SECRET.",
        ),
    ] = None
    alert_secret: Annotated[
        SecretStr | None,
        Field(
            exclude=True,
            description="Secret that signs alerts, as Standard Webhooks has it: whsec_ and Base64. During a change: "
            "several, comma-separated.",
        ),
    ] = None
    calls_per_minute: Annotated[
        int | None, Field(ge=1, description="Maximum number of write calls per minute for each agent.")
    ] = None
    most_people: Annotated[
        int | None, Field(ge=1, description="Maximum number of people that one call may affect.")
    ] = None
    dials_per_hour: Annotated[
        int | None, Field(ge=0, description="Maximum number of phone numbers dialled per hour.")
    ] = None
    concurrent_calls: Annotated[int | None, Field(ge=0, description="Maximum number of concurrent calls.")] = None
    dry_run: Annotated[
        bool, Field(description="Send no writes to Telnyx. Each write tool returns the request it would have sent.")
    ] = False
    mask_numbers: Annotated[bool, Field(description="Show the model only the last four digits of phone numbers.")] = (
        False
    )
    audit_content: Annotated[
        bool,
        Field(
            description="Also record in the audit what is spoken and which digits are sent on calls. They may be "
            "secret.",
        ),
    ] = False
    operator_page: Annotated[
        int | None,
        Field(ge=0, le=65535, description="Serve the operator page on this loopback port. 0: a free port."),
    ] = None
    webhook_port: Annotated[
        int | None,
        Field(ge=1, le=65535, description="Receive webhooks on this loopback port, at /webhooks/telnyx."),
    ] = None
    insecure_webhooks: Annotated[
        bool, Field(description="Accept webhooks without verifying their signature. Only for a local tunnel.")
    ] = False
    catch_up: Annotated[
        timedelta | None,
        Field(description="How often to fetch missed events from Telnyx, such as 60s. If not set: once at start."),
    ] = None
    push: Annotated[
        frozenset[str] | None,
        Field(
            description="Event types to push into the conversation, comma-separated, if the host supports it and "
            "speaks protocol 2025-11-25."
        ),
    ] = None
    database: Annotated[
        str | None,
        Field(
            repr=False,
            description="Database for events, approvals and the audit: sqlite:///PATH or postgresql://USER@HOST/NAME. "
            "If not set: a file in your data directory.",
        ),
    ] = None
    keep: Annotated[timedelta, Field(description="How long to keep events, such as 30d.")] = timedelta(days=30)
    keep_most: Annotated[
        int, Field(ge=1, description="Maximum number of events to keep. The oldest are deleted first.")
    ] = 5_000_000
    keep_transcripts: Annotated[
        bool,
        Field(
            description="Store what people say while they are transcribed. If not set, only this process has the text, "
            "in memory."
        ),
    ] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        Field(
            description="Lowest level of log messages on stderr. If not set: warning, or info with --log-format json."
        ),
    ] = None
    log_format: Annotated[
        Literal["text", "json"], Field(description="Format of log messages: text, or json for one object per line.")
    ] = "text"

    @field_validator("toolsets", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = _named(value)
        unknown = sorted(names - set(TOOLSET_NAMES))
        if unknown or not names:
            problem = f"there is no toolset {' or '.join(unknown)}" if unknown else "no toolset is named"
            raise ValueError(f"{problem}. Available: {', '.join(TOOLSET_NAMES)}")
        return names

    @field_validator("push", "allow", "deny", "allowed_hosts", "allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _types(cls, value: object) -> object:
        return _named(value) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: frozenset[str]) -> frozenset[str]:
        for network in value:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f"{network} is not an IP address or a network such as 10.0.0.0/8") from None
        return value

    @field_validator("catch_up", "keep", "approval_ttl", "ask_timeout", mode="before")
    @classmethod
    def _duration(cls, value: object) -> object:
        return read_duration(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_webhook_key(self) -> Self:
        if self.webhook_port is None or self.sandbox or self.insecure_webhooks or self.public_key:
            return self
        raise ValueError(
            "--webhook-port needs TELNYX_PUBLIC_KEY, to verify the signatures of webhooks. It is in the Telnyx portal "
            "under Keys & Credentials, Public Key. For a local tunnel without it, give --insecure-webhooks"
        )

    @field_validator("from_number")
    @classmethod
    def _check_number(cls, value: str | None) -> str | None:
        return value if value is None else caller_number(value)

    @field_validator("api_key", "public_key", "connection_id", "from_number", mode="before")
    @classmethod
    def _check_placeholder(cls, value: object) -> object:
        if value == "":  # a host passes on what a person left out
            return None
        if isinstance(value, str) and value.startswith("${"):
            raise ValueError(
                f"the host did not replace {value}: set the variable in the environment where the host is started"
            )
        return value

    @field_validator("state_keys")
    @classmethod
    def _check_state_keys(cls, value: SecretStr | None) -> SecretStr | None:
        keys = [] if value is None else _keys(value)
        if value is not None and (not keys or len(set(keys)) < len(keys) or min(map(len, keys)) < _SHORTEST_KEY):
            raise ValueError(
                f"must be different keys of at least {_SHORTEST_KEY} characters, comma-separated, newest first. To "
                "create one: openssl rand -hex 32"
            )
        return value

    def sealing_keys(self) -> list[str]:
        """The keys that all processes of one service share; none: each makes its own."""
        return [] if self.state_keys is None else _keys(self.state_keys)

    @model_validator(mode="after")
    def _check_http(self) -> Self:
        if self.transport != "http":
            return self
        if self.webhook_port is not None:
            raise ValueError(
                "--webhook-port is for stdio. With --transport http, webhooks arrive on --port, at /webhooks/telnyx"
            )
        if self.insecure_webhooks and not is_loopback(self.host):
            raise ValueError(
                "--insecure-webhooks needs a loopback --host: otherwise others could send events of their own"
            )
        if self.host in ("0.0.0.0", "::") and not self.allowed_hosts:  # noqa: S104
            raise ValueError(
                f"--host {self.host} needs --allowed-hosts, the names under which clients reach this server, so that a "
                "web page cannot reach it under another name"
            )
        return self

    @property
    def tokens_required(self) -> bool:
        """Whether clients over HTTP need a token: they do wherever other machines can reach the server."""
        reached = not is_loopback(self.host) or bool(self.allowed_hosts)
        return self.require_tokens or reached or self.oauth_issuer is not None

    @model_validator(mode="after")
    def _check_oauth(self) -> Self:
        if (self.oauth_issuer is None) is not (self.oauth_audience is None):
            raise ValueError(
                "--oauth-issuer and --oauth-audience need each other: without an audience, the server would accept "
                "tokens for other services"
            )
        if self.oauth_jwks_url is not None and self.oauth_issuer is None:
            raise ValueError("--oauth-jwks-url needs --oauth-issuer and --oauth-audience")
        return self

    @field_validator("oauth_issuer", "oauth_audience", "oauth_jwks_url", "alert_webhook")
    @classmethod
    def _check_https_url(cls, value: str | None) -> str | None:
        if value is not None and not is_safe(value):
            raise ValueError("must be an https URL (http only for this machine)")
        return value

    @field_validator("database")
    @classmethod
    def _absolute_database_url(cls, value: str | None) -> str | None:
        try:
            return None if value is None else absolute_url(value)
        except StoreError as error:
            raise ValueError(str(error)) from None

    @field_validator("alert_secret")
    @classmethod
    def _check_alert_secret(cls, value: SecretStr | None) -> SecretStr | None:
        for secret in [] if value is None else _keys(value) or [""]:
            secret_bytes(secret)
        return value

    @model_validator(mode="after")
    def _check_alerts_are_signed(self) -> Self:
        if self.alert_webhook is not None and self.alert_secret is None:
            raise ValueError(
                f"--alert-webhook needs {PREFIX}ALERT_SECRET, to sign what is sent there. To create one: "
                "echo whsec_$(openssl rand -base64 32)"
            )
        return self

    def alert_keys(self) -> list[bytes]:
        """The keys that sign alerts, the newest first."""
        return [] if self.alert_secret is None else [secret_bytes(secret) for secret in _keys(self.alert_secret)]

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must be an http or https URL")
        return value.rstrip("/")


def is_safe(url: str) -> bool:
    """Whether what comes from a URL can be trusted to be its host's: by TLS, or on this machine."""
    try:
        at = urlsplit(url)
        is_url = bool(at.hostname) and at.port != 0 and url.isprintable() and " " not in url
    except ValueError:  # a port that does not exist, half an IPv6 address
        return False
    return is_url and (at.scheme == "https" or (at.scheme == "http" and is_loopback(at.hostname or "")))


@lru_cache
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _keys(value: SecretStr) -> list[str]:
    return [key.strip() for key in value.get_secret_value().split(",") if key.strip()]


def _named(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def load(**given: object) -> Settings:
    """The settings: those given, else from the environment, else the defaults.

    Raises `SettingsError` with one sentence for each that is wrong.
    """
    _refuse_misspelt_variables()
    try:
        return Settings.model_validate(_from_environment(given) | given)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        raise SettingsError(" ".join(f"{_where(error['loc'])}{_problem(error)}." for error in errors)) from None


def _refuse_misspelt_variables() -> None:
    """Raise `SettingsError` for a variable that is nearly a setting's: ignored, a guardrail would be missing."""
    settings = {name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        name = variable.upper().removeprefix(PREFIX)
        if variable.upper().startswith(PREFIX) and name not in settings:
            for meant in difflib.get_close_matches(name, settings, n=1, cutoff=_LIKENESS):
                raise SettingsError(f"{variable}: there is no such setting. Did you mean {PREFIX}{meant}?")


def _from_environment(given: Mapping[str, object]) -> dict[str, str]:
    """The other settings that have an environment variable, in any case of its name."""
    variables = {name.upper(): value for name, value in os.environ.items()}
    names = {name: field.validation_alias for name, field in Settings.model_fields.items() if name not in given}
    variable_names = {str(alias or name): str(alias or f"{PREFIX}{name.upper()}") for name, alias in names.items()}
    return {name: variables[variable] for name, variable in variable_names.items() if variable in variables}


def _where(location: tuple[int | str, ...]) -> str:
    return f"{name_of(str(location[0]))}: " if location else ""


def name_of(field: str) -> str:
    """How a person knows a setting: its option and its environment variable."""
    if field.startswith("TELNYX_"):  # what every Telnyx program shares, by Telnyx's own name
        return field
    variable = f"{PREFIX}{field.upper()}"
    is_secret = Settings.model_fields[field].annotation == SecretStr | None  # not for the list of processes
    return variable if is_secret else f"--{field.replace('_', '-')} ({variable})"


_PROBLEMS = {
    "bool_parsing": "must be true or false",
    "enum": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "int_parsing": "must be a whole number",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
"""What is wrong, by pydantic's type of error, with the values of its context."""


def _problem(error: ErrorDetails) -> str:
    text = _PROBLEMS.get(error["type"])
    return (text.format(**error.get("ctx", {})) if text else error["msg"]).rstrip(".")

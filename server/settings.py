"""Every setting: its environment variable, default and meaning. The command line is made from these."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ..tools import TOOLSETS
from .guard import Level

PREFIX = "TELNYX_CONFERENCING_"


class SettingsError(Exception):
    """A setting is wrong; the message says which and what it may be."""


class Settings(BaseSettings):
    """What an operator decides."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", populate_by_name=True, frozen=True)

    api_key: Annotated[SecretStr | None, Field(validation_alias="TELNYX_API_KEY", exclude=True)] = None
    base_url: Annotated[str, Field(validation_alias="TELNYX_BASE_URL")] = "https://api.telnyx.com/v2"
    sandbox: Annotated[bool, Field(description="Run on the embedded Telnyx: no account, no real callers.")] = False
    sandbox_port: Annotated[
        int | None,
        Field(ge=0, le=65535, description="With --sandbox: also serve the embedded Telnyx on this loopback port."),
    ] = None
    read_only: Annotated[bool, Field(description="Offer only tools that change nothing.")] = False
    toolsets: Annotated[
        frozenset[str] | None,
        NoDecode,
        Field(description=f"Offer only these toolsets, comma-separated: {', '.join(TOOLSETS)}."),
    ] = None
    approval: Annotated[
        Level, Field(description="From which risk on a person is asked first: destructive, disruptive, all or never.")
    ] = Level.DESTRUCTIVE
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="What goes to stderr.")] = (
        "warning"
    )

    @field_validator("toolsets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = frozenset(name.strip() for name in value.split(",") if name.strip())
        unknown = sorted(names - set(TOOLSETS))
        if unknown or not names:
            named = f"{', '.join(unknown)}: there is no such toolset" if unknown else "no toolset is named"
            raise ValueError(f"{named}; there are {', '.join(TOOLSETS)}")
        return names

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must be an http or https URL")
        return value.rstrip("/")


def load(**given: object) -> Settings:
    """The settings: those given, else from the environment, else the defaults.

    Raises `SettingsError` with one sentence for each that is wrong.
    """
    try:
        return Settings(**given)  # pyright: ignore[reportArgumentType]
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        raise SettingsError(" ".join(f"{name_of(str(e['loc'][0]))}: {_words(e['msg'])}." for e in errors)) from None


def name_of(field: str) -> str:
    """How a person knows a setting: its option and its environment variable."""
    if field.startswith("TELNYX_"):  # what every Telnyx program shares, by Telnyx's own name
        return field
    return f"--{field.replace('_', '-')} ({PREFIX}{field.upper()})"


def _words(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")

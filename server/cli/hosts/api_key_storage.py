"""Where the API key goes: the system keyring, the host's environment, or, on request, the configuration."""

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import click

from ...adapters.api_key import KeyringFailed, keyring_name, store_key, stored_key
from ..terminal import CommandFailed, is_terminal
from .registry import API_KEY, Host


class KeyPlace(StrEnum):
    """Where a server finds the key."""

    KEYRING = "keyring"
    ENVIRONMENT = "environment"
    PLAIN = "plain"


def choose_place(host: Host, choice: str | None) -> KeyPlace:
    """The place that a person chose, or else the safest one. Raises `CommandFailed` if the key cannot go there."""
    if choice == KeyPlace.PLAIN:
        return KeyPlace.PLAIN
    if choice != KeyPlace.ENVIRONMENT and keyring_name() is not None:
        return KeyPlace.KEYRING
    if choice == KeyPlace.KEYRING:
        raise CommandFailed("This system has no keyring to store the key in. Nothing was changed.")
    if host.key_reference is None:
        reason = "" if choice else "this system has no keyring, and "
        raise CommandFailed(
            f"The key has no safe place: {reason}{host.title} passes no environment variables on. With --key plain the "
            "key goes into the configuration, which then only you can read. Nothing was changed."
        )
    return KeyPlace.ENVIRONMENT


class KeySetup(NamedTuple):
    """What makes a server find the key."""

    options: list[str]
    """Options of `serve`."""
    variables: Mapping[str, Any]
    """As in `Host.key_reference`."""
    message: str
    """What was done, for the person."""
    is_secret: bool = False
    """Whether the variables contain the key itself."""


def set_up_key(host: Host, choice: str | None) -> KeySetup:
    """Put the key in its place, and ask for it if it is not known. Raises `CommandFailed` if that fails.

    `choice`: the place that a person chose; None: the safest one.
    """
    place = choose_place(host, choice)
    if place is KeyPlace.ENVIRONMENT and choice is None and _known_key() is None:
        place = _offer_plain(host)
    setup = preview_key(host, place)
    if place is KeyPlace.KEYRING:
        return setup._replace(message=_store_in_keyring())
    if place is KeyPlace.PLAIN:
        return setup._replace(variables={"env": {API_KEY: _known_key() or _ask_key()}}, is_secret=True)
    return setup


def _offer_plain(host: Host) -> KeyPlace:
    """Without a keyring and without the variable, an entry would not work: a person decides. Raises `CommandFailed`."""
    problem = f"This system has no keyring, and {API_KEY} is not set"
    if is_terminal():
        click.echo(f"{problem}. The key can go into {host.config()}, unprotected.")
        if click.confirm("Write the key into this file?", default=False):
            return KeyPlace.PLAIN
    raise CommandFailed(
        f"{problem}. Set it in the environment that starts {host.title} and run this again, or give --key plain to "
        f"write the key into {host.config()}, or --sandbox, which needs no key. Nothing was changed."
    )


def preview_key(host: Host, place: KeyPlace) -> KeySetup:
    """Like `set_up_key`, but asks for nothing and stores nothing."""
    if place is KeyPlace.KEYRING:
        return KeySetup(["--keyring"], {}, "")
    if place is KeyPlace.PLAIN:
        message = "The key is in the configuration, which only you can read. It is not protected any further."
        return KeySetup([], {"env": {API_KEY: "YOUR_KEY"}}, message)
    unset = "" if os.environ.get(API_KEY) else ", which is not set here"
    message = f"{host.title} passes the key on from its environment variable {API_KEY}{unset}."
    return KeySetup([], host.key_reference or {}, message)


def _store_in_keyring() -> str:
    try:
        known_key, stored = _known_key(), stored_key()
        if stored is not None and known_key in (None, stored):
            return f"The key is already in {keyring_name()}."
        store_key(known_key or _ask_key())
    except KeyringFailed as error:
        raise CommandFailed(
            f"The keyring does not accept the key ({error}). Unlock it, or use --key environment. Nothing was changed."
        ) from None
    return f"The key is stored in {keyring_name()}."


def _known_key() -> str | None:
    return os.environ.get(API_KEY, "").strip() or None


def _ask_key() -> str:
    """The key, typed without an echo. Raises `CommandFailed` if there is no terminal."""
    if not is_terminal():
        raise CommandFailed(
            f"There is no key. Set {API_KEY}, run this command at a terminal, where it asks for the key, or give "
            "--sandbox, which needs none. Nothing was changed."
        )
    answer: str = click.prompt("Telnyx API key (not shown)", hide_input=True)
    key = answer.strip()
    if not key or len(key.split()) != 1:
        raise CommandFailed("This is not an API key. Nothing was changed.")
    return key

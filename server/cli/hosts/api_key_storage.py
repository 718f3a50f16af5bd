"""Where the API key goes: the system keyring, the host's environment, or, if a person says so, the configuration."""

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


def place_for(host: Host, wanted: str | None) -> KeyPlace:
    """Where the key goes: where it is wanted, else the safest place there is. Raises `NotDone` where it cannot go."""
    if wanted == KeyPlace.PLAIN:
        return KeyPlace.PLAIN
    if wanted != KeyPlace.ENVIRONMENT and keyring_name() is not None:
        return KeyPlace.KEYRING
    if wanted == KeyPlace.KEYRING:
        raise CommandFailed("This system has no keyring that could keep the key. Nothing was changed.")
    if host.hands_on is None:
        why = "" if wanted else "this system has no keyring, and "
        raise CommandFailed(
            f"The key has no safe place: {why}{host.title} hands no environment variable on. With --key plain it is "
            "written into the configuration, for everybody who can read that. Nothing was changed."
        )
    return KeyPlace.ENVIRONMENT


class Kept(NamedTuple):
    """What makes a server find the key."""

    options: list[str]
    """Of `serve`."""
    variables: Mapping[str, Any]
    """As in `Host.hands_on`."""
    said: str
    """What was done, for the person."""


def keep(host: Host, place: KeyPlace) -> Kept:
    """Put the key there, asking for it if it is not known. Raises `NotDone` where there is none, or no keeping it."""
    if place is KeyPlace.KEYRING:
        return shown(host, place)._replace(said=_kept_in_keyring())
    if place is KeyPlace.PLAIN:
        return shown(host, place)._replace(variables={"env": {API_KEY: _known_key() or _asked_key()}})
    return shown(host, place)


def shown(host: Host, place: KeyPlace) -> Kept:
    """As `keep`, with nothing asked or kept."""
    if place is KeyPlace.KEYRING:
        return Kept(["--keyring"], {}, "")
    if place is KeyPlace.PLAIN:
        return Kept([], {"env": {API_KEY: "YOUR_KEY"}}, "The key stands in the configuration, unprotected.")
    unset = "" if os.environ.get(API_KEY) else ", where it is not set here"
    where = f"The key is read from {API_KEY} in the environment that {host.title} is started in{unset}."
    return Kept([], host.hands_on or {}, where)


def _kept_in_keyring() -> str:
    try:
        known, kept = _known_key(), stored_key()
        if kept is not None and known in (None, kept):
            return f"The key is in {keyring_name()} already."
        store_key(known or _asked_key())
    except KeyringFailed as failed:
        raise CommandFailed(
            f"The keyring does not take the key ({failed}). Unlock it, or use --key environment. Nothing was changed."
        ) from None
    return f"The key is kept in {keyring_name()}."


def _known_key() -> str | None:
    return os.environ.get(API_KEY, "").strip() or None


def _asked_key() -> str:
    """The key, typed unseen. Raises `NotDone` where nobody can be asked."""
    if not is_terminal():
        raise CommandFailed(
            f"There is no key: set {API_KEY}, run this at a terminal, where it is asked for, or give --sandbox, which "
            "needs none. Nothing was changed."
        )
    typed: str = click.prompt("Telnyx API key (not shown)", hide_input=True)
    key = typed.strip()
    if not key or len(key.split()) != 1:
        raise CommandFailed("That is no API key. Nothing was changed.")
    return key

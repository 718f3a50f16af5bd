"""Puts this server into a host's configuration, and takes it out."""

import base64
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from ...adapters.api_key import KeyringFailed, forget_key
from ..options import loaded
from ..terminal import CommandFailed, is_terminal
from .api_key_storage import Kept, keep, place_for, shown
from .config_files import ConfigFile
from .registry import NAME, PUBLIC_KEY, Host
from .server_entry import arguments, entry, merged, with_public_key
from .texts import Entry, Unreadable

_NO_KEY = Kept([], {}, "")


def install(host: Host, given: Mapping[str, Any], key: str | None, public_key: str | None) -> None:
    """Write the server into the host's configuration, or say that it stands there already.

    `given`: settings of `serve`. `key`: where the API key goes. Raises `NotDone` and `SettingsError` with nothing
    changed.
    """
    config, existing = _read(host)
    proved = _checked(given, public_key)
    options, variables, said = _NO_KEY if given.get("sandbox") else keep(host, place_for(host, key))
    ours = entry(host, [*arguments(given), *options], with_public_key(variables, proved))
    wanted = merged(existing, ours)
    if wanted == existing:
        click.echo(f"{host.title} has it already: {config.path} is as it was.")
    else:
        backup = config.replace(host.syntax.put(config.text, host.section, NAME, wanted))
        done = "Added to" if existing is None else "Changed in"
        click.echo(f"{done} {host.title}: {config.path}{_kept(backup)}. {host.then}")
    click.echo("\n".join(line for line in (said, f"To check it: {NAME} doctor --as-host {host.name}") if line))


def show(host: Host, given: Mapping[str, Any], key: str | None, public_key: str | None) -> None:
    """Print what `install` would write, and where; nothing is asked, kept or changed."""
    proved = _checked(given, public_key)
    options, variables, _ = _NO_KEY if given.get("sandbox") else shown(host, place_for(host, key))
    ours = entry(host, [*arguments(given), *options], with_public_key(variables, proved))
    click.echo(f"In {host.config()}:", err=True)
    click.echo(host.syntax.put("", host.section, NAME, ours).strip("\n"))
    if host.name == "cursor":
        click.echo("Or open this link:", err=True)
        click.echo(cursor_link(ours))


def cursor_link(server: Entry) -> str:
    """A link that has Cursor offer to install a server."""
    config = base64.b64encode(json.dumps(server, separators=(",", ":")).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={NAME}&config={quote(config, safe='')}"


def uninstall(host: Host, *, forget: bool) -> None:
    """Take the server out of the host's configuration; `forget`: and the key out of the keyring.

    Raises `NotDone` with the configuration as it was.
    """
    config, existing = _read(host)
    if existing is None:
        click.echo(
            f"{host.title} does not have it: {config.path} {'is not there' if config.raw is None else 'is as it was'}."
        )
    else:
        backup = config.replace(host.syntax.take(config.text, host.section, NAME))
        click.echo(f"Taken out of {host.title}: {config.path}{_kept(backup)}. {host.then}")
    if forget:
        try:
            found = forget_key()
        except KeyringFailed as failed:
            raise CommandFailed(f"The key is still in the keyring: {failed}.") from None
        click.echo("The key is no longer in the keyring." if found else "There is no key in the keyring.")


def configured(host: Host) -> Entry | None:
    """The server as it stands in the host's configuration. Raises `NotDone` when that cannot be read."""
    return _read(host)[1]


def _read(host: Host) -> tuple[ConfigFile, Entry | None]:
    config = ConfigFile.read(host.config())
    try:
        return config, host.syntax.read(config.text, host.section, NAME)
    except Unreadable as why:
        raise CommandFailed(f"{config.path} is not what {host.title} can read: {why}. Nothing was changed.") from None


def _kept(backup: os.PathLike[str] | None) -> str:
    return f" (as it was: {os.fspath(backup)})" if backup else ""


def _checked(given: Mapping[str, Any], public_key: str | None) -> str | None:
    """The public key to write, if any, once the settings are known to be right. Raises `SettingsError`."""
    known = public_key or os.environ.get(PUBLIC_KEY) or None
    needed = given.get("webhook_port") and not given.get("sandbox") and not given.get("insecure_webhooks")
    if needed and not known and is_terminal():
        known = click.prompt("Telnyx's public key (portal, Keys & Credentials, Public Key)").strip()
    settings = loaded({**given, "public_key": known})
    from ...webhooks.signature import create_verifier  # noqa: PLC0415 (cryptography)

    create_verifier(settings, None)
    return known if needed or public_key else None

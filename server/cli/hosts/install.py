"""`install` and `uninstall`: add this server to a host's configuration, and remove it."""

import base64
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from ...adapters.api_key import KeyringFailed, forget_key
from ...adapters.guard_factory import policy_source
from ...adapters.sandbox_transport import read_scene
from ...webhooks.signature import create_verifier
from ..options import COMMON_SETTINGS, load_settings, settings_options
from ..terminal import CommandFailed, is_terminal, program
from .api_key_storage import KeyPlace, KeySetup, choose_place, preview_key, set_up_key
from .config_files import ConfigFile
from .registry import API_KEY, CONNECTION_ID, FROM_NUMBER, HOSTS, NAME, PUBLIC_KEY, Host
from .server_entry import arguments, entry, merged, with_env
from .texts import Entry, Unreadable

_NO_KEY = KeySetup([], {}, "")
_host_argument = click.argument("host", type=click.Choice(list(HOSTS), case_sensitive=False), metavar="HOST")
_HOST_NAMES = f"HOST is one of {', '.join(HOSTS)}."


@click.command(epilog=_HOST_NAMES)
@_host_argument
@click.option("--print", "only_print", is_flag=True, help="Print what would be written, and change nothing.")
@click.option(
    "--key",
    type=click.Choice([str(place) for place in KeyPlace]),
    help="Where the API key goes: the system keyring, the host's environment, or plain text in the configuration.  "
    "[default: keyring if there is one, else environment]",
)
@click.option(
    "--public-key", metavar="KEY", help="Telnyx's public key for webhooks.  [default: TELNYX_PUBLIC_KEY, if it is set]"
)
@settings_options(*(name for name in COMMON_SETTINGS if name != "keyring"))
def install(host: str, only_print: bool, key: str | None, public_key: str | None, **options: Any) -> None:
    """Add this server to an MCP host's configuration.

    Everything else in the file stays as it is, and the command keeps a backup beside it. It takes the API key from
    TELNYX_API_KEY, or asks for it, and writes TELNYX_CONNECTION_ID and TELNYX_FROM_NUMBER into the entry if they are
    set. The other options are those of `serve`. To change them, run the command again.

    \b
    Examples:
      telnyx-conferencing install claude-code --sandbox
      telnyx-conferencing install claude-code --approval all
      telnyx-conferencing install cursor --sandbox --print
    """
    (_print_entry if only_print else _install)(HOSTS[host], options, key, public_key)


@click.command(epilog=_HOST_NAMES)
@_host_argument
@click.option("--forget-key", is_flag=True, help="Also remove the API key from the system keyring.")
def uninstall(host: str, forget_key: bool) -> None:
    """Remove this server from an MCP host's configuration.

    The command keeps a backup beside the file.

    \b
    Example:
      telnyx-conferencing uninstall claude-code --forget-key
    """
    _uninstall(HOSTS[host], with_key=forget_key)


def configured_server(host: Host) -> Entry | None:
    """The server as the host's configuration holds it. Raises `CommandFailed` if the file cannot be read."""
    return _read(host)[1]


def cursor_link(server: Entry) -> str:
    """A link that makes Cursor offer to install a server."""
    config = base64.b64encode(json.dumps(server, separators=(",", ":")).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={NAME}&config={quote(config, safe='')}"


def _install(host: Host, options: Mapping[str, Any], key: str | None, public_key: str | None) -> None:
    config, existing = _read(host)
    env = _checked_env(options, public_key)
    setup = _NO_KEY if options.get("sandbox") else set_up_key(host, key)
    ours = entry(host, [*arguments(host, options), *setup.options], with_env(setup.variables, env))
    result = merged(existing, ours)
    if result == existing:
        if setup.is_secret:
            config.make_private()
        click.echo(f"{host.title} already has this server: {config.path} is unchanged.")
    else:
        backup = config.replace(host.syntax.put(config.text, host.section, NAME, result), private=setup.is_secret)
        action = "Added to" if existing is None else "Updated in"
        click.echo(f"{action} {host.title}: {config.path}{_backup_note(backup)}. {host.next_step}")
    if setup.message:
        click.echo(setup.message)
    click.echo(f"To check it: {program()} doctor --as-host {host.name}")


def _print_entry(host: Host, options: Mapping[str, Any], key: str | None, public_key: str | None) -> None:
    env = _checked_env(options, public_key)
    setup = _NO_KEY if options.get("sandbox") else preview_key(host, choose_place(host, key))
    ours = entry(host, [*arguments(host, options), *setup.options], with_env(setup.variables, env))
    click.echo(f"In {host.config()}:", err=True)
    click.echo(host.syntax.put("", host.section, NAME, ours).strip("\n"))
    if host.name == "cursor":
        click.echo("Or open this link:", err=True)
        click.echo(cursor_link(ours))


def _uninstall(host: Host, *, with_key: bool) -> None:
    config, existing = _read(host)
    if existing is None:
        state = "does not exist" if config.raw is None else "is unchanged"
        click.echo(f"{host.title} does not have this server: {config.path} {state}.")
    else:
        backup = config.replace(host.syntax.take(config.text, host.section, NAME))
        click.echo(f"Removed from {host.title}: {config.path}{_backup_note(backup)}. {host.next_step}")
    if with_key:
        try:
            removed = forget_key()
        except KeyringFailed as error:
            raise CommandFailed(f"The key is still in the keyring: {error}.") from None
        click.echo("The key was removed from the keyring." if removed else "There is no key in the keyring.")
        _remove_key_from_backups(host, config)


def _remove_key_from_backups(host: Host, config: ConfigFile) -> None:
    """Remove an API key in plain text from the backups of a configuration. Raises `CommandFailed` if one remains."""
    for path in config.backups():
        backup = ConfigFile.read(path)
        try:
            server = host.syntax.read(backup.text, host.section, NAME) or {}
            variables = dict(server.get("env", {}))
            if str(variables.pop(API_KEY, "${")).startswith("${"):
                continue
            backup.overwrite(host.syntax.put(backup.text, host.section, NAME, {**server, "env": variables}))
        except Unreadable as error:
            raise CommandFailed(f"{path} may contain the key: {error}. Delete it if you do not need it.") from None
        click.echo(f"The key was removed from the backup {path}.")


def _read(host: Host) -> tuple[ConfigFile, Entry | None]:
    config = ConfigFile.read(host.config())
    try:
        return config, host.syntax.read(config.text, host.section, NAME)
    except Unreadable as error:
        raise CommandFailed(f"{host.title} cannot read {config.path}: {error}. Nothing was changed.") from None


def _backup_note(backup: os.PathLike[str] | None) -> str:
    return f" (backup: {os.fspath(backup)})" if backup else ""


def _checked_env(options: Mapping[str, Any], public_key: str | None) -> dict[str, str]:
    """Check the settings and the files that they name, and return the variables to write that are not secret.

    Raises `SettingsError`.
    """
    given_key = public_key or os.environ.get(PUBLIC_KEY) or None
    needed = options.get("webhook_port") and not options.get("sandbox") and not options.get("insecure_webhooks")
    if needed and not given_key and is_terminal():
        given_key = click.prompt("Telnyx's public key (in the portal: Keys & Credentials, Public Key)").strip()
    settings = load_settings({**options, "public_key": given_key})
    create_verifier(settings, None)
    policy_source(settings)
    if settings.sandbox:
        read_scene(settings.scene)
    env = {PUBLIC_KEY: given_key if needed or public_key else None}
    if not settings.sandbox:
        env |= {CONNECTION_ID: settings.connection_id, FROM_NUMBER: settings.from_number}
    return {name: value for name, value in env.items() if value}

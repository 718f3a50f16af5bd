"""The commands that bring this server into a host, and say whether everything is well."""

from typing import Any

import click

from ..options import FOR_ONE, settings_options
from .api_key_storage import KeyPlace
from .registry import HOSTS

# What each command needs beside is imported when it runs: --help need not wait for it.

_host = click.argument("host", type=click.Choice(list(HOSTS)))


@click.command()
@_host
@click.option("--print", "only_show", is_flag=True, help="Only show what would be written.")
@click.option(
    "--key",
    type=click.Choice([str(place) for place in KeyPlace]),
    help="Where the API key goes: the system keyring (if there is one), the host's environment (if not), or plain in "
    "the configuration.",
)
@click.option("--public-key", metavar="KEY", help="Telnyx's public key for webhooks; TELNYX_PUBLIC_KEY if not given.")
@settings_options(*(name for name in FOR_ONE if name != "keyring"))
def install(host: str, only_show: bool, key: str | None, public_key: str | None, **given: Any) -> None:
    """Put this server into a host's configuration: HOST.

    What stands there is kept, and a copy of the file beside it. The key is asked for unseen if TELNYX_API_KEY does not
    hold it. Done again, it changes only what is different. The settings are those of `serve`.
    """
    from .install import install as write  # noqa: PLC0415
    from .install import show  # noqa: PLC0415

    (show if only_show else write)(HOSTS[host], given, key, public_key)


@click.command()
@_host
@click.option("--forget-key", is_flag=True, help="Also take the API key out of the system keyring.")
def uninstall(host: str, forget_key: bool) -> None:
    """Take this server out of a host's configuration: HOST. A copy of the file is kept beside it."""
    from .install import uninstall as take_out  # noqa: PLC0415

    take_out(HOSTS[host], forget=forget_key)


@click.command()
@click.option(
    "--as-host",
    is_flag=False,
    flag_value="",
    type=click.Choice(["", *HOSTS]),
    metavar="[HOST]",
    help="Start the server as this host would, or as each host would that has it.",
)
@settings_options("sandbox", "keyring", "webhook_port", "insecure_webhooks", "database")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def doctor(context: click.Context, as_host: str | None, as_json: bool, **given: Any) -> None:
    """Say of each thing whether it is well, or the one thing to do; exit code 1 if something is wrong.

    With --as-host: with the settings of a host's configuration, of which the server is then started and asked, as that
    host would; of all that have it, if none is named.
    """
    from .doctor import examine, examine_as_host  # noqa: PLC0415

    def options_of(arguments: list[str]) -> dict[str, Any]:
        root = context.find_root().command
        assert isinstance(root, click.Group)
        return root.commands["serve"].make_context("serve", arguments).params

    well = (
        examine(given, json=as_json) if as_host is None else examine_as_host(as_host or None, options_of, json=as_json)
    )
    context.exit(0 if well else 1)


COMMANDS = (install, uninstall, doctor)

"""`sandbox`: the embedded Telnyx alone, over HTTP."""

import json
from collections.abc import Callable
from typing import Any

import click

from ..adapters.sandbox_server import LOOPBACK, listen, run_sandbox
from ..adapters.sandbox_transport import read_scene
from ..sandbox import Sandbox
from ..settings import SettingsError

_PREFIX = "TELNYX_SANDBOX_"
"""Not that of the settings: `serve` reads those too."""


def _option(flag: str, help_text: str, **options: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that is also an environment variable, with the words that the other commands use for it."""
    variable = _PREFIX + flag.removeprefix("--").replace("-", "_").upper()
    default = f"; default: {options['default']}" if "default" in options else ""
    return click.option(flag, envvar=variable, help=f"{help_text}  [env: {variable}{default}]", **options)


@click.command()
@_option("--port", "Port on 127.0.0.1. 0: a free port.", metavar="PORT", type=click.IntRange(0, 65535), default=12111)
@_option("--webhook-url", "URL to send signed webhooks to.", metavar="URL")
@_option("--failover-url", "URL to send webhooks to after three failed attempts.", metavar="URL")
@_option(
    "--scene",
    "The calls and queues it starts with. FILE is YAML or JSON.",
    metavar="none|support|FILE",
    default="support",
)
@click.option(
    "--number",
    "numbers",
    multiple=True,
    metavar="NUMBER",
    help="Another phone number of the account, such as +12025550104. Repeatable.",
)
@click.option("--any-from", is_flag=True, help="Accept calls from numbers that are not the account's.")
@click.option("--json", "as_json", is_flag=True, help="Print the URL and the public key as one JSON object.")
def sandbox(
    port: int,
    webhook_url: str | None,
    failover_url: str | None,
    scene: str,
    *,
    numbers: tuple[str, ...],
    any_from: bool,
    as_json: bool,
) -> None:
    """Serve the sandbox's Telnyx API over HTTP.

    Any Telnyx SDK can use it instead of Telnyx. It accepts any API key that begins with KEY. The key KEYreadonly may
    only read. It runs until interrupted.

    \b
    Example:
      telnyx-conferencing sandbox --port 12111 --webhook-url http://127.0.0.1:8090/webhooks/telnyx
    """
    for url in (webhook_url, failover_url):
        if url is not None and not url.startswith(("http://", "https://")):
            raise SettingsError(f"{url} is not an http or https URL to send webhooks to.")
    opening = read_scene(scene)
    listener = listen(port)
    instance = Sandbox(
        webhook_url=webhook_url, scene=opening, failover_url=failover_url, numbers=numbers, any_from=any_from
    )
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}/v2"
    if as_json:
        click.echo(json.dumps({"base_url": url, "public_key": instance.public_key}))
    else:
        click.echo(f"base URL    {url}\nAPI key     any that begins with KEY\npublic key  {instance.public_key}")
    run_sandbox(instance, listener)

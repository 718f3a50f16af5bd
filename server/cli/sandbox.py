"""`sandbox`: the embedded Telnyx alone, over HTTP."""

import json

import click

from ..adapters.sandbox_transport import LOOPBACK, listen, run_sandbox
from ..sandbox import Sandbox
from ..settings import PREFIX


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=12111,
    show_default=True,
    envvar=f"{PREFIX}PORT",
    show_envvar=True,
    help="Port on 127.0.0.1. 0: a free port.",
)
@click.option(
    "--webhook-url",
    default=None,
    envvar=f"{PREFIX}WEBHOOK_URL",
    show_envvar=True,
    help="URL to send signed webhooks to.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the URL and the public key as one JSON object.")
def sandbox(port: int, webhook_url: str | None, as_json: bool) -> None:
    """Serve the sandbox's Telnyx API over HTTP.

    Any Telnyx SDK can use it instead of Telnyx. It accepts any API key that begins with KEY. The key KEYreadonly may
    only read. It runs until interrupted.

    \b
    Example:
      telnyx-conferencing sandbox --port 12111 --webhook-url http://127.0.0.1:8090/webhooks/telnyx
    """
    listener = listen(port)
    instance = Sandbox(webhook_url=webhook_url)
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}/v2"
    if as_json:
        click.echo(json.dumps({"base_url": url, "public_key": instance.public_key}))
    else:
        click.echo(f"base URL    {url}\nAPI key     any that begins with KEY\npublic key  {instance.public_key}")
    run_sandbox(instance, listener)

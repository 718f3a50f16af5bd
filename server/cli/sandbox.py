"""`sandbox`: the embedded Telnyx alone, over HTTP."""

import json

import click

from ..adapters.sandbox_transport import LOOPBACK, listen, read_scene, run_sandbox
from ..sandbox import Sandbox
from ..settings import PREFIX


@click.command()
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=12111,
    show_default=True,
    envvar=f"{PREFIX}PORT",
    show_envvar=True,
    help="Port on 127.0.0.1. 0: a free port.",
)
@click.option(
    "--webhook-url",
    metavar="URL",
    default=None,
    envvar=f"{PREFIX}WEBHOOK_URL",
    show_envvar=True,
    help="URL to send signed webhooks to.",
)
@click.option(
    "--failover-url",
    metavar="URL",
    default=None,
    envvar=f"{PREFIX}FAILOVER_URL",
    show_envvar=True,
    help="URL to send webhooks to after three failed attempts.",
)
@click.option(
    "--scene",
    default="support",
    show_default=True,
    metavar="none|support|FILE",
    envvar=f"{PREFIX}SCENE",
    show_envvar=True,
    help="The calls and queues it starts with. FILE is YAML or JSON.",
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

"""The command line."""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from ..settings import PREFIX, SettingsError
from .garbage import search_seldom
from .hosts.commands import COMMANDS as HOST_COMMANDS
from .operating import COMMANDS
from .options import SERVING, loaded, settings_options, since


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="telnyx-conferencing", message="%(prog)s %(version)s")
def cli() -> None:
    """Run live conference calls and call queues on Telnyx from an AI agent, over MCP."""


for _command in (*HOST_COMMANDS, *COMMANDS):
    cli.add_command(_command)


@cli.command()
@settings_options(*SERVING)
def serve(**given: Any) -> None:
    """Serve MCP on stdin and stdout, or over HTTP. Logs go to stderr.

    Runs on your Telnyx account with TELNYX_API_KEY (and TELNYX_BASE_URL, if it is not Telnyx's own), or with the key in
    the system keyring (--keyring), or on the embedded Telnyx with --sandbox. Several processes that serve one team
    share keys, by which one knows the other's questions: TELNYX_CONFERENCING_STATE_KEYS.
    """
    settings = loaded(given)
    gc.disable()  # a tenth of the time to import MCP would go into looking for garbage in what stays for good
    from ..observability.logs import log_to_stderr  # noqa: PLC0415 (importing MCP takes a second that --help need not wait for)

    log_to_stderr(settings)
    if settings.transport == "http":
        from ..http.server import run  # noqa: PLC0415
    else:
        from .stdio import run  # noqa: PLC0415
    search_seldom()
    run(settings)


@cli.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=12111,
    show_default=True,
    envvar=f"{PREFIX}PORT",
    show_envvar=True,
    help="0: a free one.",
)
@click.option(
    "--webhook-url", default=None, envvar=f"{PREFIX}WEBHOOK_URL", show_envvar=True, help="Where its signed webhooks go."
)
@click.option("--json", "as_json", is_flag=True, help="Say where it is in one JSON object.")
def sandbox(port: int, webhook_url: str | None, as_json: bool) -> None:
    """Serve the embedded Telnyx alone, over HTTP on 127.0.0.1, for any Telnyx SDK.

    Any API key that begins with KEY is accepted; KEYreadonly may only read.
    """
    from ..adapters.sandbox_transport import LOOPBACK, listen, run_sandbox  # noqa: PLC0415
    from ..sandbox import Sandbox  # noqa: PLC0415

    listener = listen(port)
    served = Sandbox(webhook_url=webhook_url)
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}/v2"
    if as_json:
        click.echo(json.dumps({"base_url": url, "public_key": served.public_key}))
    else:
        click.echo(f"base URL    {url}\nAPI key     any that begins with KEY\npublic key  {served.public_key}")
    run_sandbox(served, listener)


@cli.command()
@settings_options("database")
@click.option("--conference", "conference_id", help="Only of this conference.")
@click.option("--queue", help="Only of this queue.")
@click.option(
    "--type", "types", multiple=True, help="Only of this type, or of a group such as conference.participant.*"
)
@click.option("--since", "begin", metavar="TIME", help="From this ISO 8601 time on, or from a time ago such as 2h.")
@click.option("--last", type=click.IntRange(0, 1000), default=20, show_default=True, help="How many past ones first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--once", is_flag=True, help="Do not wait for more.")
@click.option("--aside", is_flag=True, help="Instead: what came signed and is not an event.")
def events(  # noqa: PLR0917 (one argument an option)
    database: str | None,
    conference_id: str | None,
    queue: str | None,
    types: tuple[str, ...],
    begin: str | None,
    last: int,
    as_json: bool,
    once: bool,
    aside: bool,
) -> None:
    """Print webhook events as they come, from the store that a server writes to."""
    settings = loaded({"database": database})
    from ..events.event import EventFilter  # noqa: PLC0415
    from ..events.store import StoreError  # noqa: PLC0415
    from .events import show_aside, watch  # noqa: PLC0415

    if aside:
        show_aside(settings, as_json=as_json)
        return
    wanted = EventFilter(types=frozenset(types), conference_id=conference_id, queue=queue, since=since(begin))
    try:
        watch(settings, wanted, last, as_json=as_json, follow=not once)
    except StoreError as problem:
        raise SettingsError(str(problem)) from None


@cli.command()
@settings_options("database")
@click.argument("conference")
@click.option("--svg", "as_svg", is_flag=True, help="As a picture: people as bars over time, in one SVG file.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it there.")
def timeline(database: str | None, conference: str, as_svg: bool, output: Path | None) -> None:
    """Print what happened in CONFERENCE, from the store that a server writes to.

    CONFERENCE is its id, the beginning of that, or the name under which it was created from here.
    """
    settings = loaded({"database": database})
    from ..events.store import StoreError  # noqa: PLC0415
    from .timeline import tell  # noqa: PLC0415

    try:
        tell(settings, conference, output, as_svg=as_svg)
    except StoreError as problem:
        raise SettingsError(str(problem)) from None


@cli.command()
def demo() -> None:
    """Run a conference from beginning to end on the embedded Telnyx, through a real MCP client."""
    from .demo import run  # noqa: PLC0415

    sys.exit(run())


@cli.command()
@settings_options("read_only", "toolsets", "allow", "deny", "policy")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def tools(as_json: bool, **given: Any) -> None:
    """Print the tools: toolset, risk, retry class, and the bytes a model reads of each."""
    settings = loaded(given)
    from .tools import lines_of_json, table  # noqa: PLC0415

    for line in (lines_of_json if as_json else table)(settings):
        click.echo(line)


def main() -> NoReturn:
    """Run the command line; a wrong setting is one sentence and exit code 2."""
    try:
        code = cli.main(standalone_mode=False, color=False if os.environ.get("NO_COLOR") else None) or 0
    except SettingsError as wrong:
        click.echo(f"telnyx-conferencing: {wrong}", err=True)
        code = 2
    except click.ClickException as wrong:
        wrong.show()
        code = wrong.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)

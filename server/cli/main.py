"""The command line: its commands, each loaded when it runs, and `main`."""

import gc
import os
import sys
from importlib import import_module
from typing import NamedTuple, NoReturn

import click


class CommandSource(NamedTuple):
    """Where a command is defined, and its line in the list of commands."""

    module: str
    summary: str
    """The first line of the command's docstring. It stands here too, so that `--help` need not load every command."""


COMMANDS = {
    "serve": CommandSource("serve", "Serve MCP on stdin and stdout, or over HTTP."),
    "install": CommandSource("hosts.install", "Add this server to an MCP host's configuration."),
    "uninstall": CommandSource("hosts.install", "Remove this server from an MCP host's configuration."),
    "doctor": CommandSource("hosts.doctor", "Check the setup and print a fix for each problem."),
    "demo": CommandSource("demo", "Run a whole conference on the sandbox, step by step."),
    "sandbox": CommandSource("sandbox", "Serve the sandbox's Telnyx API over HTTP."),
    "tools": CommandSource("tools", "List the tools with their risk and size."),
    "events": CommandSource("events", "Print webhook events as they arrive."),
    "conferences": CommandSource("conferences", "List the latest conferences."),
    "timeline": CommandSource("timeline", "Print what happened in a conference."),
    "report": CommandSource("report", "Print figures per conference, queue, agent and day."),
    "export": CommandSource("export", "Write what happened in a conference to an archive."),
    "verify": CommandSource("verify", "Verify an archive that `export` wrote."),
    "approvals": CommandSource("approvals", "List and answer approval requests."),
    "grants": CommandSource("grants", "List and revoke what a person has allowed beforehand."),
    "optout": CommandSource("optout", "List and change the numbers that are not called again."),
    "operator": CommandSource("operator", "Open the operator page, and print a code to sign in there."),
    "stop": CommandSource("stop", "Block all write tools on every server that uses this store."),
    "resume": CommandSource("stop", "Allow write tools again after `stop`."),
    "audit": CommandSource("audit", "Print the audit: what was done, refused or failed."),
    "tokens": CommandSource("tokens", "List, create and revoke access tokens for HTTP clients."),
    "policy": CommandSource("policy", "Check a policy file."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        source = COMMANDS.get(cmd_name)
        return None if source is None else _load(source.module, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, source.summary) for name, source in COMMANDS.items()])


def _load(module: str, name: str) -> click.Command:
    gc.disable()  # importing leaves no garbage: looking for it would take a tenth of the time
    try:
        return getattr(import_module(f".{module}", __package__), name)
    finally:
        gc.freeze()  # or the first collection would go through all that was imported
        gc.enable()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="telnyx-conferencing", message="%(prog)s %(version)s")
def cli() -> None:
    """Run live conference calls and call queues on Telnyx from an AI agent, over MCP.

    \b
    Try it without an account:
      telnyx-conferencing demo
      telnyx-conferencing install claude-code --sandbox
    """


def main() -> NoReturn:
    """Run the command line and exit. An error is one sentence on stderr: see `failures` for the exit codes."""
    try:
        code = cli.main(standalone_mode=False, color=False if os.environ.get("NO_COLOR") else None) or 0
    except (Exception, KeyboardInterrupt) as error:
        from .failures import report  # noqa: PLC0415 (it imports what can fail, which a working command need not)

        code = report(error)
    sys.exit(code)

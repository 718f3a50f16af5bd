"""`doctor`: checks everything that the server needs, and prints a fix for each problem."""

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from ....tools.text import clean
from ...adapters.running_servers import running_servers
from ...settings import Settings, SettingsError
from ..options import load_settings, parse_serve_options, settings_options
from ..terminal import CommandFailed, program, progress
from .checks import Finding, State, as_json, check_hosts, check_servers, check_settings
from .install import configured_server
from .launch_check import check_start, variables
from .registry import HOSTS, Host
from .texts import Entry

_ALL = "all"
_MARKS = {State.GOOD: ("good", "green"), State.WRONG: ("WRONG", "red"), State.NOTE: ("note", "bright_black")}


@click.command()
@click.option(
    "--as-host",
    is_flag=False,
    flag_value=_ALL,
    type=click.Choice([*HOSTS, _ALL], case_sensitive=False),
    metavar="[HOST]",
    help=f"Also start the server as this host would: {', '.join(HOSTS)}. Without a name, or all: as every host that "
    "has it.",
)
@settings_options("sandbox", "keyring", "webhook_port", "insecure_webhooks", "database")
@click.option("--json", "json_lines", is_flag=True, help="Print one JSON object per line.")
@click.pass_context
def doctor(context: click.Context, as_host: str | None, json_lines: bool, **options: Any) -> None:
    """Check the setup and print a fix for each problem.

    It checks the key, the connection, the clock, webhooks, the store and the hosts. The exit code is 1 if something is
    wrong. With --as-host, it takes the settings from the host's configuration, starts the server and calls a tool.

    \b
    Examples:
      telnyx-conferencing doctor
      telnyx-conferencing doctor --as-host claude-code
    """
    if as_host is None:
        healthy = _print_findings(_findings(options), json_lines)
    else:
        healthy = _check_as_host(None if as_host == _ALL else as_host, json_lines)
    context.exit(0 if healthy else 1)


def _findings(options: Mapping[str, Any]) -> Iterator[Finding]:
    """What the checks find with the settings of this shell; if it has none, with those of the hosts or a sandbox."""
    settings = load_settings(options)
    has_own = settings.sandbox or settings.keyring or settings.api_key or any(v is not None for v in options.values())
    groups = [] if has_own else list(_host_settings())
    if groups:
        titles = [title for group, _ in groups for title in group]
        yield Finding("settings", State.NOTE, f"those of {', '.join(titles)}, since TELNYX_API_KEY is not set here")
        yield from _merge_findings([(group, list(check_settings(host_settings))) for group, host_settings in groups])
    elif not has_own and _only_sandboxes_run():
        yield Finding("settings", State.NOTE, "those of the running sandbox, since TELNYX_API_KEY is not set here")
        yield from check_settings(settings.model_copy(update={"sandbox": True}))
    else:
        yield from check_settings(settings)
    yield from check_servers()
    yield from check_hosts()


def _only_sandboxes_run() -> bool:
    servers = running_servers()
    return bool(servers) and all(server.sandbox for server in servers)


def _merge_findings(groups: Sequence[tuple[list[str], list[Finding]]]) -> Iterator[Finding]:
    """Each finding once; one that is not about all hosts names those that it is about."""
    titles: dict[Finding, list[str]] = {}
    for group, findings in groups:
        for finding in findings:
            titles.setdefault(finding, []).extend(group)
    total = sum(len(group) for group, _ in groups)
    for finding, hosts in titles.items():
        yield finding if len(hosts) == total else replace(finding, says=f"{finding.says} ({', '.join(hosts)})")


def _host_settings() -> Iterator[tuple[list[str], Settings]]:
    """The settings of the hosts that have this server and can start it, each once, with the titles of the hosts."""
    titles: list[tuple[str, Settings]] = []
    for host in HOSTS.values():
        try:
            server = configured_server(host)
            settings = None if server is None else _settings(server, variables(host, server))
        except (CommandFailed, SettingsError, click.ClickException):
            continue  # the check of the hosts reports it
        if settings is not None:
            titles.append((host.title, settings))
    while titles:
        _, settings = titles[0]
        yield [title for title, other in titles if other == settings], settings
        titles = [(title, other) for title, other in titles if other != settings]


def _check_as_host(name: str | None, json_lines: bool) -> bool:
    """Check with the settings of one host, or of each host that has the server; whether nothing is wrong."""
    hosts = [host for host in HOSTS.values() if name in (None, host.name)]
    servers = [(host, server) for host in hosts if (server := configured_server(host))]
    if not servers:
        who = f"{HOSTS[name].title} does not have" if name else "No host has"
        raise CommandFailed(f"{who} this server. To add it: {program()} install {name or 'HOST'}")
    results = [_print_findings(_host_findings(host, server), json_lines) for host, server in servers]
    return all(results)


def _host_findings(host: Host, server: Entry) -> Iterator[Finding]:
    yield from check_settings(_settings(server, variables(host, server)))
    yield from check_hosts()
    yield check_start(host, server)


def _settings(server: Entry, env: Mapping[str, str]) -> Settings:
    """The settings of a configured server. Raises `SettingsError`."""
    args = [str(argument) for argument in server.get("args", ())]
    options = parse_serve_options(args[args.index("serve") + 1 :] if "serve" in args else [])
    with _only_variables(env):
        return load_settings(options)


@contextmanager
def _only_variables(env: Mapping[str, str]) -> Generator[None]:
    """Replace this process's TELNYX_ variables with these for a while."""
    before = {name: value for name, value in os.environ.items() if name.startswith("TELNYX_")}
    for name in before:
        del os.environ[name]
    os.environ.update({name: value for name, value in env.items() if name.startswith("TELNYX_")})
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("TELNYX_")]:
            del os.environ[name]
        os.environ.update(before)


def _print_findings(findings: Iterable[Finding], json_lines: bool) -> bool:
    """Print each finding as soon as it is known. Returns whether nothing is wrong."""
    healthy = True
    for finding in _with_progress(findings):
        healthy = healthy and finding.state is not State.WRONG
        click.echo(as_json(finding) if json_lines else _line(finding))
    return healthy


def _line(finding: Finding) -> str:
    word, colour = _MARKS[finding.state]
    line = f"{click.style(f'{word:<6}', fg=colour)} {finding.name:<15} {clean(finding.says, 600)}"
    return f"{line}\n{'':<23}{clean(finding.do, 600)}" if finding.do else line


def _with_progress(findings: Iterable[Finding]) -> Iterator[Finding]:
    iterator = iter(findings)
    while True:
        with progress("checking"):
            finding = next(iterator, None)
        if finding is None:
            return
        yield finding

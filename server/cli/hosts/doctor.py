"""Says of each thing that the server needs whether it is well, or the one thing to do."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from ....tools.words import clean
from ...settings import Settings
from ..options import loaded
from ..terminal import CommandFailed, working
from .checks import Finding, State, as_json, every
from .install import configured
from .registry import HOSTS, NAME, Host
from .texts import Entry

_MARKS = {State.GOOD: ("good", "green"), State.WRONG: ("WRONG", "red"), State.NOTE: ("note", "bright_black")}


def examine(given: Mapping[str, Any], *, json: bool) -> bool:
    """Print what is found with these settings; whether nothing is wrong. Raises `SettingsError`."""
    return _told(every(loaded(dict(given))), json)


def examine_as_host(name: str | None, options_of: Callable[[list[str]], dict[str, Any]], *, json: bool) -> bool:
    """The same with the settings that a host starts the server with, and then start it so.

    `name`: of the host; None: each one that has the server. `options_of`: reads the arguments of `serve`. Raises
    `NotDone` when there is none.
    """
    found = [(host, server) for host in HOSTS.values() if name in (None, host.name) and (server := configured(host))]
    if not found:
        where = HOSTS[name].title if name else "No host"
        raise CommandFailed(
            f"{where} {'does not have' if name else 'has'} it: {NAME} install {name or 'HOST'} puts it there."
        )
    results = [_told(_as_host(host, server, options_of), json) for host, server in found]
    return all(results)


def _as_host(host: Host, server: Entry, options_of: Callable[[list[str]], dict[str, Any]]) -> Iterator[Finding]:
    from .launch_check import started, variables  # noqa: PLC0415 (an MCP client, for who wants it)

    yield from every(_settings(server, variables(host, server), options_of))
    yield started(host, server)


def _settings(server: Entry, env: Mapping[str, str], options_of: Callable[[list[str]], dict[str, Any]]) -> Settings:
    """The settings of a configured server. Raises `SettingsError`."""
    args = [str(one) for one in server.get("args", ())]
    given = options_of(args[args.index("serve") + 1 :] if "serve" in args else [])
    with _seeing_only(env):
        return loaded(given)


@contextmanager
def _seeing_only(env: Mapping[str, str]) -> Generator[None]:
    """With these of our variables, and no others."""
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


def _told(findings: Iterable[Finding], json: bool) -> bool:
    well = True
    for finding in _shown_coming(findings):
        well = well and finding.state is not State.WRONG
        click.echo(as_json(finding) if json else _line(finding))
    return well


def _line(finding: Finding) -> str:
    word, colour = _MARKS[finding.state]
    said = f"{click.style(f'{word:<6}', fg=colour)} {finding.name:<15} {clean(finding.says, 600)}"
    return f"{said}\n{'':<23}{clean(finding.do, 600)}" if finding.do else said


def _shown_coming(findings: Iterable[Finding]) -> Iterator[Finding]:
    """With a word at the terminal while the next one is looked at."""
    coming = iter(findings)
    while True:
        with working("looking"):
            found = next(coming, None)
        if found is None:
            return
        yield found

"""The operator's commands: what an agent asks leave for, the stop switch, the audit, and the policy."""

import json
from pathlib import Path
from typing import Any

import click

from ..auth.scopes import SCOPES
from ..settings import SettingsError
from .options import settings_options, since

# What each command needs is imported when it runs: --help need not wait for it.


def _pass_on_database(context: click.Context, database: str | None) -> None:
    """A --database before a subcommand's name counts for the subcommand."""
    group = context.command
    if database is not None and isinstance(group, click.Group):
        context.default_map = {name: {"database": database} for name in group.commands}


@click.group(invoke_without_command=True)
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def approvals(context: click.Context, database: str | None, as_json: bool) -> None:
    """List the questions that wait for a person, and answer them.

    A server leaves a question here when it cannot put it to a person through the client. Each is about one call, which
    the agent repeats once it is approved.
    """
    _pass_on_database(context, database)
    if context.invoked_subcommand is not None:
        return
    from .approvals_output import show_waiting  # noqa: PLC0415
    from .ledger import open_ledger  # noqa: PLC0415

    with open_ledger(database) as opened:
        show_waiting(opened, as_json=as_json)


@approvals.command()
@settings_options("database")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, and no answers.")
def watch(database: str | None, every: float, as_json: bool) -> None:
    """Print each question as it comes, and ask for its answer.

    Answers are taken only where both stdin and stdout are a terminal.
    """
    from .approvals_output import watch as watch_for_questions  # noqa: PLC0415
    from .ledger import open_ledger  # noqa: PLC0415

    with open_ledger(database) as opened:
        watch_for_questions(opened, every, as_json=as_json)


_reason = click.option("--reason", metavar="TEXT", help="Why, for the audit.")


@approvals.command()
@click.argument("code")
@_reason
@settings_options("database")
def approve(code: str, reason: str | None, database: str | None) -> None:
    """Show the question CODE, and say yes to it.

    Only at a terminal, where a person types the answer: an agent that can run commands must not give itself leave.
    """
    from .approvals_output import approve as ask_and_approve  # noqa: PLC0415
    from .ledger import open_ledger  # noqa: PLC0415

    with open_ledger(database) as opened:
        ask_and_approve(opened, code, reason)


@approvals.command()
@click.argument("code")
@_reason
@settings_options("database")
def reject(code: str, reason: str | None, database: str | None) -> None:
    """Say no to the question CODE."""
    from .approvals_output import reject as say_no  # noqa: PLC0415
    from .ledger import open_ledger  # noqa: PLC0415

    with open_ledger(database) as opened:
        say_no(opened, code, reason)


@click.command()
@click.argument("reason", nargs=-1)
@settings_options("database")
def stop(reason: tuple[str, ...], database: str | None) -> None:
    """Stop at once whatever changes something: every call of every agent, through every server on the store.

    Reading goes on. What Telnyx is doing already goes on too: conferences and calls are left as they are.
    """
    from .ledger import open_ledger  # noqa: PLC0415
    from .stop import stop as stop_writes  # noqa: PLC0415

    with open_ledger(database) as opened:
        stop_writes(opened, " ".join(reason))


@click.command()
@settings_options("database")
def resume(database: str | None) -> None:
    """Let go on what `stop` has stopped. Only at a terminal, where a person agrees."""
    from .ledger import open_ledger  # noqa: PLC0415
    from .stop import resume as resume_writes  # noqa: PLC0415

    with open_ledger(database) as opened:
        resume_writes(opened)


@click.group(invoke_without_command=True)
@settings_options("database")
@click.option("--tool", "tools", multiple=True, help="Only of this tool, such as end_conference. May be repeated.")
@click.option("--outcome", "outcomes", multiple=True, help="Only with this outcome, such as refused. May be repeated.")
@click.option("--identity", "identities", multiple=True, help="Only of this proved name. May be repeated.")
@click.option("--session", default="", help="Only of the conversation whose id begins so.")
@click.option("--since", "begin", metavar="TIME", help="From this ISO 8601 time on, or from a time ago such as 2h.")
@click.option(
    "--last",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Only the last so many.  [default: 50, or all of them with --since]",
)
@click.option("--all", "every", is_flag=True, help="All, however many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for export.")
@click.pass_context
def audit(context: click.Context, database: str | None, as_json: bool, **given: Any) -> None:
    """Print what was done, what was not and why, oldest first."""
    _pass_on_database(context, database)
    if context.invoked_subcommand is not None:
        return
    if given["every"] and given["last"]:
        raise click.UsageError("Give --last or --all, not both.", context)
    wanted = {name: frozenset(given[name]) for name in ("tools", "outcomes", "identities")}
    begin = since(given["begin"])
    some = None if given["every"] or begin else _LAST
    from .audit_output import AuditFilter, show  # noqa: PLC0415
    from .ledger import open_ledger  # noqa: PLC0415

    with open_ledger(database) as opened:
        show(
            opened, AuditFilter(**wanted, session=given["session"], since=begin), given["last"] or some, as_json=as_json
        )


_LAST = 50


@audit.command()
@click.option("--head", metavar="NUMBER:HASH", help="The head that an earlier check printed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options("database")
def verify(head: str | None, as_json: bool, database: str | None) -> None:
    """Prove that nothing in the audit was altered or taken away; exit code 1 if something was.

    Without --head, whoever can write the store could have taken away its newest records, or written all of it anew,
    unseen.
    """
    from .audit_output import verify as prove  # noqa: PLC0415
    from .ledger import open_ledger  # noqa: PLC0415

    with open_ledger(database) as opened:
        prove(opened, head, as_json=as_json)


@click.group()
def policy() -> None:
    """What an agent may do here, as a file says it."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object: lines under each heading.")
def check(file: Path, as_json: bool) -> None:
    """Say in plain words what the policy FILE allows; exit code 2 if something in it is wrong."""
    from ..guard.policy import (  # noqa: PLC0415
        PolicyError,
        PolicySource,
        Rules,
        explain,
        sections,
    )

    try:
        policy = PolicySource(file, Rules()).policy
    except PolicyError as problem:
        raise SettingsError(str(problem)) from None
    click.echo(json.dumps(sections(policy), ensure_ascii=False) if as_json else explain(policy))


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8485, show_default=True, metavar="PORT", help="0: a free one."
)
@settings_options("database")
def operator(port: int, database: str | None) -> None:
    """Serve the operator page on 127.0.0.1 until interrupted, and print a link to sign in.

    It shows the questions that wait, what was done last, and the switch that stops every write, for all servers on the
    store. Only at a terminal: the link is for a person.
    """
    from ..web.operator.server import run  # noqa: PLC0415
    from .ledger import store_at  # noqa: PLC0415
    from .terminal import must_be_terminal  # noqa: PLC0415

    must_be_terminal("The operator page")
    with store_at(database) as url:
        run(url, port)


@click.group(invoke_without_command=True)
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def tokens(context: click.Context, database: str | None, as_json: bool) -> None:
    """List the tokens by which clients are let in over HTTP, and make or revoke them.

    A token proves a name and gives rights: conferences:read, conferences:control (which includes reading) and
    conferences:approve (the operator page).
    """
    _pass_on_database(context, database)
    if context.invoked_subcommand is None:
        _list_tokens(database, as_json=as_json)


def _list_tokens(database: str | None, *, as_json: bool) -> None:
    from .ledger import open_ledger  # noqa: PLC0415
    from .tokens_output import show  # noqa: PLC0415

    with open_ledger(database) as opened:
        show(opened, as_json=as_json)


@tokens.command("list")
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_tokens(database: str | None, as_json: bool) -> None:
    """List the tokens: whom they prove, their rights, and until when they hold."""
    _list_tokens(database, as_json=as_json)


@tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="A right of whoever has the token. May be repeated.",
)
@click.option("--expires", default="90d", show_default=True, metavar="90d", help="After which time it ends, or never.")
@settings_options("database")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def create(name: str, scopes: tuple[str, ...], expires: str, database: str | None, as_json: bool) -> None:
    """Make a token that proves NAME, and print it, this once.

    NAME is a person or a program; several tokens of one name are one identity, so that one can take another's place.
    With conferences:approve only at a terminal: an agent that can run commands must not give itself leave.
    """
    from .ledger import open_ledger  # noqa: PLC0415
    from .tokens_output import create as make  # noqa: PLC0415

    with open_ledger(database) as opened:
        make(opened, name, scopes, expires, as_json=as_json)


@tokens.command()
@click.argument("name")
@settings_options("database")
def revoke(name: str, database: str | None) -> None:
    """Take back every token of NAME, or the one with this id, at once."""
    from .ledger import open_ledger  # noqa: PLC0415
    from .tokens_output import revoke as take_back  # noqa: PLC0415

    with open_ledger(database) as opened:
        take_back(opened, name)


COMMANDS = (approvals, stop, resume, audit, policy, operator, tokens)

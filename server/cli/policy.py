"""`policy`: check a policy file."""

import json
from pathlib import Path

import click

from ..guard.policy import PolicyError, PolicySource, Rules, explain_policy, policy_sections
from ..settings import SettingsError


@click.group()
def policy() -> None:
    """Check a policy file.

    A policy file says what an agent may do: see docs/policy.md.

    \b
    Example:
      telnyx-conferencing policy check policy.toml
    """


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: a list of lines for each section.")
def check(file: Path, as_json: bool) -> None:
    """Explain what the policy FILE allows.

    The exit code is 2 if the file is not a valid policy.

    \b
    Example:
      telnyx-conferencing policy check policy.toml
    """
    try:
        rules = PolicySource(file, Rules()).policy
    except PolicyError as error:
        raise SettingsError(str(error)) from None
    click.echo(json.dumps(policy_sections(rules)) if as_json else explain_policy(rules))

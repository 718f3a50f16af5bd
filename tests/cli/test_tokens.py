"""`tokens`: printed once, listed without the secret, revoked."""

import json
import re
from pathlib import Path

import pytest

from support.command_line import run
from support.terminal import at_terminal
from support.webhooks import url_of

TOKEN = re.compile(r"tcx_[a-z2-7]{16}_[\w-]{43}")


@pytest.fixture
def store(tmp_path: Path) -> tuple[str, ...]:
    return ("--database", url_of(tmp_path / "events.db"))


def test_a_token_is_shown_once_and_listed_without_its_secret(store: tuple[str, ...], tmp_path: Path) -> None:
    made = run("tokens", "create", "anna", "--scope", "conferences:control", *store)
    assert TOKEN.fullmatch(made.stdout.strip())
    assert "It is not shown again" in made.stderr
    listed = run("tokens", *store)
    assert re.match(r"[a-z2-7]{16}  anna  conferences:control  until 20\d\d-", listed.stdout)
    secret = made.stdout.strip()[21:]
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert secret not in listed.stdout
    assert secret.encode() not in kept
    audit = run("audit", "--json", *store).stdout
    assert '"of": "anna"' in audit
    assert secret not in audit


def test_json_has_every_field_except_the_secret(store: tuple[str, ...]) -> None:
    made = json.loads(
        run("tokens", "create", "bot", "--scope", "conferences:read", "--expires", "never", "--json", *store).stdout
    )
    assert TOKEN.fullmatch(made.pop("token"))
    assert json.loads(run("tokens", "list", "--json", *store).stdout) == made
    assert made["expires_at"] is None
    assert made["state"] == "valid"


def test_revoke_takes_a_name_or_an_id(store: tuple[str, ...]) -> None:
    for name in ("anna", "anna", "ben"):
        run("tokens", "create", name, "--scope", "conferences:read", *store)
    first, _, ben = (json.loads(line) for line in run("tokens", "--json", *store).stdout.splitlines())
    assert "1 token of anna" in run("tokens", "revoke", first["id"], *store).stdout
    assert "1 token of anna" in run("tokens", "revoke", "anna", *store).stdout
    states = [json.loads(line)["state"] for line in run("tokens", "--json", *store).stdout.splitlines()]
    assert states == ["revoked", "revoked", "valid"]
    again = run("tokens", "revoke", "anna", *store)
    assert again.returncode == 1
    assert "has no token to revoke" in again.stderr
    assert ben["name"] == "ben"


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("create", "anna"), "Missing option '--scope'"),
        (("create", "anna", "--scope", "everything"), "'everything' is not one of 'conferences:read'"),
        (("create", "oauth:anna", "--scope", "conferences:read"), "is not a valid name"),
        (("create", "a\nb", "--scope", "conferences:read"), "is not a valid name"),
        (("create", "anna", "--scope", "conferences:read", "--expires", "soon"), "30d, or never"),
    ],
)
def test_a_wrong_argument_creates_no_token(arguments: tuple[str, ...], output: str, store: tuple[str, ...]) -> None:
    refused = run("tokens", *arguments, *store)
    assert refused.returncode == 2
    assert output in refused.stderr
    assert run("tokens", "--json", *store).stdout == ""


def test_a_token_that_can_approve_is_created_only_at_a_terminal(store: tuple[str, ...]) -> None:
    give = ("tokens", "create", "ben", "--scope", "conferences:approve", *store)
    refused = run(*give)
    assert refused.returncode == 1
    assert "needs a person at a terminal" in refused.stderr
    with at_terminal(*give) as terminal:
        code, shown = terminal.ended()
    assert code == 0
    assert TOKEN.search(shown)

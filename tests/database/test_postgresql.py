"""PostgreSQL: errors for the operator, the append-only audit, and the secrecy of the password."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
import pytest

from support.command_line import run
from support.postgres import PASSWORD, USER, Cluster, cluster
from support.webhooks import NOWHERE, free_port
from telnyx_conferencing.server.database import StoreError, StoreUnreachable, open_database, redacted_url
from telnyx_conferencing.server.database.postgresql_errors import explain

pytestmark = pytest.mark.anyio


async def opening_error(url: str) -> StoreError:
    """The error when this is opened. It never contains the password."""
    with pytest.raises(StoreError) as raised:
        async with open_database(url):
            pass
    message = str(raised.value)
    assert message.endswith(".")
    assert not [part for part in (PASSWORD, quote(PASSWORD, safe=""), "c@nary", "ss%word") if part in message]
    return raised.value


@contextmanager
def crowded(postgres: Cluster) -> Generator[str]:
    """The URL of a database that accepts no more connections."""
    url = postgres.empty()
    name = url.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    yield url.replace(url.partition("//")[2].partition("@")[0], f"{name}:x")


@contextmanager
def read_only(postgres: Cluster) -> Generator[str]:
    """The URL of a database that accepts no writes, like a replica."""
    url = postgres.empty()
    postgres.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
    yield url


@contextmanager
def in_latin_1(postgres: Cluster) -> Generator[str]:
    """The URL of a database whose encoding is not Unicode."""
    name = f"latin{free_port()}"
    postgres.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0")
    yield postgres.url(name)


@contextmanager
def of_another_program(postgres: Cluster) -> Generator[str]:
    url = postgres.empty()
    postgres.execute("CREATE TABLE songs (name TEXT)", url.rpartition("/")[2])
    yield url


@contextmanager
def of_a_newer_version(postgres: Cluster) -> Generator[str]:
    url = postgres.store()
    postgres.execute("UPDATE schema_version SET version = 9999", url.rpartition("/")[2])
    yield url


@contextmanager
def without_rights(postgres: Cluster) -> Generator[str]:
    url = postgres.empty()
    name = url.rpartition("/")[2]
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    postgres.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", name)
    yield url.replace(url.partition("//")[2].partition("@")[0], f"{name}:x")


UNUSABLE = {
    "too many connections": crowded,
    "read-only replica": read_only,
    "encoding is LATIN1": in_latin_1,
    "another program's tables": of_another_program,
    "newer version": of_a_newer_version,
    "lacks a right": without_rights,
}


@pytest.mark.parametrize("why", UNUSABLE)
async def test_the_error_for_a_database_that_cannot_be_used_names_the_reason(postgres: Cluster, why: str) -> None:
    with UNUSABLE[why](postgres) as url:
        problem = await opening_error(url)
    assert why in str(problem)
    assert isinstance(problem, StoreUnreachable) is (why == "too many connections")


def test_the_error_for_an_unknown_user_is_about_the_user() -> None:
    for words in ('role "x" does not exist', 'Peer authentication failed for user "x"'):
        error = psycopg.OperationalError(f"connection failed: FATAL:  {words}")
        assert "this user may not connect to it" in str(explain(error, "postgresql://127.0.0.1/calls"))


async def test_the_error_names_a_wrong_password_a_missing_database_or_a_closed_port(postgres: Cluster) -> None:
    assert "password is wrong" in str(await opening_error(postgres.url(password="c@nary")))
    assert "there is no such database" in str(await opening_error(postgres.url("nothing")))
    closed = postgres.url().replace(str(postgres.port), str(free_port()))
    assert "nothing listens there" in str(await opening_error(closed))
    assert isinstance(await opening_error(closed), StoreUnreachable)


MISWRITTEN: dict[str, Callable[[str], str]] = {
    "an @ in the password": lambda host: f"postgresql://{USER}:c@nary@{host}/store",
    "a / in the password": lambda host: f"postgresql://{USER}:c@nary/x@{host}/store",
    "a ? in the password": lambda host: f"postgresql://{USER}:c?ss%word@{host}/store",
    "a # in the password": lambda host: f"postgresql://{USER}:c#ss%word@{host}/store",
    "a % in the password": lambda host: f"postgresql://{USER}:ss%word@{host}/store",
    "a [ in the password": lambda host: f"postgresql://{USER}:[ss%word@{host}/store",
    "an unknown option": lambda host: f"postgresql://{host}/store?nothing=ss%25word",
}


@pytest.mark.parametrize("what", MISWRITTEN)
async def test_the_error_for_a_malformed_url_does_not_repeat_it(what: str) -> None:
    url = MISWRITTEN[what]("127.0.0.1:1")
    assert "is not one that PostgreSQL takes" in str(await opening_error(url))
    assert "ss%word" not in redacted_url(url)
    assert "nary" not in redacted_url(url)


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("postgresql://anna:secret@db.example:5432/calls", "postgresql://db.example:5432/calls"),
        ("postgres://db.example/calls?password=secret", "postgresql://db.example/calls"),
        ("postgresql+psycopg:///calls?host=/run/pg&user=anna", "postgresql:///calls?host=%2Frun%2Fpg"),
        ("sqlite:////var/lib/a@b.db", "sqlite:////var/lib/a@b.db"),
    ],
)
async def test_a_redacted_url_has_no_user_and_no_password(url: str, redacted: str) -> None:
    assert redacted_url(url) == redacted


async def test_the_error_for_a_missing_driver_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "telnyx_conferencing.server.database.postgresql", raising=False)
    assert "pipx install --force '.[postgresql]'" in str(await opening_error("postgresql://127.0.0.1/store"))


async def test_the_audit_refuses_changes_and_deletions(postgres: Cluster) -> None:
    url = postgres.store()
    for change in ("UPDATE audit SET at = 0", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(psycopg.Error, match="only appended to"):
            postgres.execute(change, url.rpartition("/")[2])


@pytest.mark.slow
async def test_no_command_prints_the_password(needs_postgresql: None) -> None:
    with cluster() as own:
        url = own.store()
        env = {**NOWHERE, "TELNYX_CONFERENCING_DATABASE": url}
        results = [run(*command, env=env) for command in COMMANDS]
        own.stop()
        results += [run(*command, env=env) for command in COMMANDS[-2:]]
    text = "".join(ended.stdout + ended.stderr for ended in results)
    assert "127.0.0.1" in text
    assert not [part for part in (PASSWORD, quote(PASSWORD, safe="")) if part in text]


COMMANDS = (("--help",), ("serve", "--help"), ("approvals",), ("audit", "verify"), ("serve", "--log-level", "debug"))

"""`stop` and `resume`: anyone can stop all writes at once, and only a person at a terminal can allow them again."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.command_line import run
from support.ledgers import use_ledger
from support.terminal import CTRL_C, ENTER, at_terminal
from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import Ledger

ALLOW = "Allow writes again? [y/N]: "


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store through which something was done."""
    path = tmp_path / "events.db"
    use_ledger(path, Ledger.record, [(datetime.now(UTC), {"tool": "list_queues", "outcome": "done"})])
    return path


def test_stop_takes_effect_without_asking_and_names_the_store(database: Path) -> None:
    ended = run("stop", "they", "are shouting\x1b[2J", "--database", url_of(database))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"Writes on {url_of(database)} are stopped" in ended.stdout
    assert "telnyx-conferencing resume" in ended.stdout
    stopped = use_ledger(database, Ledger.stopped)
    assert stopped
    assert stopped.reason == "they are shouting [2J"
    assert "@" in stopped.by


def test_a_second_stop_changes_nothing(database: Path) -> None:
    use_ledger(database, Ledger.stop, "anna@desk", "a\x1b]0;owned\x07 drill")
    ended = run("stop", "again", "--database", url_of(database))
    assert ended.returncode == 0
    assert "were already stopped by anna@desk at 20" in ended.stdout
    assert "UTC, 'a ]0;owned drill'. Nothing changed." in ended.stdout
    stopped = use_ledger(database, Ledger.stopped)
    assert stopped
    assert stopped.by == "anna@desk"


def test_stop_warns_about_a_store_that_no_server_has_used(database: Path) -> None:
    elsewhere = database.with_name("other.db")
    ended = run("stop", "--database", url_of(elsewhere))
    assert ended.returncode == 0
    assert "your servers use another store" in ended.stderr
    assert use_ledger(elsewhere, Ledger.stopped)
    assert use_ledger(database, Ledger.stopped) is None


def test_a_person_at_a_terminal_allows_writes_again(database: Path) -> None:
    use_ledger(database, Ledger.stop, "anna@desk", "a drill")
    with at_terminal("resume", "--database", url_of(database)) as terminal:
        assert "by anna@desk" in terminal.until(ALLOW)
        terminal.type(f"y{ENTER}")
        code, output = terminal.ended()
    assert (code, "Writes are allowed again." in output) == (0, True)
    assert use_ledger(database, Ledger.stopped) is None
    [newest] = use_ledger(database, Ledger.newest, 1)
    assert newest.entry["outcome"] == "writes resumed by a person"
    assert newest.entry["by"].endswith(" at a terminal")


@pytest.mark.parametrize(("typed", "ends_with"), [(f"n{ENTER}", 1), (ENTER, 1), (CTRL_C, 130)])
def test_writes_stay_stopped_without_a_confirmation(database: Path, typed: str, ends_with: int) -> None:
    use_ledger(database, Ledger.stop, "anna@desk")
    with at_terminal("resume", "--database", url_of(database), typed_before=f"y{ENTER}") as terminal:
        terminal.until(ALLOW)
        terminal.type(typed)
        assert terminal.ended()[0] == ends_with
    assert use_ledger(database, Ledger.stopped)


def test_a_program_cannot_resume_writes(database: Path) -> None:
    use_ledger(database, Ledger.stop, "anna@desk")
    ended = run("resume", "--database", url_of(database), stdin="y\n")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Resuming needs a person at a terminal" in ended.stderr
    assert use_ledger(database, Ledger.stopped)


def test_resume_reports_that_nothing_is_stopped(database: Path) -> None:
    with at_terminal("resume", "--database", url_of(database)) as terminal:
        code, output = terminal.ended()
    assert code == 0
    assert "are not stopped" in output


def test_an_unusable_store_is_one_sentence_and_exit_code_2() -> None:
    ended = run("stop", "--database", "sqlite:////no/such/place/events.db")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("telnyx-conferencing: The directory /no/such/place does not exist.")

"""`optout`: anyone can put a number on the list, and only a person at a terminal can take it off."""

import json
from pathlib import Path

from support.command_line import run
from support.ledgers import use_ledger
from support.terminal import ENTER, at_terminal
from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import Ledger

NUMBER = "+14155550123"


def test_a_number_in_any_spelling_is_listed_once(address: str) -> None:
    added = run("optout", "add", "+1 (415) 555-0123", "001-415-555-0123", "--database", address)
    assert added.stdout.splitlines() == [
        f"{NUMBER} is on the opt-out list.",
        f"{NUMBER} is already on the opt-out list.",
    ]
    [listed] = run("optout", "list", "--json", "--database", address).stdout.splitlines()
    assert json.loads(listed)["number"] == NUMBER
    assert run("optout", "list", "--database", address).stdout.startswith(f"{NUMBER}  20")


def test_a_number_that_cannot_exist_is_listed_and_reported(tmp_path: Path) -> None:
    ended = run("optout", "add", NUMBER, "+1415555012", "--database", url_of(tmp_path / "events.db"))
    assert ended.returncode == 0
    assert "+1415555012 is on the opt-out list." in ended.stdout
    assert [line.split()[0] for line in ended.stderr.splitlines() if "mistyped" in line] == ["+1415555012"]


def test_a_number_without_its_country_is_refused_and_nothing_is_listed(tmp_path: Path) -> None:
    store = url_of(tmp_path / "events.db")
    ended = run("optout", "add", NUMBER, "4155550123", "--database", store)
    assert ended.returncode == 1
    assert "4155550123 must be a phone number with + and its country code" in ended.stderr
    assert run("optout", "list", "--database", store).stdout == "The opt-out list is empty.\n"


def test_only_a_person_at_a_terminal_takes_a_number_off_the_list(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    use_ledger(database, Ledger.add_optout, NUMBER, "anna", "opt-out added by a person")
    assert "needs a person at a terminal" in run("optout", "remove", NUMBER, "--database", url_of(database)).stderr
    assert [entry.number for entry in use_ledger(database, Ledger.optouts)] == [NUMBER]
    with at_terminal("optout", "remove", NUMBER, "--database", url_of(database)) as terminal:
        terminal.until(f"Allow calls to {NUMBER} again? [y/N]: ")
        terminal.type(f"y{ENTER}")
        assert terminal.ended() == (0, f"y\r\n{NUMBER} is not on the opt-out list any more.\r\n")
    assert use_ledger(database, Ledger.optouts) == []
    outcomes = [record.entry["outcome"] for record in use_ledger(database, Ledger.newest, 9)]
    assert outcomes == ["opt-out removed by a person", "opt-out added by a person"]

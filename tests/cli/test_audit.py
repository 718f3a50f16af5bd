"""`audit`: the record of calls and decisions, as text and for export, and its verification."""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.command_line import run
from support.ledgers import use_ledger
from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import Ledger

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOSTILE = "x\x1b]0;owned\x07\x9b31m\u202eb\n99  done"
STORY: Sequence[dict[str, Any]] = (
    {
        "call": "c1",
        "session": "aa11",
        "client": "claude-code 2.1",
        "tool": "list_queues",
        "outcome": "done",
        "ms": 12.4,
    },
    {
        "call": "c2",
        "session": "aa11",
        "client": "claude-code 2.1",
        "identity": "anna",
        "tool": "end_conference",
        "does": "end conference room",
        "outcome": "declined",
        "why": "a person said no",
        "asked": {"by": "ben@desk at a terminal", "answer": "no", "reason": "not yet", "code": "K7QF-2M9X"},
        "ms": 61_234,
    },
    {"session": "bb22", "tool": "end_conference", "outcome": "failed", "telnyx": {"status": 422}, "ms": 310},
    {"session": "bb22", "tool": HOSTILE, "does": HOSTILE, "client": HOSTILE, "outcome": "refused", "why": HOSTILE},
    {"outcome": "writes stopped by a person", "by": "anna@desk", "reason": "enough"},
)


def record_entries(database: Path, entries: Sequence[dict[str, Any]], begin: datetime = NOON) -> None:
    """Record these, a minute apart."""
    use_ledger(database, Ledger.record, [(begin + timedelta(minutes=n), entry) for n, entry in enumerate(entries)])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store with the story in its audit."""
    path = tmp_path / "events.db"
    record_entries(path, STORY)
    return path


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with more records than are read at once."""
    path = tmp_path_factory.mktemp("long") / "events.db"
    tools = ("list_queues", "speak_text", "end_conference")
    moments = (NOON + timedelta(minutes=n) for n in range(2500))
    use_ledger(path, Ledger.record, [(at, {"tool": tools[n % 3], "outcome": "done"}) for n, at in enumerate(moments)])
    return path


def output_lines(database: Path, *arguments: str) -> list[str]:
    """The lines of a run that must succeed and say nothing else."""
    ended = run("audit", "--database", url_of(database), *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def numbers(database: Path, *arguments: str) -> list[int]:
    return [json.loads(line)["number"] for line in output_lines(database, "--json", *arguments)]


def test_each_record_is_one_readable_line_oldest_first(database: Path) -> None:
    lines = [line.split("  ") for line in output_lines(database)]
    assert [[part.strip() for part in line if part.strip()] for line in (lines[0], lines[1], lines[2], lines[4])] == [
        ["1", "2026-01-31 12:00:00", "done", "list_queues", "through 'claude-code 2.1' session aa11", "12 ms"],
        [
            "2",
            "2026-01-31 12:01:00",
            "declined",
            "end_conference",
            "end conference room",
            "for 'anna' through 'claude-code 2.1' session aa11",
            "61.2 s",
            "(a person said no; ben@desk at a terminal answered no K7QF-2M9X; 'not yet')",
        ],
        ["3", "2026-01-31 12:02:00", "failed", "end_conference", "session bb22", "310 ms", "(Telnyx answered 422)"],
        ["5", "2026-01-31 12:04:00", "writes stopped by a person", "by anna@desk", "(enough)"],
    ]


def test_a_request_that_nobody_could_answer_is_named_by_its_code(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    asked = {"answer": "nobody", "reason": "no elicitation", "code": "K7QF-2M9X"}
    record_entries(path, [{"outcome": "pending", "why": "nobody could be asked through the client", "asked": asked}])
    [line] = output_lines(path)
    assert line.endswith("(nobody could be asked through the client; request K7QF-2M9X; 'no elicitation')")


def test_text_that_callers_chose_stays_on_its_line_and_cannot_control_the_terminal(database: Path) -> None:
    for arguments in ([], ["--json"]):
        ended = run("audit", "--database", url_of(database), *arguments)
        assert len(ended.stdout.splitlines()) == len(STORY)
        assert "owned" in ended.stdout
        assert not set(ended.stdout) & {"\x1b", "\x07", "\x9b", "\u202e"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tool", "end_conference"], [2, 3]),
        (["--tool", "end_conference", "--outcome", "failed"], [3]),
        (["--outcome", "done", "--outcome", "writes stopped by a person"], [1, 5]),
        (["--session", "aa"], [1, 2]),
        (["--identity", "anna"], [2]),
        (["--identity", "an"], []),
        (["--last", "2"], [4, 5]),
        (["--last", "1", "--tool", "end_conference"], [3]),
        (["--since", "2026-01-31T12:03:00Z"], [4, 5]),
        (["--since", "2026-01-31T13:01:00+01:00", "--last", "3"], [3, 4, 5]),
        (["--since", "2026-01-31T12:01:00Z", "--all", "--session", "aa"], [2]),
        (["--tool", "no_such_tool"], []),
        (["--outcome", "granted by a person", "--outcome", "opt-out removed by a person"], []),
    ],
)
def test_filters_choose_what_is_printed(database: Path, arguments: list[str], expected: list[int]) -> None:
    assert numbers(database, *arguments) == expected


def test_since_takes_an_age(database: Path) -> None:
    begun = datetime.now(UTC) - timedelta(hours=3)
    record_entries(database, [{"outcome": "done"}] * 4, begun - timedelta(minutes=1.5))
    assert numbers(database, "--since", "3h") == [8, 9]
    assert numbers(database, "--since", "1h") == []


def test_the_newest_fifty_records_are_the_default(long: Path) -> None:
    assert numbers(long) == list(range(2451, 2501))
    assert numbers(long, "--last", "1500") == list(range(1001, 2501))
    assert numbers(long, "--all") == list(range(1, 2501))
    assert numbers(long, "--all", "--tool", "speak_text") == list(range(2, 2501, 3))
    assert numbers(long, "--tool", "speak_text", "--last", "600") == list(range(2, 2501, 3))[-600:]
    assert numbers(long, "--since", (NOON + timedelta(minutes=900)).isoformat()) == list(range(901, 2501))


def test_the_hashes_of_an_export_can_be_recomputed(database: Path) -> None:
    last = "0" * 64
    for number, line in enumerate(output_lines(database, "--json", "--all"), 1):
        record = json.loads(line)
        at = datetime.fromisoformat(record.pop("at"))
        stored = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        found, hash_ = record.pop("number"), record.pop("hash")
        assert record == STORY[number - 1]
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        entry = hashlib.sha256(text.encode()).hexdigest()
        last = hashlib.sha256(f"{last}\n{found}\n{stored}\n{entry}".encode()).hexdigest()
        assert (found, hash_) == (number, last)
    assert f"Head: {len(STORY)}:{last}" in output_lines(database, "verify")


def test_an_empty_audit_is_reported_as_empty(tmp_path: Path) -> None:
    nothing = tmp_path / "events.db"
    assert "The audit is empty." in run("audit", "--database", url_of(nothing)).stdout
    assert output_lines(nothing, "--json", "--all", "--since", "1h") == []
    assert output_lines(nothing, "verify") == [f"The audit in {url_of(nothing)} is empty."]


def test_no_matching_record_is_reported(database: Path) -> None:
    assert output_lines(database, "--tool", "no_such_tool") == ["No audit record matches."]


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--since", "yesterday"], "--since: must be an ISO 8601 time"),
        (["--since", "999999d"], "--since: must be an ISO 8601 time"),
        (["--last", "3", "--all"], "Give --last or --all, not both."),
        (["--last", "0"], "--last"),
        (["--outcome", "refusd"], "'refusd' is not one of 'done'"),
        (["--database", "mysql://there/events"], "mysql databases are not supported"),
    ],
)
def test_a_wrong_option_exits_with_2(database: Path, arguments: list[str], output: str) -> None:
    ended = run("audit", "--database", url_of(database), *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert output in ended.stderr
    assert "Traceback" not in ended.stderr


# Verification


def tamper(database: Path, *statements: str) -> None:
    """Change the file as a person could who can write to it."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for trigger in ("audit_update", "audit_delete"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)


def verified_head(database: Path) -> str:
    """The head that verify prints."""
    [line] = [line for line in output_lines(database, "verify") if line.startswith("Head: ")]
    return line.removeprefix("Head: ")


def verify_problem(database: Path, *arguments: str) -> str:
    """What verify finds wrong."""
    ended = run("audit", "verify", "--database", url_of(database), *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    [line] = ended.stderr.splitlines()
    return line.removeprefix("telnyx-conferencing: ")


def test_verify_prints_the_number_of_records_and_the_head(long: Path) -> None:
    lines = output_lines(long, "verify")
    assert lines[0] == "All 2500 records are unchanged, and none is missing."
    assert lines[1].startswith("Head: 2500:")
    assert "verify --head" in lines[2]


def test_an_earlier_head_proves_that_nothing_was_removed(database: Path) -> None:
    kept = verified_head(database)
    assert "Nothing was removed" in output_lines(database, "verify", "--head", kept)[0]
    record_entries(database, [{"outcome": "done"}])
    assert "All 6 records" in output_lines(database, "verify", "--head", f" {kept} ")[0]


@pytest.mark.parametrize(
    ("change", "output"),
    [
        ("UPDATE audit SET entry = replace(entry, 'declined', 'done') WHERE number = 2", "Record 2 was altered"),
        ("UPDATE audit SET at = at + 1 WHERE number = 4", "Record 4 was altered"),
        (
            "UPDATE audit SET session = 'another' WHERE number = 4",
            "Record 4 was altered: its indexed session or event differs from its content.",
        ),
        (
            "UPDATE audit SET newest_event = 9 WHERE number = 1",
            "Record 1 was altered: its indexed session or event differs from its content.",
        ),
        ("UPDATE audit SET entry = 'not JSON', at = 'never' WHERE number = 3", "Record 3 was altered"),
        ("DELETE FROM audit WHERE number = 3", "Record 3 is missing: after 2 comes 4."),
        ("DELETE FROM audit WHERE number = 1", "Record 1 is missing: after 0 comes 2."),
        ("DELETE FROM audit WHERE number > 3", "The newest records are missing: there are 3, and there were 5."),
        ("DELETE FROM audit", "The newest records are missing: there are 0, and there were 5."),
        ("DELETE FROM shared_values WHERE name = 'audit.head'", "The note of the newest record was altered"),
        (
            "INSERT INTO audit SELECT 0, at, session, entry, hash, newest_event FROM audit WHERE number = 1",
            "Record 0 was inserted: the first record is number 1.",
        ),
    ],
)
def test_verify_finds_changed_and_removed_records(database: Path, change: str, output: str) -> None:
    kept = verified_head(database)
    tamper(database, change)
    assert verify_problem(database).startswith(output)
    assert verify_problem(database, "--head", kept).startswith(output)


def test_removed_newest_records_are_found_only_with_an_earlier_head(database: Path) -> None:
    kept = verified_head(database)
    tamper(
        database,
        "DELETE FROM audit WHERE number > 3",
        "UPDATE shared_values SET value = (SELECT number || ':' || hash FROM audit WHERE number = 3) "
        "WHERE name = 'audit.head'",
    )
    assert "All 3 records" in output_lines(database, "verify")[0]
    assert verify_problem(database, "--head", kept) == "The newest records are missing: there are 3, and there were 5."


def test_a_rewritten_audit_is_found_with_an_earlier_head(database: Path) -> None:
    kept = verified_head(database)
    tamper(database, "DELETE FROM audit", "DELETE FROM shared_values")
    record_entries(database, [{"outcome": "done"}] * 7)
    assert "All 7 records" in output_lines(database, "verify")[0]
    assert verify_problem(database, "--head", kept).startswith("Record 5 is not the one whose hash was noted")


@pytest.mark.parametrize("wrong", ["5", "5:abc", "x\x1b[2J:" + "0" * 64, "²:" + "0" * 64, ""])
def test_an_invalid_head_is_refused(database: Path, wrong: str) -> None:
    output = verify_problem(database, "--head", wrong)
    assert "is not a head: it is written NUMBER:HASH" in output
    assert "\x1b" not in output


def test_unreadable_records_are_still_listed(database: Path) -> None:
    tamper(
        database,
        "UPDATE audit SET entry = 'not JSON' WHERE number = 2",
        "UPDATE audit SET entry = '[1]' WHERE number = 3",
        "UPDATE audit SET at = 'never' WHERE number = 4",
    )
    lines = output_lines(database)
    assert [("unreadable" in line) for line in lines] == [False, True, True, True, False]
    assert numbers(database, "--outcome", "unreadable") == [2, 3, 4]

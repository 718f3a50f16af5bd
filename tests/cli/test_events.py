"""`events`: what it prints, which store it reads, and how it ends."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from support.command_line import run
from support.commands import forked
from support.mcp_stdio import environment
from support.webhooks import PATIENCE, url_of
from telnyx_conferencing.server.events.event import Event
from telnyx_conferencing.server.events.store import Store

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ESCAPE = "\x1b"


def at(minute: int, name: str, event_type: str, **about: Any) -> Event:
    return Event(id=name, type=event_type, occurred_at=NOON + timedelta(minutes=minute), payload=dict(about), **about)


STORY = (
    at(0, "a", "call.enqueued", call_control_id="v3:anna", queue="support"),
    at(1, "b", "conference.created", conference_id="room", call_control_id="v3:ben"),
    at(2, "c", "conference.participant.joined", conference_id="room", call_control_id="v3:anna"),
    at(3, "d", "conference.participant.joined", conference_id="other", call_control_id="v3:\x1b[31mcarol\nx"),
    at(4, "e", "conference.ended", conference_id="room"),
)


async def store_all(database: Path, *events: Event) -> None:
    async with Store.open(url_of(database)) as store:
        for event in events:
            await store.add(event)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the story in it."""
    path = tmp_path_factory.mktemp("story") / "events.db"
    anyio.run(store_all, path, *STORY)
    return path


def output_lines(database: Path, *arguments: str) -> list[str]:
    """The lines of a run that must succeed and say nothing else."""
    ended = run("events", "--once", "--database", url_of(database), *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def test_each_event_is_one_readable_line_oldest_first(database: Path) -> None:
    lines = output_lines(database)
    assert [line[:19] for line in lines] == [f"2026-01-31 12:0{minute}:00" for minute in range(5)]
    assert lines[0].endswith("  Call v3:anna waits in queue 'support'.")
    assert lines[2].endswith("  Call v3:anna joined conference room.")
    assert not any(ESCAPE in line for line in lines)
    assert "carol x'" in lines[3]


def test_json_is_one_object_per_line_with_every_field(database: Path) -> None:
    events = [json.loads(line) for line in output_lines(database, "--json")]
    assert [event["id"] for event in events] == ["a", "b", "c", "d", "e"]
    assert events[1] == {
        "id": "b",
        "type": "conference.created",
        "occurred_at": "2026-01-31T12:01:00.000Z",
        "conference_id": "room",
        "call_control_id": "v3:ben",
        "via": "webhook",
        "payload": {},
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--type", "conference.ended", "--type", "call.*"], "ae"),
        (["--conference", "room", "--type", "conference.participant.*"], "c"),
        (["--queue", "support"], "a"),
        (["--since", "2026-01-31T12:02:00Z"], "cde"),
        (["--since", "2026-01-31T13:03:00+01:00", "--conference", "room"], "e"),
        (["--last", "2"], "de"),
    ],
)
def test_filters_choose_what_is_printed(database: Path, arguments: list[str], expected: str) -> None:
    assert "".join(json.loads(line)["id"] for line in output_lines(database, "--json", *arguments)) == expected


@contextmanager
def following(database: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    command = forked("events", "--database", url_of(database), *arguments)
    with subprocess.Popen(
        command, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_events_follows_another_process_and_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    anyio.run(store_all, database, *STORY[:2])
    with following(database, "--type", "conference.*") as process:
        assert process.stdout
        assert process.stderr
        lines = [process.stdout.readline()]
        anyio.run(store_all, database, *STORY[2:])
        lines += [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, output = process.communicate(timeout=PATIENCE)
    assert [line[14:16] for line in lines] == ["01", "02", "03", "04"]
    assert (process.returncode, rest, output.strip()) == (130, "", "")


def test_a_closed_pipe_ends_it_without_an_error_message(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    anyio.run(store_all, database, *STORY)
    with following(database) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        anyio.run(store_all, database, at(5, "late", "call.answered", call_control_id="v3:anna"))
        assert process.wait(PATIENCE) == 1
        assert process.stderr.read() == ""


def test_a_terminal_shows_each_kind_of_event_in_its_colour(database: Path) -> None:
    ours, theirs = pty.openpty()
    command = forked("events", "--once", "--database", url_of(database), "--type", "conference.ended")
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL) as process:
        os.close(theirs)
        shown = b""
        try:
            while some := os.read(ours, 1024):
                shown += some
        except OSError:  # how a terminal reports that its last process has ended
            pass
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    assert f"{ESCAPE}[97mConference room ended".encode() in shown


def test_no_matching_event_is_reported(database: Path) -> None:
    ended = run("events", "--once", "--database", url_of(database), "--queue", "none")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "No event matches.\n")


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--since", "yesterday"], "--since: must be an ISO 8601 time"),
        (["--database", "mysql://there/events"], "mysql databases are not supported"),
        (["--database", "sqlite:////no/such/place/events.db"], "The directory /no/such/place does not exist"),
    ],
)
def test_a_wrong_time_or_store_is_one_sentence_and_exit_code_2(
    database: Path, arguments: list[str], output: str
) -> None:
    ended = run("events", "--once", "--database", url_of(database), *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("telnyx-conferencing: ")
    assert output in line


def test_a_file_that_is_not_a_database_is_left_alone(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Anna, " * 100)
    ended = run("events", "--once", "--database", url_of(letter))
    [line] = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "not a database" in line
    assert letter.read_text() == "Dear Anna, " * 100

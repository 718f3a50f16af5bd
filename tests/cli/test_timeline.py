"""`timeline` and `conferences`: what happened, from the store that a server wrote to."""

import json
from pathlib import Path
from xml.etree import ElementTree

import anyio
import pytest

from support.command_line import run
from support.mcp import call, connected
from support.telnyx import open_room
from support.webhooks import url_of

SVG = "{http://www.w3.org/2000/svg}"


async def practise(database: Path) -> list[str]:
    """Two conferences on the sandbox: one with everything in it, one beside it; their ids."""
    arguments = ("--sandbox", "--approval", "never", "--database", url_of(database))
    async with connected(*arguments) as client:
        queued = await call(client, "list_queue_calls", queue_name="support")
        first, second, third = (entry["call_control_id"] for entry in queued["calls"])
        room = await open_room(client, first, second)
        await call(client, "mute_participants", conference_id=room, call_control_ids=[second])
        await call(client, "hold_participants", conference_id=room, call_control_ids="everyone")
        await call(client, "end_conference", conference_id=room)
        await call(client, "wait_for_event", types=["conference.ended"], conference_id=room)
        other = await open_room(client, third, name="Review")
        await call(client, "wait_for_event", types=["conference.created"], conference_id=other)
    return [room, other]


class Practised:
    def __init__(self, database: Path, rooms: list[str]) -> None:
        self.url = url_of(database)
        self.room, self.other = rooms

    def printed(self, *arguments: str) -> str:
        """What a run prints that must succeed and say nothing else."""
        ended = run("timeline", *arguments, "--database", self.url)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    def refused(self, *arguments: str) -> str:
        """The one sentence of a run that cannot do it."""
        ended = run("timeline", *arguments, "--database", self.url)
        [line] = ended.stderr.splitlines()
        assert (ended.returncode, ended.stdout) == (1, "")
        return line


@pytest.fixture(scope="module")
def practised(tmp_path_factory: pytest.TempPathFactory) -> Practised:
    database = tmp_path_factory.mktemp("practised") / "events.db"
    return Practised(database, anyio.run(practise, database))


def test_the_timeline_includes_commands_that_no_event_reports(practised: Practised) -> None:
    printed = practised.printed(practised.room)
    assert printed.startswith("# Conference 'Standup'\n\nStarted ")
    assert "'+12025550112' was muted." in printed
    assert "Everyone was put on hold." in printed


def test_conferences_lists_both_with_their_names(practised: Practised) -> None:
    ended = run("conferences", "--json", "--database", practised.url)
    standup, review = (json.loads(line) for line in ended.stdout.splitlines())
    assert [
        (conference_id["id"], conference_id["name"], conference_id["status"]) for conference_id in (standup, review)
    ] == [
        (practised.room, "Standup", "ended"),
        (practised.other, "Review", "open"),
    ]
    lines = run("conferences", "--last", "1", "--database", practised.url).stdout.splitlines()
    assert practised.other in lines[0]
    assert "'Review'" in lines[0]
    assert len(lines) == 3


def test_an_empty_store_has_no_conferences(tmp_path: Path) -> None:
    assert run("conferences", "--database", url_of(tmp_path / "a.db")).stdout == "The store has no conferences yet.\n"


def test_a_conference_is_found_by_its_id_a_prefix_or_its_name(practised: Practised) -> None:
    printed = practised.printed(practised.room)
    for naming in (practised.room[:13], f"{practised.room[:14]}…", "Standup"):
        assert practised.printed(naming) == printed
    assert practised.printed("Review") != printed


def test_svg_draws_a_picture(practised: Practised) -> None:
    root = ElementTree.fromstring(practised.printed("Standup", "--svg"))
    assert root.findtext(f"{SVG}title") == "Conference 'Standup'"
    assert {"+12025550111", "+12025550112"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_output_writes_only_to_the_file(practised: Practised, tmp_path: Path) -> None:
    file = tmp_path / "standup.svg"
    assert practised.printed(practised.room, "--svg", "--output", str(file)) == ""
    assert file.read_text("utf-8") == practised.printed(practised.room, "--svg")


def test_an_unknown_conference_or_an_unwritable_file_is_one_sentence(practised: Practised) -> None:
    assert practised.refused("nope").endswith("The store has no event of a conference 'nope'.")
    assert practised.refused("").endswith("The store has no event of a conference ''.")
    assert practised.refused("Standup", "--output", "/no/such/place").endswith(
        "cannot be written: No such file or directory."
    )

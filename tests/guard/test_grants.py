"""A grant is one yes for several calls: for this tool, these arguments, this conference, this often, this long."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.client import Client
from mcp_types import CallToolResult

from support.command_line import run
from support.guarded_server import (
    Clock,
    Person,
    audit_entries,
    changes,
    code_in,
    decided,
    guarded,
    legs_in,
    real_time,
    room,
    write_policy,
)
from support.mcp import call, connected, no, refusal, text, yes
from support.mcp_in_process import World
from support.telnyx import telnyx
from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import Ledger, NoSuchGrant

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(address: str) -> str:
    """The store's URL, on each kind of database in turn."""
    return address


@pytest.fixture
def world() -> World:
    return World()


def alive(world: World, people: Sequence[str]) -> list[str]:
    """Those of these call legs that have not hung up."""
    up = {leg.call_control_id for leg in world.sandbox.state.legs.alive()}
    return [leg for leg in people if leg in up]


async def requested(client: Client, tool: str, *, where: str | None = None, **terms: Any) -> CallToolResult:
    """Ask for a grant."""
    given = {} if where is None else {"conference_id": where}
    return await client.call_tool("request_grant", {"tool": tool, "count": 1, "minutes": 10} | given | terms)


async def granted(
    client: Client, tool: str, *, count: int, where: str | None = None, minutes: int = 10, **limits: Any
) -> str:
    """Ask for a grant that a person gives; its code."""
    result = await requested(client, tool, where=where, limits=limits, count=count, minutes=minutes)
    assert not result.is_error, text(result)
    code: str = result.structured_content["grant"]["code"] if result.structured_content else ""
    return code


async def not_granted(client: Client, tool: str, *, where: str | None = None, **terms: Any) -> str:
    """Ask for a grant that is refused; the refusal."""
    result = await requested(client, tool, where=where, **terms)
    assert result.is_error
    return text(result)


async def test_one_yes_lets_the_voicemail_legs_of_a_conference_be_hung_up(
    era: str, world: World, database: str
) -> None:
    standup = room(world.sandbox, people=8)
    people = legs_in(world, standup)
    person = Person(yes)
    async with guarded(world, era=era, answering=person.slowly, with_events=True, database=database) as client:
        await world.sandbox.advance(1)
        code = await granted(client, "hangup_call", count=6, where="Standup", call_control_id=people[1:7])
        [question] = person.questions
        assert question.startswith(
            "Allow hangup_call up to 6 times within 10 minutes, without asking each time? "
            f"Only in conference 'Standup' ({standup}). Only where call_control_id is +12025559001 ({people[1]}) or "
        )
        for leg in people[1:6]:
            await call(client, "hangup_call", call_control_id=leg)
        [grant] = (await call(client, "whoami"))["grants"]
        assert (grant["code"], grant["left"], grant["conference_id"]) == (code, 1, standup)
        await call(client, "hangup_call", call_control_id=people[6])
        assert "grants" not in await call(client, "whoami")
        assert len(person.questions) == 1
        await call(client, "hangup_call", call_control_id=people[7])
    assert len(person.questions) == 2
    assert alive(world, people) == [people[0]]
    used = [
        entry for entry in await audit_entries(database) if entry.get("tool") == "hangup_call" and entry.get("asked")
    ]
    assert [entry["asked"].get("grant") for entry in used if entry["outcome"] == "done"] == [code] * 6 + [None]


async def test_a_rejected_grant_allows_nothing(era: str, world: World) -> None:
    standup = room(world.sandbox, people=2)
    people = legs_in(world, standup)
    async with guarded(world, era=era, answering=Person(no).slowly) as client:
        limits = {"call_control_id": "*"}
        assert "said no to request_grant" in await not_granted(client, "hangup_call", limits=limits, where=standup)
        await refusal(client, "hangup_call", call_control_id=legs_in(world, standup)[1])
    assert len(alive(world, people)) == 2


async def test_a_grant_given_outside_the_conversation_begins_when_it_was_given(world: World, database: str) -> None:
    standup = room(world.sandbox, people=3)
    clock = Clock(real_time())
    people = legs_in(world, standup)
    asked: dict[str, Any] = {"limits": {"call_control_id": "*"}, "count": 5, "minutes": 3, "where": standup}
    async with guarded(world, clock=clock, with_events=True, database=database) as client:
        await world.sandbox.advance(1)
        code = code_in(await not_granted(client, "hangup_call", **asked))
        await decided(database, code, now=clock)
        clock.move(minutes=2)
        made = await requested(client, "hangup_call", **asked)
        assert made.structured_content
        assert made.structured_content["grant"]["until"] == (clock() + timedelta(minutes=1)).isoformat()
        await not_granted(client, "hangup_call", **asked)  # the yes was for one grant
        await call(client, "hangup_call", call_control_id=legs_in(world, standup)[1])
        clock.move(minutes=1)
        await refusal(client, "hangup_call", call_control_id=legs_in(world, standup)[1])
    assert len(alive(world, people)) == 2


# Ways around


async def test_nothing_outside_the_limits_goes_through(world: World) -> None:
    standup, other = room(world.sandbox, people=4), room(world.sandbox, "Other", people=2)
    first, second, third, fourth = legs_in(world, standup)
    elsewhere = legs_in(world, other)[1]
    world.sandbox.state.conferences.by_id[standup].present[fourth].ends_on_exit = True
    person = Person(yes)
    async with guarded(world, answering=person.slowly, with_events=True, approval="disruptive") as client:
        await world.sandbox.advance(1)
        legs = [first, second, third, fourth, elsewhere]
        await granted(client, "hangup_call", count=10, where=standup, call_control_id=legs)
        await granted(client, "mute_participants", count=10, where=standup, call_control_ids="*")
        person.answering, before = no, changes(world.sandbox)
        for tool, arguments in (
            ("hangup_call", {"call_control_id": elsewhere}),  # in another conference
            ("hangup_call", {"call_control_id": fourth}),  # the conference ends with this person
            ("hangup_call", {"call_control_id": second, "client_state": "x"}),  # an argument without a limit
            ("mute_participants", {"conference_id": standup, "call_control_ids": "everyone"}),
            ("mute_participants", {"conference_id": standup, "call_control_ids": [first, second, third, fourth]}),
            ("mute_participants", {"conference_id": other, "call_control_ids": "everyone"}),
            ("hold_participants", {"conference_id": standup, "call_control_ids": "everyone"}),
            ("end_conference", {"conference_id": standup}),
        ):
            assert "said no" in await refusal(client, tool, **arguments), (tool, arguments)
        assert changes(world.sandbox) == before
        await call(client, "hangup_call", call_control_id=first)


async def test_a_leg_that_has_left_the_conference_is_asked_about(world: World) -> None:
    standup = room(world.sandbox, people=3)
    second = legs_in(world, standup)[1]
    person = Person(yes)
    async with guarded(world, answering=person.slowly, with_events=True) as client:
        await world.sandbox.advance(1)
        await granted(client, "hangup_call", count=3, where=standup, call_control_id="*")
        await call(client, "leave_conference", conference_id=standup, call_control_id=second)
        await world.sandbox.advance(1)
        await call(client, "hangup_call", call_control_id=second)
    assert len(person.questions) == 2


async def test_a_leg_elsewhere_is_not_in_the_conference_that_the_call_names(world: World) -> None:
    standup, other = room(world.sandbox), room(world.sandbox, "Other")
    person = Person(yes)
    async with guarded(world, with_events=True, answering=person.slowly) as client:
        await world.settled()
        await granted(client, "start_transcription", where=standup, count=2, call_control_id="*")
        [elsewhere] = legs_in(world, other)
        await call(client, "start_transcription", call_control_id=elsewhere, conference_id=standup)
        assert len(person.questions) == 2
        assert "Standup" not in person.questions[-1]
        [inside] = legs_in(world, standup)
        await call(client, "start_transcription", call_control_id=inside, conference_id=standup)
        assert len(person.questions) == 2


async def test_another_conference_that_takes_the_name_is_not_the_one_that_was_granted(world: World) -> None:
    standup = room(world.sandbox, people=1)
    person = Person(yes)
    async with guarded(world, answering=person.slowly, with_events=True) as client:
        await world.sandbox.advance(1)
        await granted(client, "hangup_call", count=3, where="Standup", call_control_id="*")
        world.sandbox.state.conferences.by_id[standup].end("ended_via_api")
        second_room = room(world.sandbox, people=2)
        await world.sandbox.advance(1)
        person.answering = no
        await refusal(client, "hangup_call", call_control_id=legs_in(world, second_room)[1])
    assert len(person.questions) == 2


async def test_a_list_counts_each_person_and_never_uses_more_than_is_left(world: World) -> None:
    standup = room(world.sandbox, people=6)
    people = legs_in(world, standup)
    person = Person(yes)
    async with guarded(world, answering=person.slowly, with_events=True, approval="all") as client:
        await world.sandbox.advance(1)
        await granted(client, "mute_participants", count=3, where=standup, call_control_ids=people)
        person.answering = no
        muting = {"conference_id": standup}
        await call(client, "mute_participants", **muting, call_control_ids=people[:2])
        await refusal(client, "mute_participants", **muting, call_control_ids=people[2:4])
        await call(client, "mute_participants", **muting, call_control_ids=people[2:3])
        await refusal(client, "mute_participants", **muting, call_control_ids=people[3:4])


async def test_no_question_is_longer_than_a_person_is_shown(world: World) -> None:
    """A person would approve what they cannot see: here, that the text is said to anyone."""
    person, texts = Person(yes), [f"{number} {'hello ' * 200}" for number in range(6)]
    standup = room(world.sandbox)
    async with guarded(world, answering=person.slowly) as client:

        async def asked(texts: Sequence[str]) -> str:
            return await not_granted(
                client, "speak_text", limits={"payload": texts, "voice": "male", "call_control_ids": "*"}, where=standup
            )

        assert "A person is asked at most 8000: give fewer or shorter values." in await asked([*texts, "x" * 1000])
        assert person.questions == []
        result = await requested(
            client, "speak_text", limits={"payload": texts, "voice": "male", "call_control_ids": "*"}, where=standup
        )
    assert not result.is_error, text(result)
    [question] = person.questions
    assert "call_control_ids is anything" in question


async def test_some_requests_for_a_grant_are_always_refused(world: World, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    write_policy(policy, 'approval.tool.hangup_call = "ask_each"\ntools.deny = ["dial"]')
    standup = room(world.sandbox, people=3)
    person = Person(yes)
    async with guarded(world, answering=person.slowly, with_events=True, policy=policy) as client:
        await world.sandbox.advance(1)

        async def refused(tool: str, /, **limits: Any) -> str:
            return await not_granted(client, tool, limits=limits, where=standup)

        assert "a person is asked about each call" in await refused("hangup_call", call_control_id="*")
        assert "a person is asked about each call" in await refused("end_conference")
        assert "there is no such tool, or a person is asked about none of its calls" in await refused("get_recording")
        assert "cannot be granted" in await refused("request_grant", tool="*")
        assert "denied by this server's policy" in await refused("dial", to="*")
        assert "has no argument 'leg' to limit. It has call_control_id, " in await refused("reject_call", leg="*")
        assert "limits must say which values cause of reject_call may have" in await refused(
            "reject_call", call_control_id="*"
        )
        assert person.questions == []
        overhearing = {
            "conference_id": standup,
            "call_control_id": legs_in(world, standup)[1],
            "supervisor_role": "monitor",
        }
        await granted(client, "update_supervisor", count=5, where=standup, call_control_id="*", supervisor_role="*")
        person.answering = no
        await refusal(client, "update_supervisor", **overhearing)


async def test_a_tool_that_becomes_ask_each_is_no_longer_covered(world: World, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    write_policy(policy, "")
    standup = room(world.sandbox, people=3)
    people, person = legs_in(world, standup), Person(yes)
    async with guarded(world, answering=person.slowly, with_events=True, policy=policy) as client:
        await world.sandbox.advance(1)
        await granted(client, "hangup_call", count=2, where=standup, call_control_id="*")
        write_policy(policy, 'approval.tool.hangup_call = "ask_each"')
        await call(client, "hangup_call", call_control_id=legs_in(world, standup)[1])
        assert len(person.questions) == 2
        write_policy(policy, 'approval.tool.hangup_call = "refuse"')
        with pytest.raises(Exception, match="Unknown tool"):
            await client.call_tool("hangup_call", {"call_control_id": legs_in(world, standup)[1]})
    assert len(alive(world, people)) == 2


async def test_a_policy_that_asks_another_person_takes_no_grant_from_the_client(world: World, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    write_policy(policy, "approval.by_another = true")
    person = Person(yes)
    async with guarded(world, answering=person.slowly, policy=policy) as client:
        refused = await not_granted(client, "hangup_call", limits={"call_control_id": "*"})
    assert "requires that another person approves" in refused
    assert person.questions == []


async def test_a_revoked_grant_covers_nothing_from_then_on(world: World, database: str) -> None:
    standup = room(world.sandbox, people=3)
    person = Person(yes)
    async with guarded(world, answering=person.slowly, with_events=True, database=database) as client:
        await world.sandbox.advance(1)
        code = await granted(client, "hangup_call", count=2, where=standup, call_control_id="*")
        listed = await anyio.to_thread.run_sync(run, "grants", "--database", database)
        assert listed.stdout.startswith(f"{code}  hangup_call  2 of 2 left  9:5")
        revoked = await anyio.to_thread.run_sync(run, "grants", "revoke", code.lower(), "--database", database)
        assert revoked.stdout == f"Revoked {code}: hangup_call needs a person's approval again.\n"
        second_revoke = await anyio.to_thread.run_sync(run, "grants", "revoke", code, "--database", database)
        assert (second_revoke.returncode, "There is no open grant" in second_revoke.stderr) == (1, True)
        person.answering = no
        await refusal(client, "hangup_call", call_control_id=legs_in(world, standup)[1])
    outcomes = [entry["outcome"] for entry in await audit_entries(database)]
    assert [outcome for outcome in outcomes if "grant" in outcome] == [
        "granted by a person",
        "grant revoked by a person",
    ]


@pytest.mark.parametrize("rounds", [4])
async def test_of_two_processes_that_use_the_last_of_a_grant_one_sends(database: str, rounds: int) -> None:
    arguments = ("--approval", "all", "--database", database)
    ended: list[CallToolResult] = []
    with telnyx() as phone:
        async with (
            connected(*arguments, env=phone.env, answering=yes) as first,
            connected(*arguments, env=phone.env) as second,
        ):
            await call(second, "whoami")

            async def use(client: Client, size: int) -> None:
                ended.append(await client.call_tool("update_queue", {"queue_name": "support", "max_size": size}))

            async with connected(*arguments, env=phone.env) as third:
                for size in range(1, rounds + 1):
                    await granted(first, "update_queue", count=1, queue_name="support", max_size="*")
                    async with anyio.create_task_group() as calls:
                        calls.start_soon(use, second, size)
                        calls.start_soon(use, third, size)
        assert phone.commands() == ["POST /queues/support"] * rounds
    assert sum(not result.is_error for result in ended) == rounds


# No sequence of calls goes beyond the limits


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mute"), st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True), st.integers(0, 1)),
        st.tuples(st.just("everyone"), st.just([]), st.integers(0, 1)),
        st.tuples(st.just("minutes"), st.just([]), st.sampled_from([1, 4])),
        st.tuples(st.just("revoke"), st.just([]), st.just(0)),
    ),
    max_size=12,
)


class Limits:
    """The grant of `check`, counted a second time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = clock() + timedelta(minutes=5)
        self.left = 4

    def take(self, place: int, people: Sequence[int]) -> bool:
        is_covered = place == 0 and set(people) <= {0, 1, 2} and len(people) <= self.left and self._clock() < self._ends
        self.left -= len(people) if is_covered else 0
        return is_covered


async def revoke(store: str, code: str, clock: Clock) -> None:
    """As the command line does: by another connection to the store."""
    async with Ledger.open(store, now=clock) as ledger:
        await ledger.revoke_grant(code, "ben at a terminal")


async def check(store: str, steps: list[tuple[str, list[int], int]]) -> None:
    world, clock = World(), Clock(real_time())
    rooms = [room(world.sandbox, "Standup", 6), room(world.sandbox, "Other", 6)]
    people = [legs_in(world, one) for one in rooms]
    person = Person(yes)
    async with guarded(
        world, answering=person.slowly, with_events=True, clock=clock, approval="all", database=store
    ) as client:
        await world.sandbox.advance(1)
        listed = [*people[0][:3], *people[1][:3]]
        code = await granted(client, "mute_participants", count=4, minutes=5, where=rooms[0], call_control_ids=listed)
        person.answering, limits = no, Limits(clock)
        for kind, chosen, choice in steps:
            if kind == "minutes":
                clock.move(minutes=choice)
                continue
            if kind == "revoke":
                limits.left = 0
                with suppress(NoSuchGrant):
                    await revoke(store, code, clock)
                continue
            whom: Any = "everyone" if kind == "everyone" else [people[choice][place] for place in chosen]
            result = await client.call_tool(
                "mute_participants", {"conference_id": rooms[choice], "call_control_ids": whom}
            )
            expected = kind == "mute" and limits.take(choice, chosen)
            assert result.is_error is not expected


def test_no_sequence_of_calls_uses_a_grant_beyond_its_limits() -> None:
    @settings(max_examples=12, deadline=None)
    @given(STEPS)
    def property_holds(steps: list[tuple[str, list[int], int]]) -> None:
        with TemporaryDirectory() as folder:
            anyio.run(check, url_of(Path(folder) / "events.db"), steps)

    property_holds()

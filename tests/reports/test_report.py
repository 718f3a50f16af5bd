"""`report`: its figures against the sandbox's own record of the same day, as a tool and on the command line."""

import csv
import io
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from mcp.client import Client

from support.command_line import run
from support.guarded_server import guarded
from support.mcp import call, refusal, yes
from support.mcp_in_process import World
from support.webhooks import url_of
from telnyx_conferencing.server.events.times import iso
from telnyx_conferencing.server.reports.csv_text import csv_row
from telnyx_conferencing.server.reports.figures import Figures, ReportRow, RowKind
from telnyx_conferencing.server.sandbox import EMPTY, ManualClock, Sandbox
from telnyx_conferencing.server.sandbox.legs import Leg

pytestmark = pytest.mark.anyio

NUMBER = "+12025550100"
AGENTS = [f"+1202555015{digit}" for digit in range(4)]
QUEUES = ["support", "sales", "=HYPERLINK(A1)"]
DAY_S = 86_400
CLOCK_OFFSET = timedelta(hours=3)
"""The clock of the audit is ahead of the sandbox's, as that of a practised day may be."""


@dataclass
class Expected:
    """Figures as the sandbox saw them."""

    calls: int = 0
    waits: list[int] = field(default_factory=list[int])
    abandoned: int = 0
    talk_s: float = 0
    hold_s: float = 0
    muted_s: float = 0
    recordings: int = 0
    recorded_s: float = 0
    approvals: int = 0

    def shown(self) -> dict[str, Any]:
        approved = {"approved_by": {"elicitation": self.approvals}} if self.approvals else {}
        return {
            "calls": self.calls,
            "waits": len(self.waits),
            "wait_s": sum(self.waits),
            "longest_wait_s": max(self.waits, default=0),
            "abandoned": self.abandoned,
            "talk_s": round(self.talk_s),
            "hold_s": round(self.hold_s),
            "muted_s": round(self.muted_s),
            "recordings": self.recordings,
            "recorded_s": round(self.recorded_s),
            "approvals": self.approvals,
            **approved,
        }


class Day:
    """A contact centre's day on a sandbox: what happens is random, and what the sandbox sees is recorded."""

    def __init__(self, world: World, client: Client, seed: int) -> None:
        self.world, self.client, self.random = world, client, random.Random(seed)
        self.rooms: defaultdict[str, Expected] = defaultdict(Expected)
        self.queues: defaultdict[str, Expected] = defaultdict(Expected)
        self.agents: defaultdict[str, Expected] = defaultdict(Expected)
        self.day = Expected()
        self.open: set[str] = set()

    @property
    def state(self) -> Any:
        return self.world.sandbox.state

    async def pass_time(self, seconds: int) -> None:
        """Let the sandbox's time pass, during which nothing changes, and record what it has in its rooms."""
        for id_ in self.open:
            for person in self.state.conferences.by_id[id_].present.values():
                agent = person.leg.to if person.leg.direction == "outgoing" else None
                for figures in (self.rooms[id_], self.day, *([self.agents[agent]] if agent else ())):
                    figures.hold_s += seconds if person.on_hold else 0
                    figures.talk_s += 0 if person.on_hold else seconds
                    figures.muted_s += seconds if person.muted else 0
        await self.world.sandbox.advance(seconds)

    def some(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return await call(self.client, tool, **arguments)

    async def conference(self, gap_s: int) -> None:
        """A caller who waits, and hangs up or is taken into a conference with an agent."""
        queue, agent = self.random.choice(QUEUES), self.random.choice(AGENTS)
        caller: Leg = self.state.legs.arrive(f"+1303555{self.some(0, 9999):04}", NUMBER)
        self.day.calls += 1
        leg = caller.call_control_id
        await self.call("answer_call", call_control_id=leg)
        await self.call("enqueue_call", call_control_id=leg, queue_name=queue)
        self.queues[queue].calls += 1
        waited = self.some(1, 90)
        await self.pass_time(waited)
        for figures in (self.queues[queue], self.day):
            figures.waits.append(waited)
        if self.random.random() < 0.2:
            self.state.legs.person_hangs_up(caller)
            self.queues[queue].abandoned += 1
            self.day.abandoned += 1
        else:
            await self.talk(leg, agent, waited)
        await self.pass_time(gap_s)

    async def talk(self, caller: str, agent: str, waited: int) -> None:
        name = f"Room {self.some(0, 10**9)}"
        opened = await self.call("create_conference", call_control_id=caller, name=name)
        room = opened["conference"]["id"]
        self.open.add(room)
        self.rooms[room].calls, self.rooms[room].waits = 2, [waited]
        dialled = await self.call("dial", to=agent, conference_config={"id": room})
        agent_leg = dialled["call"]["call_control_id"]
        self.day.calls += 1
        self.agents[agent].calls += 1
        await self.pass_time(2)
        steps = self.random.sample(["hold", "mute", "record", "monitor", "nothing"], 3)
        for step in steps:
            await getattr(self, f"_{step}")(room, caller, agent_leg)
            await self.pass_time(self.some(1, 60))
        await self.call("end_conference", conference_id=room)
        self._approved(room)
        self.open.remove(room)

    def _approved(self, room: str) -> None:
        self.rooms[room].approvals += 1
        self.day.approvals += 1

    async def _nothing(self, room: str, caller: str, agent_leg: str) -> None:
        pass

    async def _hold(self, room: str, caller: str, agent_leg: str) -> None:
        await self.call("hold_participants", conference_id=room, call_control_ids=[caller])
        if self.random.random() < 0.5:
            await self.pass_time(self.some(1, 30))
            await self.call("unhold_participants", conference_id=room, call_control_ids=[caller])

    async def _mute(self, room: str, caller: str, agent_leg: str) -> None:
        await self.call("mute_participants", conference_id=room, call_control_ids="everyone")
        await self.pass_time(self.some(1, 30))
        await self.call("unmute_participants", conference_id=room, call_control_ids=[agent_leg])

    async def _monitor(self, room: str, caller: str, agent_leg: str) -> None:
        await self.call("update_supervisor", conference_id=room, call_control_id=agent_leg, supervisor_role="barge")

    async def _record(self, room: str, caller: str, agent_leg: str) -> None:
        await self.world.settled()
        await self.call("start_recording", conference_id=room, format="mp3")
        self._approved(room)
        seconds = self.some(1, 30)
        await self.pass_time(seconds)
        await self.world.settled()
        await self.call("stop_recording", conference_id=room)
        self._approved(room)
        for figures in (self.rooms[room], self.day):
            figures.recordings += 1
            figures.recorded_s += seconds


@dataclass
class Worked:
    """A day that is over, the store of the server, and what the tool reported."""

    day: Day
    since: datetime
    until: datetime
    database: str
    reported: dict[str, Any]

    def rows(self, *options: str) -> str:
        """What the command prints about the day."""
        window = ("--since", iso(self.since), "--until", iso(self.until))
        ended = run("report", *window, *options, "--database", self.database, timeout=120)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    def by_kind(self) -> dict[str, list[dict[str, Any]]]:
        kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in self.rows("--json").splitlines():
            row = json.loads(line)
            kinds[row.pop("kind")].append(row)
        return kinds


async def work_for_a_day(directory: Path, conferences: int, seed: int) -> Worked:
    """Work for a day with this many conferences."""
    since = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    world = World(Sandbox(clock=ManualClock(since), scene=EMPTY))

    async def agrees(question: str) -> Any:
        return yes(question)

    database = url_of(directory / "events.db")
    settings: dict[str, Any] = {"from_number": NUMBER, "connection_id": "sandbox", "database": database}

    def clock() -> datetime:
        return world.sandbox.clock.now() + CLOCK_OFFSET

    async with guarded(world, answering=agrees, clock=clock, with_events=True, **settings) as client:
        day = Day(world, client, seed)
        while len(day.rooms) < conferences:
            # A day is as long as its conferences, which take about two minutes each.
            await day.conference(gap_s=max(DAY_S // conferences - 240, 1))
        until = world.sandbox.clock.now() + timedelta(seconds=1)
        reported = await call(client, "report", since=iso(since), until=iso(until), limit=100)
    return Worked(day, since, until, database, reported)


def check(worked: Worked) -> None:
    """Compare every figure of the command with the sandbox's record."""
    day, kinds = worked.day, worked.by_kind()
    rooms = {row["id"]: row for row in kinds["conference"]}
    assert rooms.keys() == day.rooms.keys()
    for id_, expected in day.rooms.items():
        conference = day.state.conferences.by_id[id_]
        assert rooms[id_] == {
            "name": conference.name,
            "id": id_,
            "started_at": iso(conference.created_at),
            "ended_at": iso(conference.updated_at),
            **expected.shown(),
        }
    for kind, figures in (("queue", day.queues), ("agent", day.agents)):
        assert {row.pop("name"): row for row in kinds[kind]} == {
            name: figure.shown() for name, figure in figures.items()
        }
    total = Counter[str]()
    for row in kinds["day"]:
        total.update({name: value for name, value in row.items() if isinstance(value, int)})
    longest = max(row["longest_wait_s"] for row in kinds["day"])
    expected = {name: value for name, value in day.day.shown().items() if isinstance(value, int)}
    assert dict(total) | {"longest_wait_s": longest} == expected


@pytest.mark.parametrize(
    "conferences", [pytest.param(6, id="6"), pytest.param(1_000, id="1000", marks=pytest.mark.slow)]
)
async def test_the_figures_of_a_day_are_those_of_the_sandbox(conferences: int, tmp_path: Path) -> None:
    day = await work_for_a_day(tmp_path, conferences, seed=conferences)
    await to_thread.run_sync(check, day)
    shown = day.reported
    assert len(shown["conferences"]) == min(conferences, 100)
    starts = [row["started_at"] for row in shown["conferences"]]
    assert all(later > earlier for later, earlier in pairwise(starts))
    assert {row["name"]: row["calls"] for row in shown["agents"]} == {
        name: agent.calls for name, agent in day.day.agents.items()
    }
    assert f"{len(day.day.rooms)} conferences, {day.day.day.calls} calls" in shown["summary"]
    assert shown.get("not_shown") == ({"conferences": conferences - 100} if conferences > 100 else None)


async def test_the_csv_is_safe_in_a_spreadsheet_and_has_the_same_rows(tmp_path: Path) -> None:
    day = await work_for_a_day(tmp_path, 3, seed=7)
    printed = await to_thread.run_sync(partial(day.rows, "--csv"))
    assert printed.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(printed.removeprefix("\ufeff"), newline="")))
    by_kind = Counter(row["kind"] for row in rows)
    assert by_kind["conference"] == 3
    names = {row["name"] for row in rows if row["kind"] in ("agent", "queue")}
    assert names == {f"'{name}" if name[0] in "+=" else name for name in (*day.day.agents, *day.day.queues)}
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    conference = next(row for row in rows if row["kind"] == "conference")
    expected = day.day.rooms[conference["id"]]
    assert int(conference["talk_s"]) == round(expected.talk_s)
    assert conference["approved_by"] == f"elicitation ({expected.approvals})"
    assert datetime.fromisoformat(conference["started_at"]).replace(tzinfo=UTC) >= day.since


async def test_a_report_counts_only_calls_and_conferences_that_began_in_its_time(tmp_path: Path) -> None:
    day = await work_for_a_day(tmp_path, 2, seed=3)
    starts = sorted(row["started_at"] for row in day.by_kind()["conference"])
    later = Worked(day.day, datetime.fromisoformat(starts[1]), day.until, day.database, {})
    [row] = (await to_thread.run_sync(later.by_kind))["conference"]
    assert row["started_at"] == starts[1]
    queues = [line for line in (await to_thread.run_sync(day.rows)).splitlines() if line.startswith("queue ")]
    assert queues
    assert not [line for line in queues if "talk" in line], "people talk after they have left the queue"


async def test_a_report_and_a_timeline_go_by_the_clock_of_a_sandbox_that_was_advanced(tmp_path: Path) -> None:
    database = url_of(tmp_path / "events.db")
    ahead = datetime.now(UTC) + timedelta(hours=1)
    world = World(Sandbox(clock=ManualClock(ahead), scene=EMPTY))
    async with guarded(world, with_events=True, database=database, approval="never", toolsets="all") as client:
        leg = world.sandbox.state.legs.arrive("+13035550100", NUMBER)
        opened = await call(client, "create_conference", call_control_id=leg.call_control_id, name="Standup")
        await world.sandbox.advance(90)
        world.sandbox.state.legs.hang_up(leg)
        await world.settled()
    since = ("--since", (ahead - timedelta(minutes=1)).isoformat())
    printed = await to_thread.run_sync(partial(run, "report", *since, "--database", database))
    assert "1 conference, 1 call" in printed.stdout, printed.stderr
    assert "talk 1:30" in printed.stdout
    drawn = await to_thread.run_sync(partial(run, "timeline", opened["conference"]["id"], "--database", database))
    assert "lasted 1:30" in drawn.stdout, drawn.stderr


async def test_times_that_cannot_be_are_refused(tmp_path: Path) -> None:
    world = World()
    async with guarded(world, with_events=True) as client:
        assert "since must be an ISO 8601 time" in await refusal(client, "report", since="yesterday")
        assert (await call(client, "report", since="0001-01-01T00:00:00Z", until="9999-12-31T00:00:00Z"))["days"]
        backwards = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
        assert "since must be before until" in await refusal(client, "report", **backwards)
    ended = await to_thread.run_sync(
        partial(run, "report", "--since", "2h", "--until", "3h", "--database", url_of(tmp_path / "a.db"))
    )
    assert ended.returncode != 0
    assert "must be before --until" in ended.stderr


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" \t=1+1", "'=1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\x1b]0;evil\x07\r\n@x", "]0;evil @x"),
        ('a",=1', 'a",=1'),
        ("a; =1|@b", "a; '=1|'@b"),
    ],
)
def test_a_name_in_a_csv_file_is_neither_a_formula_nor_a_command_to_a_terminal(name: str, cell: str) -> None:
    row = csv_row(ReportRow(RowKind.QUEUE, name, Figures())).decode()
    assert next(csv.reader(io.StringIO(row)))[1] == cell

"""How much may be done in a while: the sliding windows a call falls into."""

import pytest
from hypothesis import given

from telnyx_conferencing.server.guard.policy import Limit, LimitRules, Policy, Rules
from telnyx_conferencing.tools import COMMANDS, TOOLS
from telnyx_conferencing.tools.base import Command
from telnyx_conferencing.tools.events import ConferenceSummary

from .policies import ANY_COMMAND, LIMIT_RULES, command, policy

ALL = """
[limits]
calls_per_minute = 120
whole_room_per_hour = 20
speech_characters_per_hour = 5000
most_people = 50
dials_per_hour = 20
[limits.risk.disruptive]
calls_per_minute = 10
whole_room_per_hour = 5
most_people = 40
[limits.tool.speak_text]
calls_per_minute = 6
speech_characters_per_hour = 100
[limits.tool.list_queues]
calls_per_minute = 3
"""
CALLS = Limit("calls", 120, 60, 1, "120 calls a minute")
ROOM = Limit("whole_room", 20, 3600, 1, "20 whole-room actions an hour")
RISK = Limit("calls:risk:disruptive", 10, 60, 1, "10 calls of disruptive risk a minute")
RISK_ROOM = Limit("whole_room:risk:disruptive", 5, 3600, 1, "5 whole-room actions of disruptive risk an hour")
SPEECH = Limit("speech", 5000, 3600, 5, "5000 characters of speech an hour")
DIAL = Limit("dials", 20, 3600, 1, "20 numbers called an hour")
THREE_DIALS = Limit("dials", 20, 3600, 3, "20 numbers called an hour")
TOOL = Limit("calls:tool:speak_text", 6, 60, 1, "6 calls by speak_text a minute")
TOOL_SPEECH = Limit("speech:tool:speak_text", 100, 3600, 5, "100 characters of speech by speak_text an hour")
READ = Limit("calls:tool:list_queues", 3, 60, 1, "3 calls by list_queues a minute")

WINDOWS: list[tuple[Command, list[Limit]]] = [
    (command("create_queue"), [CALLS]),
    (command("end_conference"), [CALLS, ROOM]),
    (command("mute_participants"), [CALLS, ROOM, RISK, RISK_ROOM]),
    (command("mute_participants", call_control_ids=["v3:a"]), [CALLS]),
    (command("leave_conference"), [CALLS, RISK]),
    (command("speak_text", payload="Hallo"), [CALLS, ROOM, SPEECH, RISK, RISK_ROOM, TOOL, TOOL_SPEECH]),
    (command("speak_text", payload="Hallo", call_control_ids=["v3:a"]), [CALLS, SPEECH, TOOL, TOOL_SPEECH]),
    (command("dial"), [CALLS, DIAL, RISK]),
    (command("dial", to=["+12025550150", "+12025550151", "sip:ann@example.com"]), [CALLS, THREE_DIALS, RISK]),
    (command("transfer_call"), [CALLS, DIAL]),
    (command("list_queues"), [READ]),
    (command("get_queue"), []),
]


@pytest.mark.parametrize(("call", "limits"), WINDOWS)
def test_a_call_falls_into_the_windows_of_all_writes_of_its_risk_and_of_its_tool(
    call: Command, limits: list[Limit]
) -> None:
    assert policy(ALL).decide(call).limits(call) == tuple(limits)


def test_the_same_window_of_two_sources_takes_the_smaller() -> None:
    two_sources = policy("limits.calls_per_minute = 9", "limits.calls_per_minute = 4", "limits.most_people = 3")
    assert two_sources.decide(command("end_conference")).limits(command("end_conference")) == (
        Limit("calls", 4, 60, 1, "4 calls a minute"),
    )


def test_there_is_no_limit_without_a_policy_entry() -> None:
    assert all(Policy().decide(command(tool.tool_name())).limits(command(tool.tool_name())) == () for tool in COMMANDS)
    assert Policy().decide(command("end_conference")).most_people is None


@pytest.mark.parametrize(
    ("call", "most"),
    [
        (command("mute_participants"), 40),
        (command("end_conference"), 50),
        (command("create_queue"), 50),
        (command("list_queues"), None),
    ],
)
def test_the_smallest_number_of_people_holds(call: Command, most: int | None) -> None:
    assert policy(ALL).decide(call).most_people == most


def test_a_tool_that_is_no_command_may_be_limited_too() -> None:
    summary = ConferenceSummary(conference_id="c")
    limited = policy("limits.tool.conference_summary.calls_per_minute = 2\nlimits.whole_room_per_hour = 1")
    assert limited.decide(summary).limits(summary) == (
        Limit("calls:tool:conference_summary", 2, 60, 1, "2 calls by conference_summary a minute"),
    )


def test_some_tools_count_as_whole_room_for_any_arguments() -> None:
    rooms = {"end_conference", "start_recording", "stop_recording", "pause_recording", "resume_recording"}
    assert {tool.tool_name() for tool in COMMANDS if tool.whole_room} == rooms
    assert all(command(room).affects_whole_room() for room in rooms)
    assert command("mute_participants").affects_whole_room()
    assert not command("mute_participants", call_control_ids=["v3:a"]).affects_whole_room()


def test_each_speaking_tool_names_the_argument_that_is_spoken() -> None:
    spoken = {tool.tool_name(): tool.speaks for tool in COMMANDS if tool.speaks}
    assert spoken == dict.fromkeys(("speak_text", "gather_dtmf", "speak_to_call", "gather_from_call"), "payload")
    assert all(tool.speaks in tool.model_fields for tool in COMMANDS if tool.speaks)
    assert len(TOOLS) > len(COMMANDS)


@given(LIMIT_RULES, LIMIT_RULES, ANY_COMMAND)
def test_no_source_raises_the_limit_of_another(first: LimitRules, second: LimitRules, call: Command) -> None:
    alone, both = (Policy([Rules(limits=source) for source in sources]) for sources in ([first], [first, second]))
    limits = {limit.key: limit for limit in both.decide(call).limits(call)}
    assert len(limits) == len(both.decide(call).limits(call))
    for limit in alone.decide(call).limits(call):
        assert limits[limit.key].most <= limit.most
        assert limits[limit.key].amount == limit.amount
    people = alone.decide(call).most_people
    fewest = both.decide(call).most_people
    assert people is None or (fewest is not None and fewest <= people)

"""A write touches only what is within the scope of every source. What is not known is refused."""

from typing import Any, cast

import pytest

from support.examples import CALL, CONFERENCE_ID, OTHER_CALL
from support.rows import each_row
from telnyx_conferencing.server.errors import CallFailed
from telnyx_conferencing.server.guard.place import Place, PlaceKind
from telnyx_conferencing.server.guard.policy import ConferenceFacts
from telnyx_conferencing.tools import COMMANDS as ALL
from telnyx_conferencing.tools.base import Command

from .policies import COMMANDS, Known, command, out_of_scope, policy, waiting_in_support

pytestmark = pytest.mark.anyio

STANDUP = {CONFERENCE_ID: ConferenceFacts("Standup", "1", "US")}
QUEUES = {"support": "support", "q-1": "support", "sales": "sales"}
QUEUED = waiting_in_support(CALL, "1")
CONNECTIONS = {CALL: "1", OTHER_CALL: "2"}


def dial(to: Any, **more: Any) -> Command:
    return command("dial", to=to, **more)


def known(**given: Any) -> Known:
    true = {"conferences": STANDUP, "queues": QUEUES, "queued": QUEUED, "connections": CONNECTIONS}
    return Known(**{**cast("dict[str, Any]", true), **given})


async def refusal(rules: str, touching: Command, facts: Known | None = None) -> str | None:
    facts = known() if facts is None else facts
    return await out_of_scope(policy(f"[scope]\n{rules}"), touching, facts)


async def test_a_region_is_any_name_that_telnyx_returns() -> None:
    in_sv1 = known(conferences={CONFERENCE_ID: ConferenceFacts("Standup", "1", "sv1")})
    assert await refusal("regions = ['sv1']", command("end_conference"), in_sv1) is None
    assert "'sv1'" in (await refusal("regions = ['US']", command("end_conference"), in_sv1) or "")


WHISPERED = command("join_conference", supervisor_role="whisper", whisper_call_control_ids=[OTHER_CALL])
OTHER_IS_2 = f"the connection of call '{OTHER_CALL}' is '2'"
MAY = [
    ("conferences = ['Stand*']", command("end_conference")),
    ("conferences = ['Sales', 'Stand*p']", command("start_recording")),
    ("conferences = ['Sales [1]?']", command("create_conference", name="Sales [1]?")),
    ("queues = ['[vip]*']", command("create_queue", queue_name="[vip] 2")),
    ("conferences = ['Sales *']", command("create_conference", name="Sales call")),
    ("conferences = []", command("create_queue")),
    ("conferences = []", command("get_conference")),
    ("queues = ['supp*']", command("update_queue", queue_name="q-1", max_size=3)),
    ("queues = ['supp*']", command("delete_queue", queue_name="support")),
    ("queues = ['supp*']", command("create_queue", queue_name="support-2")),
    ("queues = ['supp*']", command("enqueue_call", queue_name="support-2")),
    ("queues = ['supp*']", command("leave_queue")),
    ("queues = []", command("end_conference")),
    ("queues = []", command("list_queue_calls")),
    ("connections = ['1']", command("end_conference")),
    ("connections = ['1', '2']", command("mute_participants", call_control_ids=[CALL, OTHER_CALL])),
    ("connections = ['1']", command("join_conference")),
    ("connections = ['1']", command("leave_queue")),
    ("connections = ['1']", command("enqueue_call")),
    ("connections = ['3']", command("delete_queue", queue_name="support")),
    ("regions = ['US']", command("end_conference")),
    ("regions = ['US', 'Europe']", command("mute_participants", region="US")),
    ("regions = ['Europe']", command("create_conference", region="Europe")),
    ("regions = []", command("create_queue")),
    ("numbers = ['+49', '+1']", dial("+14155550123")),
    ("numbers = ['+49', '+1']", dial(["+14155550123", "+4930123456"])),
    ("numbers = ['+49', '+1']", command("transfer_call", to="+14155550123")),
    ("conferences = ['Stand*']", dial("+14155550123", conference_config={"id": CONFERENCE_ID})),
    ("conferences = ['Stand*']", dial("+14155550123", conference_config={"conference_name": "Stand up"})),
    ("connections = ['1']", dial("+14155550123", connection_id="1", conference_config={"id": CONFERENCE_ID})),
    ("connections = ['1']", dial("+14155550123", connection_id="1", conference_config={"conference_name": "New"})),
    ("regions = ['US']", dial("+14155550123", conference_config={"conference_name": "Standup"})),
    ("queues = ['supp*']", command("bridge_calls", other_call_control_id=None, queue_name="q-1")),
    ("connections = ['1', '2']", command("bridge_calls")),
    ("numbers = []", command("end_conference")),
]


@each_row(("rules", "touching"), MAY)
async def test_targets_in_scope_are_allowed(rules: str, touching: Command) -> None:
    assert await refusal(rules, touching) is None


NAME = "the name of this conference is"
QUEUE = "the name of this queue is"
REGION = "the region of this conference is"
MAY_NOT = [
    (
        "conferences = ['Sales [1]', 'Sales?']",
        command("create_conference", name="Sales 1"),
        f"{NAME} 'Sales 1'",
        "conferences named Sales [1] or Sales?",
    ),
    (
        "conferences = ['Sales', 'Help *']",
        command("end_conference"),
        f"{NAME} 'Standup'",
        "conferences named Sales or Help *",
    ),
    (
        "conferences = ['Sales']",
        command("create_conference", name="Party"),
        f"{NAME} 'Party'",
        "conferences named Sales",
    ),
    ("conferences = []", command("end_conference"), f"{NAME} 'Standup'", "conferences named none"),
    (
        "queues = ['sales']",
        command("update_queue", queue_name="q-1", max_size=3),
        f"{QUEUE} 'support'",
        "queues named sales",
    ),
    ("queues = ['q-*']", command("delete_queue", queue_name="q-1"), f"{QUEUE} 'support'", "queues named q-*"),
    ("queues = ['sales']", command("create_queue", queue_name="support"), f"{QUEUE} 'support'", "queues named sales"),
    ("queues = ['sales']", command("enqueue_call", queue_name="q-1"), f"{QUEUE} 'q-1'", "queues named sales"),
    (
        "queues = ['sales']",
        command("leave_queue"),
        "the queue in which this call waits is 'support'",
        "queues named sales",
    ),
    ("connections = ['2']", command("end_conference"), "the connection of this conference is '1'", "connections 2"),
    (
        "connections = ['1']",
        command("mute_participants", call_control_ids=[CALL, OTHER_CALL]),
        OTHER_IS_2,
        "connections 1",
    ),
    ("connections = ['1']", WHISPERED, OTHER_IS_2, "connections 1"),
    ("connections = ['2']", command("leave_queue"), f"the connection of call '{CALL}' is '1'", "connections 2"),
    ("connections = ['2']", command("remove_queue_call"), f"the connection of call '{CALL}' is '1'", "connections 2"),
    ("regions = ['Europe']", command("end_conference"), f"{REGION} 'US'", "regions Europe"),
    ("regions = ['Europe']", command("mute_participants", region="US"), "the region is 'US'", "regions Europe"),
    # a region in the call does not hide where the conference is
    ("regions = ['Europe']", command("mute_participants", region="Europe"), f"{REGION} 'US'", "regions Europe"),
    ("numbers = ['+49']", dial("+14155550123"), "the number to call is '+14155550123'", "numbers that begin with +49"),
    (
        "numbers = ['+49']",
        dial(["+4930123456", "+14155550123"]),
        "the number to call is '+14155550123'",
        "numbers that begin with +49",
    ),
    (
        "numbers = ['+1']",
        dial("sip:+14155550123@x.com"),
        "the number to call is 'sip:+14155550123@x.com'",
        "numbers that begin with +1",
    ),
    (
        "numbers = ['+49']",
        command("transfer_call", to="+14155550123"),
        "the number to call is '+14155550123'",
        "numbers that begin with +49",
    ),
    (
        "conferences = ['Sales']",
        dial("+14155550123", conference_config={"id": CONFERENCE_ID}),
        f"{NAME} 'Standup'",
        "conferences named Sales",
    ),
    (
        "conferences = ['Sales']",
        dial("+14155550123", conference_config={"conference_name": "Standup"}),
        f"{NAME} 'Standup'",
        "conferences named Sales",
    ),
    (
        "connections = ['1']",
        dial("+14155550123", connection_id="2"),
        "the connection to call with is '2'",
        "connections 1",
    ),
    (
        "connections = ['2']",
        dial("+14155550123", connection_id="2", conference_config={"conference_name": "Standup"}),
        "the connection of this conference is '1'",
        "connections 2",
    ),
    (
        "connections = ['1']",
        dial("+14155550123", connection_id="1", supervise_call_control_id=OTHER_CALL),
        OTHER_IS_2,
        "connections 1",
    ),
    ("connections = ['1']", command("bridge_calls"), OTHER_IS_2, "connections 1"),
    (
        "regions = ['Europe']",
        dial("+14155550123", conference_config={"conference_name": "Standup"}),
        f"{REGION} 'US'",
        "regions Europe",
    ),
    (
        "regions = ['US']",
        dial("+14155550123", conference_config={"conference_name": "New"}),
        "the region of this conference is not known",
        "regions US",
    ),
    (
        "queues = ['sales']",
        command("bridge_calls", other_call_control_id=None, queue_name="q-1"),
        f"{QUEUE} 'support'",
        "queues named sales",
    ),
]


@each_row(("rules", "touching", "what", "within"), MAY_NOT)
async def test_targets_out_of_scope_are_refused(rules: str, touching: Command, what: str, within: str) -> None:
    assert await refusal(rules, touching) == f"{what}, and this server's policy lets only {within} be touched"


GONE = command("end_conference", conference_id="gone")
UNKNOWN = [
    ("conferences = ['*']", GONE, "the name of this conference"),
    ("queues = ['*']", command("remove_queue_call", queue_name="gone"), "the name of this queue"),
    ("queues = ['*']", command("leave_queue", call_control_id=OTHER_CALL), "the queue in which this call waits"),
    ("connections = ['1']", GONE, "the connection of this conference"),
    ("connections = ['1']", command("create_conference", call_control_id="v3:n"), "the connection of call 'v3:n'"),
    ("regions = ['Europe']", GONE, "the region of this conference"),
]


@each_row(("rules", "touching", "what"), UNKNOWN)
async def test_a_call_whose_scope_is_unknown_is_refused(rules: str, touching: Command, what: str) -> None:
    refused = await refusal(rules, touching)
    assert refused is not None
    assert refused.startswith(f"{what} is not known, and this server's policy lets only ")


async def test_a_new_conference_must_name_its_region() -> None:
    assert await refusal("regions = ['Europe', 'US']", command("create_conference")) == (
        "region is missing, and this server's policy lets only regions Europe or US be touched: give one"
    )


async def test_every_source_must_let_it_be_touched() -> None:
    two_sources = policy("scope.conferences = ['Stand*']", "scope.conferences = ['*up', 'Sales']")
    assert await out_of_scope(two_sources, command("end_conference"), known()) is None
    neither = policy("scope.conferences = ['Stand*']", "scope.conferences = ['Sales']")
    assert await out_of_scope(neither, command("end_conference"), known()) == (
        f"{NAME} 'Standup', and this server's policy lets only conferences named Stand*, and of those only Sales be "
        "touched"
    )


async def test_the_region_of_the_arguments_counts_if_telnyx_returns_none() -> None:
    facts = known(conferences={CONFERENCE_ID: ConferenceFacts("Standup", "1", None)})
    assert await refusal("regions = ['Europe']", command("mute_participants", region="Europe"), facts) is None


async def test_a_call_that_has_hung_up_is_on_the_connection_that_its_queue_knows() -> None:
    facts = known(connections={})
    assert await refusal("connections = ['1']", command("remove_queue_call"), facts) is None
    assert facts.asked == [f"queue of {CALL}"]


async def test_a_call_whose_queue_does_not_know_its_connection_is_asked_for_itself() -> None:
    facts = known(queued=waiting_in_support(CALL, None))
    assert await refusal("connections = ['1']", command("leave_queue"), facts) is None
    assert facts.asked == [f"queue of {CALL}", f"connection of {CALL}"]


NOTHING = ["conferences", "queues", "connections", "regions"]


@each_row("name", COMMANDS)
async def test_nothing_is_asked_that_no_rule_needs(name: str) -> None:
    facts = known()
    assert await out_of_scope(policy("", ""), COMMANDS[name], facts) is None
    assert facts.asked == []


async def test_everything_is_asked_once() -> None:
    facts = known()
    everything = "conferences = ['*']\nqueues = ['*']\nconnections = ['1', '2']\nregions = ['US']"
    legs = [CALL, OTHER_CALL, CALL]
    assert await refusal(everything, command("mute_participants", call_control_ids=legs), facts) is None
    assert facts.asked == [f"conference {CONFERENCE_ID}", f"connection of {CALL}", f"connection of {OTHER_CALL}"]


@each_row("tool", [tool.tool_name() for tool in ALL if tool.is_read()])
async def test_reads_touch_nothing(tool: str) -> None:
    facts = known()
    assert await refusal("\n".join(f"{field} = []" for field in NOTHING), command(tool), facts) is None
    assert facts.asked == []


@each_row("tool", [tool.tool_name() for tool in ALL if not tool.is_read()])
async def test_every_write_lies_outside_an_empty_scope(tool: str) -> None:
    assert await refusal("\n".join(f"{field} = []" for field in NOTHING), command(tool)) is not None


async def test_an_error_of_a_lookup_is_raised() -> None:
    class Failing(Known):
        async def conference(self, conference_id: str) -> ConferenceFacts:
            raise CallFailed("there is no such conference")

    with pytest.raises(CallFailed, match="no such"):
        await refusal("conferences = ['*']", command("end_conference"), Failing())


async def test_a_call_is_checked_against_the_region_of_the_conference_that_it_is_in() -> None:
    facts = known(places={CALL: Place(PlaceKind.CONFERENCE, conference_id=CONFERENCE_ID)})
    assert "'US'" in (await refusal("regions = ['Europe']", command("hangup_call"), facts) or "")
    assert await refusal("regions = ['US']", command("hangup_call"), facts) is None


INSIDE = "http://10.0.0.1/a.mp3"
HIDDEN_URLS = [
    *(
        command("speak_text", payload_type="ssml", payload=f"<speak>{markup}</speak>")
        for markup in (
            f'<audio src="{INSIDE}"/>',
            f"<audio\nSRC =\n'{INSIDE}'/>",
            '<audio src="h&#x74;tp://10.0.0.1/"/>',
            f'<audio s&#114;c="{INSIDE}"/>',
            '<audio src="//10.0.0.1/a.mp3"/>',
            f'<lexicon uri="{INSIDE}"/>',
            f'<?xml-stylesheet href="{INSIDE}"?>',
            f'<!DOCTYPE a [<!ENTITY b SYSTEM "{INSIDE}">]>&b;',
            f'<p xml:base="{INSIDE}"/>',
            f'<voice url="{INSIDE}"/>',
        )
    ),
    *(
        command("play_audio", audio_url=None, media_name=name)
        for name in (INSIDE, "//10.0.0.1/a.mp3", "http%3A//10.0.0.1/a.mp3", "http\uff1a//10.0.0.1", r"\\10.0.0.1\a.mp3")
    ),
    command("hold_participants", media_name=INSIDE),
    dial("+14155550123", conference_config={"conference_name": "Standup", "hold_media_name": INSIDE}),
]


@each_row("speaking", HIDDEN_URLS)
async def test_audio_from_a_private_network_is_refused_in_markup_and_in_media_names_too(speaking: Command) -> None:
    assert "may not be used" in (await refusal("", speaking) or "")


async def test_other_markup_and_media_names_are_allowed() -> None:
    markup = '<speak xmlns="http://www.w3.org/2001/10/synthesis">Hello <break time="1s"/> <audio src="https://e.com/a.mp3"/></speak>'
    assert await refusal("", command("speak_text", payload_type="ssml", payload=markup)) is None
    assert await refusal("", command("play_audio", audio_url=None, media_name="hold-music 2.mp3")) is None

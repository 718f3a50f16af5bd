"""Calling rules, as an agent meets them: nobody is called at night, too often, abroad or after opting out."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client

from support.guarded_server import (
    Clock,
    Person,
    audit_entries,
    code_in,
    decided,
    dialled_numbers,
    guarded,
    write_policy,
)
from support.mcp import call, no, refusal, yes
from support.mcp_in_process import World
from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import Ledger

pytestmark = pytest.mark.anyio

NEW_YORK, LOS_ANGELES, BERLIN, TOLL_FREE = "+12125550150", "+12135550150", "+493090182000", "+18005550199"
DAYTIME = '[calling]\nopen = ["mon-sat 09:00-20:00"]\n'

Policed = Callable[..., AbstractAsyncContextManager[Client]]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock() -> Clock:
    """Wednesday, noon in Berlin."""
    return Clock(at("2026-03-04T12:00+01:00"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def policed(world: World, clock: Clock, tmp_path: Path, database: Path) -> Policed:
    """A client of a server with this policy, where a person is asked about an override only."""

    def serve(rules: str, **given: Any) -> AbstractAsyncContextManager[Client]:
        policy = tmp_path / "policy.toml"
        write_policy(policy, rules)
        return guarded(
            world, clock=clock, with_events=True, approval="never", policy=policy, database=url_of(database), **given
        )

    return serve


async def listed(database: Path) -> list[str]:
    async with Ledger.open(url_of(database)) as ledger:
        return [entry.number for entry in await ledger.optouts()]


# Hours on the callee's clocks


async def test_nobody_is_called_at_night_and_the_refusal_says_when_it_is_day_there(
    world: World, policed: Policed, clock: Clock
) -> None:
    async with policed(DAYTIME + "override = []") as client:
        clock.moment = at("2026-03-04T23:30-05:00")  # 20:30 in Los Angeles, 05:30 on Thursday in Berlin
        in_berlin = await refusal(client, "dial", to=BERLIN)
        assert "Thu 05:30 in Europe/Berlin" in in_berlin
        assert "allowed again from Thu 2026-03-05 09:00 Europe/Berlin" in in_berlin
        in_los_angeles = await refusal(client, "dial", to=LOS_ANGELES)
        assert "Wed 20:30 in America/Los_Angeles" in in_los_angeles
        assert "allowed again from Thu 2026-03-05 09:00 America/Los_Angeles" in in_los_angeles
        clock.moment = at("2026-03-05T09:00+01:00")
        await call(client, "dial", to=BERLIN)
        assert "Thu 03:00 in America/New_York" in await refusal(client, "dial", to=NEW_YORK)
    assert dialled_numbers(world.sandbox) == [BERLIN]


async def test_a_number_that_may_be_in_several_time_zones_is_called_only_when_it_is_day_in_all(
    world: World, policed: Policed, clock: Clock
) -> None:
    async with policed('[calling]\nopen = ["mon-sun 07:00-23:00"]\noverride = []') as client:
        clock.moment = at("2026-03-04T09:00-05:00")  # 04:00 in Honolulu
        assert "may be in several time zones" in await refusal(client, "dial", to=TOLL_FREE)
        await call(client, "dial", to=NEW_YORK)
    assert dialled_numbers(world.sandbox) == [NEW_YORK]


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-03-28T08:30+00:00", True),  # 09:30 in winter
        ("2026-03-30T07:30+00:00", True),  # 09:30 in summer, which began on Sunday
        ("2026-03-28T07:30+00:00", False),  # 08:30
        ("2026-10-26T07:30+00:00", False),  # 08:30 in winter, which began on Sunday
    ],
)
async def test_the_hours_follow_daylight_saving_where_the_person_is(
    policed: Policed, clock: Clock, moment: str, allowed: bool
) -> None:
    clock.moment = at(moment)
    async with policed(DAYTIME) as client:
        [number] = (await call(client, "may_call", numbers=[BERLIN]))["numbers"]
    assert number["allowed"] is allowed


async def test_a_list_of_numbers_is_checked_before_anyone_is_called(policed: Policed, clock: Clock) -> None:
    rules = DAYTIME + 'countries = ["US", "DE"]'
    clock.moment = at("2026-03-04T22:00+01:00")  # 16:00 in New York
    async with policed(rules) as client:
        answer = await call(client, "may_call", numbers=[BERLIN, NEW_YORK, "+442079460000", "+19005550100", "911"])
    berlin, new_york, london, premium, emergency = answer["numbers"]
    assert answer["summary"].startswith("1 number of 5 may be called now. not +493090182000: calling rule hours")
    assert berlin["allowed_from"] == "2026-03-05T08:00:00+00:00"
    assert berlin["a_person_may_allow_it"]
    assert new_york == {"number": NEW_YORK, "allowed": True, "why": []}
    assert ["calling rule countries" in london["why"][0], "allowed_from" in london] == [True, False]
    assert "premium-rate" in premium["why"][0]
    assert "emergency" in emergency["why"][0]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ('[hours]\nzone = "Europe/Berlin"\nopen = ["mon-fri 08:00-10:00"]', "the next time is Thu 2026-03-05 08:00"),
        ('[tools]\ndeny = ["dial", "transfer_call"]', "calling is not possible: it is denied by this server's policy"),
        ("[tools]\nread_only = true", "calling is not possible: this server is read-only"),
        ("[limits]\ndials_per_hour = 0", "this server's policy allows 0 numbers called an hour"),
    ],
)
async def test_no_number_may_be_called_while_another_rule_of_the_operator_forbids_all_calls(
    policed: Policed, rules: str, why: str
) -> None:
    async with policed(f"{rules}\n{DAYTIME}") as client:
        [number] = (await call(client, "may_call", numbers=[BERLIN]))["numbers"]
    assert number["allowed"] is False
    assert why in number["why"][0]


async def test_no_number_may_be_called_while_a_person_has_stopped_all_writes(policed: Policed, database: Path) -> None:
    async with policed(DAYTIME) as client:
        async with Ledger.open(url_of(database)) as ledger:
            await ledger.stop("anna", "")
        [number] = (await call(client, "may_call", numbers=[BERLIN]))["numbers"]
    assert "a person has stopped all writes" in number["why"][0]


# Ways around


@pytest.mark.parametrize(
    "spelling",
    [
        "sip:+493090182000@carrier.example",
        "sip:00493090182000@carrier.example;user=phone",
        "sip:+49-30-90182000@c.example",
    ],
)
async def test_another_spelling_of_a_number_is_the_same_person(
    world: World, policed: Policed, clock: Clock, spelling: str
) -> None:
    async with policed(DAYTIME + "attempts_per_day = 1\noverride = []") as client:
        await call(client, "dial", to=BERLIN)
        assert "may be called 1 time in 24 hours" in await refusal(client, "dial", to=spelling)
        await call(client, "add_optout", number="+49 (30) 90182000")
        assert "has opted out" in await refusal(client, "dial", to=spelling)
        clock.moment = at("2026-03-04T23:00+01:00")
        assert "Wed 23:00 in Europe/Berlin" in await refusal(client, "dial", to=spelling)
    assert dialled_numbers(world.sandbox) == [BERLIN]


@pytest.mark.parametrize("unknown", ["sip:reception@carrier.example", "sip:3090182000@carrier.example"])
async def test_a_number_of_unknown_time_zone_is_not_called(world: World, policed: Policed, unknown: str) -> None:
    async with policed(DAYTIME + 'countries = ["DE"]\noverride = []') as client:
        refused = await refusal(client, "dial", to=unknown)
    assert "a time zone that is not known" in refused
    assert "a country that is not known" in refused
    assert dialled_numbers(world.sandbox) == []


async def test_a_transfer_and_each_number_of_a_dial_are_held_to_the_rules(world: World, policed: Policed) -> None:
    caller = world.sandbox.state.legs.arrive("+12025559000", "+12025550100")
    async with policed('[calling]\ncountries = ["US"]\noverride = []') as client:
        assert "is in DE" in await refusal(client, "transfer_call", call_control_id=caller.call_control_id, to=BERLIN)
        assert "is in DE" in await refusal(client, "dial", to=[NEW_YORK, BERLIN])
    assert dialled_numbers(world.sandbox) == []


async def test_the_operators_own_agents_can_be_exempt(world: World, policed: Policed) -> None:
    rules = '[calling]\nopen = []\nattempts_per_day = 0\nexempt = ["+1212*", "sip:*@agents.example"]\noverride = []'
    async with policed(rules) as client:
        await call(client, "dial", to=NEW_YORK)
        await call(client, "dial", to="sip:anna@agents.example")
        await refusal(client, "dial", to=LOS_ANGELES)
        await refusal(client, "dial", to="sip:anna@agents.example.org")
    assert dialled_numbers(world.sandbox) == [NEW_YORK, "sip:anna@agents.example"]


# Attempts


async def test_a_spelling_with_two_numbers_is_not_exempt_if_one_of_them_is(world: World, policed: Policed) -> None:
    async with policed(f'[calling]\ncountries = ["US"]\nexempt = ["{NEW_YORK}"]\noverride = []') as client:
        await call(client, "dial", to=f"sip:{NEW_YORK}@carrier.example")
        for between in ",", "+", "*", "w":
            refused = await refusal(client, "dial", to=f"sip:{BERLIN}{between}{NEW_YORK[1:]}@carrier.example")
            assert "is in DE" in refused
    assert dialled_numbers(world.sandbox) == [f"sip:{NEW_YORK}@carrier.example"]


async def test_every_number_of_a_spelling_counts_as_called(world: World, policed: Policed) -> None:
    async with policed("[calling]\nattempts_per_day = 1\noverride = []") as client:
        await call(client, "dial", to=f"sip:00{BERLIN[1:]},00{NEW_YORK[1:]}@carrier.example")
        for number in BERLIN, NEW_YORK, f"sip:00{BERLIN[1:]},00{LOS_ANGELES[1:]}@carrier.example":
            assert "may be called 1 time in 24 hours" in await refusal(client, "dial", to=number)
        twice = [LOS_ANGELES, f"sip:{LOS_ANGELES}@carrier.example"]
        assert "1 time in 24 hours" in await refusal(client, "dial", to=twice)
        assert "has no country code" in await refusal(client, "dial", to="sip:2135550150@carrier.example")
        await call(client, "dial", to="sip:1001@office.example")
    assert len(dialled_numbers(world.sandbox)) == 2


async def test_an_opt_out_is_found_without_the_country_code(world: World, policed: Policed) -> None:
    async with policed("") as client:
        await call(client, "add_optout", number=LOS_ANGELES)
        for digits in "2135550150", "12135550150", "92135550150", "213.555.0150", "2135550150&1":
            assert "has opted out" in await refusal(client, "dial", to=f"sip:{digits}@carrier.example"), digits
    assert dialled_numbers(world.sandbox) == []


async def test_an_old_mobile_number_of_mexico_is_the_same_person(world: World, policed: Policed) -> None:
    old, new = "+5215512345678", "+525512345678"
    async with policed("") as client:
        for optout, spelling in ((old, new), (new, old), (new, f"sip:{old}@carrier.example")):
            await call(client, "add_optout", number=optout)
            assert "has opted out" in await refusal(client, "dial", to=spelling)
    assert dialled_numbers(world.sandbox) == []


async def test_attempts_are_counted_in_the_store_by_all_servers_and_for_a_day(
    world: World, policed: Policed, clock: Clock
) -> None:
    rules = "[calling]\nattempts_per_day = 2\noverride = []"
    async with policed(rules) as first, policed(rules) as second:
        await call(first, "dial", to=BERLIN)
        clock.move(hours=1)
        await call(second, "dial", to=BERLIN)
        for client in (first, second):
            refused = await refusal(client, "dial", to=[NEW_YORK, BERLIN])
            assert "allowed again from Thu 2026-03-05 11:00 UTC" in refused
        clock.move(hours=23)
        await call(first, "dial", to=BERLIN)
        await refusal(second, "dial", to=BERLIN)
    assert dialled_numbers(world.sandbox) == [BERLIN] * 3


async def test_of_two_calls_at_once_only_one_is_the_last_attempt(world: World, policed: Policed) -> None:
    rules = "[calling]\nattempts_per_day = 1\noverride = []"
    results: list[bool] = []

    async def dial(client: Client) -> None:
        results.append((await client.call_tool("dial", {"to": BERLIN})).is_error)

    async with policed(rules) as first, policed(rules) as second, anyio.create_task_group() as calls:
        for client in (first, second, first, second):
            calls.start_soon(dial, client)
    assert sorted(results) == [False, True, True, True]
    assert dialled_numbers(world.sandbox) == [BERLIN]


# Opting out


async def test_an_opt_out_holds_from_then_on_without_any_policy_and_is_audited(
    world: World, clock: Clock, database: Path
) -> None:
    async with guarded(world, clock=clock, approval="never", database=url_of(database)) as client:
        added = await call(client, "add_optout", number="0049 30 90182000")
        assert added["summary"] == "+493090182000 is on the opt-out list: it is not called."
        assert "already on the opt-out list" in (await call(client, "add_optout", number=BERLIN))["summary"]
        assert "has opted out of calls, on 2026-03-04 11:00 UTC" in await refusal(client, "dial", to=BERLIN)
        [number] = (await call(client, "may_call", numbers=[BERLIN]))["numbers"]
        assert number["allowed"] is False
    assert dialled_numbers(world.sandbox) == []
    outcomes = [entry["outcome"] for entry in await audit_entries(database)]
    assert outcomes.count("opt-out added") == 1


async def test_an_agent_that_mistypes_an_opt_out_is_asked_to_ask_again(world: World, database: Path) -> None:
    async with guarded(world, database=url_of(database)) as client:
        typo = await call(client, "add_optout", number="+1415555012")
    assert typo["summary"].startswith("+1415555012 is on the opt-out list")
    assert "ask the person for it again" in typo["summary"]


async def test_the_file_of_opt_outs_is_watched_and_without_it_nobody_is_called(
    world: World, policed: Policed, tmp_path: Path
) -> None:
    file = tmp_path / "optouts.txt"
    write_policy(file, "# asked by letter\n+1 (212) 555-0150\n")
    async with policed(f'[calling]\noptout_file = "{file}"') as client:
        assert "operator's opt-out file" in await refusal(client, "dial", to=NEW_YORK)
        write_policy(file, "+49 30 90182000\n")
        await call(client, "dial", to=NEW_YORK)
        assert "operator's opt-out file" in await refusal(client, "dial", to=BERLIN)
        write_policy(file, "phone\n+49 30 90182000\n")
        assert "Line 1 is not a phone number" in await refusal(client, "dial", to=LOS_ANGELES)
        file.unlink()
        assert "the opt-out list cannot be used" in await refusal(client, "dial", to=LOS_ANGELES)
        write_policy(file, "")
        await call(client, "dial", to=LOS_ANGELES)
    assert dialled_numbers(world.sandbox) == [NEW_YORK, LOS_ANGELES]


async def test_a_person_who_keys_the_digit_is_not_called_again(world: World, policed: Policed, database: Path) -> None:
    state = world.sandbox.state
    async with policed('[calling]\noptout_digit = "9"') as client:
        caller = state.legs.arrive("+12025559000", "+12025550100")
        dialled_leg = (await call(client, "dial", to=NEW_YORK))["call"]["call_control_id"]
        await world.sandbox.advance(5)
        state.gathers.press(caller, "1")
        state.gathers.press(state.legs.by_id[dialled_leg], "9")
        await world.sandbox.advance(1)
        while not await listed(database):
            await anyio.lowlevel.checkpoint()
        assert "has opted out" in await refusal(client, "dial", to=NEW_YORK)
        state.gathers.press(caller, "9")
        await world.sandbox.advance(1)
        while len(await listed(database)) < 2:
            await anyio.lowlevel.checkpoint()
    assert await listed(database) == ["+12025559000", NEW_YORK]


async def test_the_key_of_an_identity_opts_out_too(world: World, policed: Policed, database: Path) -> None:
    """Whose call it is on which a person presses it is not known."""
    async with policed('[identity.anna.calling]\noptout_digit = "9"'):
        caller = world.sandbox.state.legs.arrive("+12025559000", "+12025550100")
        world.sandbox.state.gathers.press(caller, "9")
        await world.sandbox.advance(1)
        while not await listed(database):
            await anyio.lowlevel.checkpoint()


async def test_an_opt_out_keyed_before_the_server_was_restarted_is_not_lost(
    world: World, policed: Policed, database: Path
) -> None:
    async with policed("") as client:  # it stores the event, and ends before it acts on it
        caller = world.sandbox.state.legs.arrive("+12025559000", "+12025550100")
        world.sandbox.state.gathers.press(caller, "9")
        await world.sandbox.advance(1)
        await world.settled()
    async with policed('[calling]\noptout_digit = "9"') as client:
        await call(client, "list_events")  # opens the store
        while not await listed(database):
            await anyio.lowlevel.checkpoint()
    assert await listed(database) == ["+12025559000"]


async def test_an_opt_out_while_the_phone_rings_forbids_connecting_the_call(world: World, policed: Policed) -> None:
    caller = world.sandbox.state.legs.arrive("+12025559000", "+12025550100").call_control_id
    async with policed("[calling]\nattempts_per_day = 5") as client:
        ringing = (await call(client, "dial", to=NEW_YORK))["call"]["call_control_id"]
        await call(client, "add_optout", number=NEW_YORK)
        for one, other in ((caller, ringing), (ringing, caller)):
            refused = await refusal(client, "bridge_calls", call_control_id=one, other_call_control_id=other)
            assert "has opted out" in refused
        assert "has opted out" in await refusal(client, "transfer_call", call_control_id=caller, to=NEW_YORK)


# Overriding a rule


async def test_a_person_may_override_a_rule_for_exactly_one_call(world: World, policed: Policed, clock: Clock) -> None:
    clock.moment = at("2026-03-04T22:00+01:00")
    person = Person(yes)
    async with policed(DAYTIME, answering=person.slowly) as client:
        await call(client, "dial", to=BERLIN)
        await call(client, "dial", to=BERLIN)
    assert len(person.questions) == 2
    assert person.questions[0].startswith(
        "A yes overrides a rule for this one call: calling rule hours: +493090182000 is called where it is Wed 22:00"
    )
    assert dialled_numbers(world.sandbox) == [BERLIN, BERLIN]


async def test_a_refusal_names_the_rule_and_when_the_call_is_allowed(policed: Policed, clock: Clock) -> None:
    clock.moment = at("2026-03-04T22:00+01:00")
    async with policed(DAYTIME, answering=Person(no).slowly) as client:
        refused = await refusal(client, "dial", to=BERLIN)
    assert "said no to dial" in refused
    assert "allowed again from Thu 2026-03-05 09:00 Europe/Berlin" in refused


async def test_an_override_is_not_one_of_a_rule_that_came_later(
    world: World, policed: Policed, clock: Clock, database: Path
) -> None:
    clock.moment = at("2026-03-04T22:00+01:00")
    async with policed(DAYTIME) as client:
        code = code_in(await refusal(client, "dial", to=BERLIN))
        await decided(database, code, now=clock)
        await call(client, "add_optout", number=BERLIN)
        assert "has opted out" in await refusal(client, "dial", to=BERLIN)
    assert dialled_numbers(world.sandbox) == []


async def test_a_policy_can_forbid_overrides_and_always_forbids_those_of_opt_outs(
    world: World, policed: Policed, clock: Clock
) -> None:
    clock.moment = at("2026-03-04T22:00+01:00")
    person = Person(yes)
    async with policed(DAYTIME + 'override = ["attempts"]', answering=person.slowly) as client:
        await refusal(client, "dial", to=BERLIN)
    async with policed("[calling]\nattempts_per_day = 9", answering=person.slowly) as client:
        await call(client, "add_optout", number=BERLIN)
        await refusal(client, "dial", to=BERLIN)
    async with policed('[calling]\noverride = ["optout"]', answering=person.slowly) as client:
        await call(client, "dial", to=BERLIN)
    assert len(person.questions) == 1
    assert dialled_numbers(world.sandbox) == [BERLIN]

"""What every source allows: the order of precedence, and that nothing loosens it."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from support.examples import CALL, CONFERENCE_ID, OTHER_CALL
from support.fuzzing import examples
from support.rows import each_row
from telnyx_conferencing.server.guard import Policy as GuardPolicy
from telnyx_conferencing.server.guard.policy import (
    ApprovalPolicy,
    ConferenceFacts,
    Policy,
    Rules,
    ToolRules,
)
from telnyx_conferencing.tools import TOOLS
from telnyx_conferencing.tools.base import Command, Risk, Tool

from .policies import ANY_COMMAND, RULES, Known, command, out_of_scope, policy, run_now, waiting_in_support

TOOL_OF = {tool.tool_name(): tool for tool in TOOLS}
READS = {tool.tool_name() for tool in TOOLS if tool.is_read()}

OFF = "toolset queues is switched off on this server"
READ_ONLY = "this server is read-only"
DENIED = "it is denied by this server's policy"
NOT_ALLOWED = "it is not among the tools this server's policy allows"
REFUSED = "it is always refused by this server's policy"


def names(of: Policy) -> set[str]:
    return {tool.tool_name() for tool in of.allowed(TOOLS)}


def test_without_a_source_every_tool_exists_and_the_level_is_destructive() -> None:
    assert Policy().allowed(TOOLS) == list(TOOLS)
    assert Policy().decide(command("end_conference")).approval is ApprovalPolicy.ASK
    assert Policy().decide(command("leave_conference")).approval is ApprovalPolicy.NEVER


def test_the_guard_passes_it_on() -> None:
    assert GuardPolicy is Policy


REFUSALS = [
    ("toolsets = ['audio', 'events']", "delete_queue", OFF),
    ("toolsets = []", "list_queues", OFF),
    ("toolsets = ['queues']", "delete_queue", None),
    ("read_only = true", "delete_queue", READ_ONLY),
    ("read_only = true", "list_queues", None),
    ("deny = ['delete_*']", "delete_queue", DENIED),
    ("deny = ['delete_*']", "create_queue", None),
    ("allow = ['list_*']", "delete_queue", NOT_ALLOWED),
    ("allow = ['list_*']", "list_queues", None),
    ("allow = []", "list_queues", NOT_ALLOWED),
    ("allow = ['*']\ndeny = ['*']", "list_queues", DENIED),
    # in this order
    ("toolsets = []\nread_only = true\ndeny = ['*']\nallow = []", "delete_queue", OFF),
    ("read_only = true\ndeny = ['*']\nallow = []", "delete_queue", READ_ONLY),
    ("deny = ['*']\nallow = []", "delete_queue", DENIED),
    ("allow = []\n[approval.tool]\ndelete_queue = 'refuse'", "delete_queue", NOT_ALLOWED),
    ("[approval.tool]\ndelete_queue = 'refuse'", "delete_queue", REFUSED),
    ("[approval.tool]\ndelete_queue = 'ask'", "delete_queue", None),
]


@each_row(("rules", "tool", "why"), REFUSALS)
def test_a_tool_that_is_not_allowed_does_not_exist(rules: str, tool: str, why: str | None) -> None:
    rulings = policy(f"[tools]\n{rules}")
    assert rulings.refusal(TOOL_OF[tool]) == why
    assert (TOOL_OF[tool] in rulings.allowed(TOOLS)) is (why is None)


def test_the_tools_that_exist_keep_their_order() -> None:
    some = Policy([Rules(tools=ToolRules(allow=["speak_text", "list_*"]))]).allowed(TOOLS)
    assert some == [tool for tool in TOOLS if tool in some]


def test_a_tool_exists_only_if_every_source_allows_it() -> None:
    allowing = "tools.allow = ['list_*', 'end_conference']"
    for sources in permutations(
        [allowing, "tools.deny = ['list_queues']", "tools.toolsets = ['conferences', 'queues']"]
    ):
        assert names(policy(*sources)) == {"list_conferences", "list_queue_calls", "end_conference"}


def test_a_source_cannot_allow_a_tool_that_another_source_denies() -> None:
    for sources in permutations(["tools.read_only = true", "tools.read_only = false", "tools.allow = ['*']"]):
        assert names(policy(*sources)) == READS


NEVER, ASK, ASK_EACH, REFUSE = ApprovalPolicy
ENTRY = "approval.tool.mute_participants = "
APPROVALS: list[tuple[list[str], ApprovalPolicy, ApprovalPolicy]] = [
    # (sources, for routine, for disruptive)
    ([], NEVER, NEVER),
    (["approval.level = 'destructive'"], NEVER, NEVER),
    (["approval.level = 'disruptive'"], NEVER, ASK),
    (["approval.level = 'all'"], ASK, ASK),
    (["approval.level = 'never'"], NEVER, NEVER),
    # an entry stands in place of the level of its own source
    ([f"{ENTRY}'ask'\napproval.level = 'never'"], ASK, ASK),
    ([f"{ENTRY}'never'\napproval.level = 'all'"], NEVER, NEVER),
    ([f"{ENTRY}'refuse'"], REFUSE, REFUSE),
    # of two that say something, the stricter
    ([f"{ENTRY}'never'", "approval.level = 'disruptive'"], NEVER, ASK),
    ([f"{ENTRY}'never'", f"{ENTRY}'ask'"], ASK, ASK),
    ([f"{ENTRY}'ask'", f"{ENTRY}'ask_each'"], ASK_EACH, ASK_EACH),
    ([f"{ENTRY}'ask'", f"{ENTRY}'refuse'", f"{ENTRY}'never'"], REFUSE, REFUSE),
    (["approval.level = 'never'", "approval.level = 'all'"], ASK, ASK),
    # one that says nothing of it does not count
    (["approval.level = 'all'", "approval.tool.speak_text = 'never'"], ASK, ASK),
    ([f"{ENTRY}'never'", "approval.tool.speak_text = 'ask'"], NEVER, NEVER),
]


@each_row(("sources", "routine", "disruptive"), APPROVALS)
def test_a_person_is_asked_as_the_stricter_source_wants(
    sources: list[str], routine: ApprovalPolicy, disruptive: ApprovalPolicy
) -> None:
    for order in permutations(sources):
        rulings = policy(*order)
        assert rulings.decide(command("mute_participants", call_control_ids=[CALL])).approval is routine
        assert rulings.decide(command("mute_participants")).approval is disruptive


def test_a_tool_for_which_nobody_is_asked_is_not_asked_about_at_the_default_level_either() -> None:
    assert (
        policy("approval.tool.end_conference = 'never'").decide(command("end_conference")).approval
        is ApprovalPolicy.NEVER
    )


@each_row("tool", sorted(READS))
def test_a_read_is_never_asked_about(tool: str) -> None:
    assert policy("approval.level = 'all'").approval_at(TOOL_OF[tool], Risk.READ) is ApprovalPolicy.NEVER


FEW = examples(50)
"""Rules are large, and slow to make."""

FACTS = {CONFERENCE_ID: ConferenceFacts("Standup", "1", "US")}


def known() -> Known:
    return Known(FACTS, {"support": "support"}, waiting_in_support(CALL, "1"), {CALL: "1", OTHER_CALL: "2"})


async def refuses(rulings: Policy, call: Command) -> bool:
    why = rulings.refusal(type(call)) or await out_of_scope(rulings, call, known())
    return why is not None or rulings.decide(call).approval is ApprovalPolicy.REFUSE


@FEW
@given(RULES, RULES, ANY_COMMAND)
def test_a_refusal_by_one_source_cannot_be_lifted_by_another(one: Rules, other: Rules, call: Command) -> None:
    alone = run_now(refuses(Policy([one]), call))
    for sources in ([one, other], [other, one]):
        assert run_now(refuses(Policy(sources), call)) or not alone


@FEW
@given(RULES, RULES)
def test_another_source_adds_no_tool(one: Rules, other: Rules) -> None:
    allowed_by_both: set[type[Tool]] = set(Policy([one, other]).allowed(TOOLS))
    assert allowed_by_both == set(Policy([one]).allowed(TOOLS)) & set(Policy([other]).allowed(TOOLS))


@FEW
@given(RULES, RULES, ANY_COMMAND)
def test_another_source_cannot_loosen_an_approval_rule(one: Rules, other: Rules, call: Command) -> None:
    rising = list(ApprovalPolicy)
    alone, both = Policy([one]).decide(call).approval, Policy([one, other]).decide(call).approval
    was_said = one.approval.for_tool(call.tool_name()) is not None
    assert not was_said or rising.index(both) >= rising.index(alone)


@FEW
@given(RULES, RULES, ANY_COMMAND, st.sampled_from(["anna", "an*", "*", "ben", "Anna"]))
def test_identity_rules_are_one_more_source_for_that_identity_only(
    everybodys: Rules, own: Rules, call: Command, pattern: str
) -> None:
    both = Policy([everybodys.model_copy(update={"identity": {pattern: own}})])
    theirs = both.of("anna", may_control=True)
    matches = pattern in ("anna", "an*", "*")
    same = Policy([everybodys, own] if matches else [everybodys])
    assert theirs.allowed(TOOLS) == same.allowed(TOOLS)
    assert theirs.decide(call).approval is same.decide(call).approval
    assert run_now(refuses(theirs, call)) == run_now(refuses(same, call))
    assert both.allowed(TOOLS) == Policy([everybodys]).allowed(TOOLS)
    counted = {limit.key for limit in theirs.decide(call).limits(call)} - {
        limit.key for limit in both.decide(call).limits(call)
    }
    assert all(key.endswith(":of:anna") for key in counted)


@FEW
@given(RULES)
def test_a_caller_without_the_control_scope_has_only_the_read_tools_that_others_have(rules: Rules) -> None:
    policy = Policy([rules])
    reads = [tool for tool in policy.allowed(TOOLS) if tool.is_read()]
    assert policy.of("anna", may_control=False).allowed(TOOLS) == reads


@FEW
@given(RULES, RULES, ANY_COMMAND)
def test_the_order_of_the_sources_decides_nothing(one: Rules, other: Rules, call: Command) -> None:
    first, second = Policy([one, other]), Policy([other, one])
    assert first.allowed(TOOLS) == second.allowed(TOOLS)
    assert first.decide(call).approval is second.decide(call).approval
    assert set(first.decide(call).limits(call)) == set(second.decide(call).limits(call))
    assert first.decide(call).most_people == second.decide(call).most_people

"""A policy in plain words, with what in it is likely a mistake."""

from support.examples import COMMAND_OF
from support.rows import each_row
from telnyx_conferencing.server.guard.policy import Policy, explain_policy
from telnyx_conferencing.tools import COMMANDS

from .policies import policy

SMALL = """
[tools]
allow = ["list_queues", "join_conference", "end_conference", "mute_participants", "speak_text", "stop_recording"]
deny = ["stop_*"]
[scope]
conferences = ["Support *", "Sales"]
regions = ["US"]
audio_hosts = ["cdn.example.com"]
[limits]
calls_per_minute = 120
[limits.risk.disruptive]
most_people = 3
[limits.tool.speak_text]
speech_characters_per_hour = 500
[hours]
zone = "Europe/Berlin"
open = ["mon-fri 08:00-18:00", "sat 22:00-02:00"]
[approval.tool]
speak_text = "ask"
mute_participants = "refuse"

[calling]
open = ["mon-sat 09:00-20:00"]
countries = ["US", "ca"]
attempts_per_day = 3
optout_digit = "*"
exempt = ["sip:*@agents.example"]
override = ["hours"]
[recording]
consent = "keyed"
announcement = "This call is recorded. Press 1 to agree."
digit = "1"
"""
TOOLSETS = ("list_queues", "join_conference", "end_conference", "mute_participants", "speak_text", "stop_recording")


def without_effects(explanation: str) -> str:
    before, _, after = explanation.partition("Effects that a person is asked about\n")
    return before + after.partition("\n\n")[2]


def test_the_effects_that_a_person_is_asked_about_are_named() -> None:
    explanation = explain_policy(Policy())
    assert "  end_conference_on_exit: true: it makes the conference end and hangs up everyone in it when" in explanation
    assert (
        "  the caller loses the place in the queue: by enqueue_call for a call that waits in another queue\n"
        in explanation
    )
    assert "  a person is moved" not in explanation
    assert "  a person is moved: by create_conference, join_" in explain_policy(policy("approval.level = 'disruptive'"))
    assert "Effects that a person is asked about\n  none\n" in explain_policy(policy("approval.level = 'never'"))


def test_a_policy_in_plain_words() -> None:
    some = [tool for tool in COMMANDS if tool.tool_name() in TOOLSETS or tool.tool_name() == "leave_queue"]
    assert without_effects(explain_policy(policy(SMALL), some)) == (
        "Tools\n"
        "  4 of 7 are available\n"
        "  reads: list_queues\n"
        "  a person is asked with supervisor_role monitor or whisper: join_conference\n"
        "  a person is asked: end_conference, speak_text\n"
        "  not available (always refused by this server's policy): mute_participants\n"
        "  not available (denied by this server's policy): stop_recording\n"
        "  not available (not among the tools this server's policy allows): leave_queue\n"
        "\n"
        "Scope of writes\n"
        "  only conferences named Support * or Sales\n"
        "  only regions US\n"
        "  audio: https URLs on cdn.example.com\n"
        "\n"
        "Limits\n"
        "  all writes: at most 120 calls a minute\n"
        "  disruptive risk: at most 3 people affected by one call\n"
        "  speak_text: at most 500 characters of speech an hour\n"
        "\n"
        "Hours of writes\n"
        "  mon-fri 08:00-18:00 and sat 22:00-02:00 (Europe/Berlin)\n"
        "\n"
        "Calling rules\n"
        "  calls go only to US, CA\n"
        "  calls only mon-sat 09:00-20:00, in the time zone of the number\n"
        "  a number is called at most 3 times in 24 hours\n"
        "  key * on a call opts out of calls\n"
        "  not for sip:*@agents.example\n"
        "  a person may override: hours\n"
        "\n"
        "Recording\n"
        "  people are recorded only after they have heard the announcement and have pressed 1\n"
        "\n"
        "Warnings\n"
        "  tools.allow names stop_recording, and tools.deny takes it away: deny wins."
    )


def test_the_explanation_names_identities_with_rules_of_their_own() -> None:
    explanation = explain_policy(
        policy(
            """
            limits.calls_per_minute = 120
            [identity.anna]
            tools = { deny = ["end_conference"] }
            limits = { calls_per_minute = 5 }
            [identity."oauth:*".approval]
            level = "never"
            by_another = true
            """
        ),
        [COMMAND_OF[name] for name in ("list_queues", "end_conference")],
    )
    assert explanation.partition("Identities\n")[2] == (
        "  anna: 1 of 2 are available\n"
        "  anna: not available (denied by this server's policy): end_conference\n"
        "  anna: all writes: at most 5 calls a minute\n"
        "  oauth:*: nobody is asked: end_conference\n"
        "  oauth:*: the caller is not asked: another person answers, outside the conversation\n"
        "\n"
        "Warnings\n"
        "  oauth:*: approval.level is never: actions that cannot be undone run without asking a person."
    )


def test_a_policy_that_says_nothing() -> None:
    explanation = explain_policy(Policy())
    assert "\n  nobody is asked: create_conference, " in explanation
    sections = ("Limits\n  none", "Hours of writes\n  none", "Calling rules\n  none")
    recording = "Recording\n  people are recorded without an announcement by this server"
    assert "\n\n".join(("", *sections, recording, "Warnings\n  none")) in explanation


MISTAKES = {
    "tools.allow = ['list_*', 'end_*']\ntools.deny = ['*_conference']": "tools.allow names end_*, and tools.deny "
    "takes it away: deny wins.",
    "tools.toolsets = []": "No tool exists on this server.",
    "calling.open = []": "calling.open is empty: nobody is called.",
    "calling.attempts_per_day = 0": "calling.attempts_per_day is 0: nobody is called.",
    "calling.optout_file = '/nowhere/optouts'": "calling.optout_file names /nowhere/optouts, which is not there: "
    "nobody is called without it.",
    "calling.override = ['optout']": "calling.override names optout: a person may have people called who asked "
    "not to be.",
    "scope.queues = []": "scope.queues is empty: it allows nothing.",
    "scope.audio_http = true": "scope.audio_http is true: audio fetched over http can be changed on its way.",
    "limits.calls_per_minute = 0": "The limit of calls a minute for all writes is 0: such calls are never sent.",
    "limits.tool.speak_text.most_people = 0": "The limit of people affected by one call for speak_text is 0: such "
    "calls are never sent.",
    "tools.deny = ['speak_*']\nlimits.tool.speak_text.most_people = 2": "limits.tool.speak_text: this tool does not "
    "exist here, because it is denied by this server's policy.",
    "hours = { zone = 'UTC', open = [] }": "hours.open is empty: writes are never open.",
    "hours = { zone = 'UTC', open = ['mon 00:00-00:00'] }": "The window mon 00:00-00:00 ends when it begins and never "
    "opens; a whole day is 00:00-24:00.",
    "approval.level = 'never'": "approval.level is never: actions that cannot be undone run without asking a person.",
    "tools.read_only = true\napproval.tool.speak_text = 'ask'": "approval.tool.speak_text: this tool does not exist "
    "here, because this server is read-only.",
}  # fmt: skip


@each_row(("text", "warning"), MISTAKES.items())
def test_probable_mistakes_are_warned_about(text: str, warning: str) -> None:
    assert explain_policy(policy(text)).partition("Warnings\n")[2].split("\n") == [f"  {warning}"]


@each_row(
    "text",
    [
        "tools.allow = ['*']\ntools.deny = ['end_conference']",
        "approval.tool.end_conference = 'refuse'",
        "hours = { zone = 'UTC', open = ['mon-sun 00:00-24:00'] }",
        "limits.calls_per_minute = 1",
    ],
)
def test_an_intended_policy_causes_no_warning(text: str) -> None:
    assert explain_policy(policy(text)).endswith("Warnings\n  none")


def test_alerts_are_explained_in_plain_words() -> None:
    explanation = explain_policy(
        policy(
            """
            alerts = [
                { name = "wait", when = "queue_wait", after = "2m", queues = ["support-*", "sales"] },
                { name = "long", when = "queue_length", above = 10 },
                { name = "consent", when = "recording_without_consent", after = "20s" },
                { name = "code", when = "approval_expiring", before = "1m" },
            ]
            """
        )
    )
    assert explanation.partition("Alerts\n")[2].partition("\n\n")[0].splitlines() == [
        "  wait: a call waits in a queue for longer than 2 min (queues named support-* or sales)",
        "  long: more than 10 calls wait in a queue",
        "  consent: a conference is recorded, and a participant has heard no announcement, for longer than 20 s",
        "  code: an approval request expires within 1 min",
    ]

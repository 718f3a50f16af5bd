"""A policy file is read exactly, and what is wrong in it is said in plain sentences."""

from typing import get_args

import pytest

from support.rows import each_row
from telnyx_conferencing.server.guard.policy import (
    ApprovalPolicy,
    ApprovalRules,
    CallingRules,
    ConsentMode,
    HourRules,
    LimitRules,
    Measures,
    PolicyError,
    RecordingRules,
    Rules,
    ScopeRules,
    ToolRules,
    read_rules,
)
from telnyx_conferencing.tools.base import ApprovalLevel
from telnyx_conferencing.tools.voices import Language

EVERYTHING = """
[tools]
toolsets = ["conferences", "participants"]
allow = ["list_*", "get_*", "mute_participants"]
deny = ["end_conference"]
read_only = false

[scope]
conferences = ["Support *"]
queues = ["support-*"]
connections = ["1494404757140276705"]
regions = ["US", "Europe"]
numbers = ["+1", "+49"]
audio_hosts = ["CDN.example.com.", "*.example.org"]
audio_http = false

[limits]                       # all writes together
calls_per_minute = 120
whole_room_per_hour = 20
speech_characters_per_hour = 50000
most_people = 50
[limits.risk.disruptive]       # routine, disruptive, destructive
calls_per_minute = 10
[limits.tool.speak_text]
calls_per_minute = 6

[hours]
zone = "Europe/Berlin"
open = ["mon-fri 08:00-18:00", "sat 22:00-02:00"]   # may cross midnight; several windows

[calling]
open = ["mon-sat 09:00-20:00"] # in the time zone of the number
countries = ["us"]
attempts_per_day = 3
optout_file = "/etc/telnyx/optouts.txt"
optout_digit = "9"
exempt = ["+1202555*"]
override = ["hours"]

[recording]
consent = "keyed"              # none, announce, keyed
announcement = "This call is recorded. Press 1 to agree."
voice = "AWS.Polly.Joanna"
digit = "1"

[approval]
level = "destructive"          # destructive, disruptive, all, never
[approval.tool]
speak_text = "ask"             # ask, never, refuse
end_conference = "refuse"
"""


def test_a_file_may_say_everything() -> None:
    assert read_rules(EVERYTHING) == Rules(
        tools=ToolRules(
            toolsets=["conferences", "participants"],
            allow=["list_*", "get_*", "mute_participants"],
            deny=["end_conference"],
        ),
        scope=ScopeRules(
            conferences=["Support *"],
            queues=["support-*"],
            connections=["1494404757140276705"],
            regions=["US", "Europe"],
            numbers=["+1", "+49"],
            audio_hosts=["cdn.example.com", "*.example.org"],
            audio_http=False,
        ),
        limits=LimitRules(
            calls_per_minute=120,
            whole_room_per_hour=20,
            speech_characters_per_hour=50000,
            most_people=50,
            risk={"disruptive": Measures(calls_per_minute=10)},
            tool={"speak_text": Measures(calls_per_minute=6)},
        ),
        hours=HourRules(zone="Europe/Berlin", open=["mon-fri 08:00-18:00", "sat 22:00-02:00"]),
        calling=CallingRules(
            open=["mon-sat 09:00-20:00"],
            countries=["US"],
            attempts_per_day=3,
            optout_file="/etc/telnyx/optouts.txt",
            optout_digit="9",
            exempt=["+1202555*"],
            override=["hours"],
        ),
        recording=RecordingRules(
            consent=ConsentMode.KEYED,
            announcement="This call is recorded. Press 1 to agree.",
            voice="AWS.Polly.Joanna",
            digit="1",
        ),
        approval=ApprovalRules(
            level=ApprovalLevel.DESTRUCTIVE,
            tool={"speak_text": ApprovalPolicy.ASK, "end_conference": ApprovalPolicy.REFUSE},
        ),
    )


@each_row("text", ["", "# nothing yet\n", "[tools]\n[limits.risk]\n[approval.tool]\n"])
def test_an_empty_file_says_nothing(text: str) -> None:
    assert read_rules(text) == Rules()


def test_a_set_of_names_from_the_command_line_is_kept_in_one_order() -> None:
    toolsets = frozenset({"queues", "audio", "events"})
    assert ToolRules(toolsets=toolsets).toolsets == ("audio", "events", "queues")


TAKES = (
    "it takes calls_per_minute, whole_room_per_hour, speech_characters_per_hour, most_people, dials_per_hour, "
    "concurrent_calls."
)
LIST = 'must be a list of texts, each in quotes, such as ["a", "b"].'
COUNT = "must be a whole number, 0 or more."
TABLE = "must be a table, its keys below a line with its name in brackets."
HOST = "is not a host such as cdn.example.com or *.example.org, without scheme, port and path, and in its xn-- form if "
WINDOW = "is not days and times such as mon-fri 08:00-18:00 or sat,sun 22:00-02:00"
REGIONS = "there are Australia, Europe, Middle East, US"
INSIDE = "is not a public host, and no policy allows another"
WRONG = {
    "[tols]": "There is no 'tols' in a policy (did you mean tools?); "
    "it takes tools, scope, limits, hours, calling, approval, identity, recording, alerts.",
    "[recording]\nlanguage = 'en'": f"recording.language: must be one of {', '.join(get_args(Language))}; "
    "is 'en' (did you mean ",
    '[identity.anna.recording]\nconsent = "announce"': "There is no 'recording' in [identity.anna] "
    "(did you mean calling?); it takes tools, scope, limits, hours, calling, approval.",
    "[tools]\ntoolset = []": "There is no 'toolset' in [tools] (did you mean toolsets?); "
    "it takes toolsets, allow, deny, read_only.",
    "[scope]\nconference = []": "There is no 'conference' in [scope] (did you mean conferences?); it takes "
    "conferences, queues, connections, regions, numbers, audio_hosts, audio_http.",
    "[hours]\ntimezone = 'UTC'": "There is no 'timezone' in [hours] (did you mean zone?); it takes zone, open.",
    "[approval]\nlevels = 'all'": "There is no 'levels' in [approval] (did you mean level?); "
    "it takes level, by_another, tool.",
    "[limits]\ncalls = 1": f"There is no 'calls' in [limits] (did you mean concurrent_calls?); {TAKES[:-1]}, "
    "risk, tool.",
    "[limits.risk.routine]\ncalls = 1": "There is no 'calls' in [limits.risk.routine] (did you mean "
    f"concurrent_calls?); {TAKES}",
    "[limits.tool.speak_text]\npeople = 1": "There is no 'people' in [limits.tool.speak_text] (did you mean "
    f"most_people?); {TAKES}",
    "tools = 3": f"tools: {TABLE}",
    "limits.risk = 3": f"limits.risk: {TABLE}",
    "limits.tool.speak_text = 3": f"limits.tool.speak_text: {TABLE}",
    "tools.allow = 'list_*'": f"tools.allow: {LIST}",
    "scope.connections = [1494404757140276705]": f"scope.connections: {LIST}",
    "tools.toolsets = ['queue']": "tools.toolsets: there is no toolset 'queue' (did you mean queues?); there are "
    "core, default, all, conferences, participants, audio, recordings, queues, calls, call_audio, call_recordings, "
    "call_state, transcription, events, reports, permissions, board, account.",
    "tools.allow = ['lst_*']": "tools.allow: no tool is named 'lst_*' (did you mean list_queues?).",
    "tools.deny = ['end_confernce', 'Speak_Text']": "tools.deny: no tool is named 'end_confernce' (did you mean "
    "end_conference?); no tool is named 'Speak_Text' (did you mean speak_text?).",
    "tools.read_only = 1": "tools.read_only: must be true or false.",
    "scope.audio_http = 'no'": "scope.audio_http: must be true or false.",
    "scope.conferences = ['']": "scope.conferences: an entry is empty; every name is *.",
    "scope.queues = [' ']": "scope.queues: an entry is empty; every name is *.",
    "scope.connections = ['a b']": "scope.connections: 'a b' is not an id of a connection, such as "
    "1494404757140276705.",
    "scope.regions = ['us']": f"scope.regions: there is no region 'us' (did you mean US?); {REGIONS}.",
    "scope.numbers = ['0049']": "scope.numbers: '0049' is not the beginning of an E.164 number, such as +1 or +4930.",
    "scope.audio_hosts = ['https://cdn.example.com']": f"scope.audio_hosts: 'https://cdn.example.com' {HOST}"
    "it is not ASCII.",
    "scope.audio_hosts = ['localhost']": f"scope.audio_hosts: 'localhost' {INSIDE}.",
    "scope.audio_hosts = ['*.internal', '10.0.0.1']": f"scope.audio_hosts: '*.internal' {INSIDE}; '10.0.0.1' {INSIDE}.",
    "limits.calls_per_minute = -1": f"limits.calls_per_minute: {COUNT}",
    "limits.most_people = 1.5": f"limits.most_people: {COUNT}",
    "limits.whole_room_per_hour = true": f"limits.whole_room_per_hour: {COUNT}",
    "limits.speech_characters_per_hour = '9'": f"limits.speech_characters_per_hour: {COUNT}",
    "limits.risk.read.most_people = 1": "limits.risk.read: there is no risk to limit 'read' (did you mean "
    "routine?); there are routine, disruptive, destructive.",
    "limits.tool.speak.most_people = 1": "limits.tool.speak: there is no tool 'speak' (did you mean speak_text?).",
    "hours = { zone = 1, open = [] }": "hours.zone: must be a text in quotes.",
    "hours.zone = 'UTC'": "hours: open is missing: give zone and open, or neither.",
    "calling.countries = ['USA']": "calling.countries: 'USA' is not the two-letter code of a country, such as US "
    "or DE.",
    "calling.optout_digit = '10'": "calling.optout_digit: must be one key: 0 to 9, * or #.",
    "calling.optout_file = 'optouts.txt'": "calling.optout_file: must be an absolute path, such as "
    "/etc/telnyx/optouts.txt.",
    "calling.optout_file = '~no-such-user/optouts.txt'": "calling.optout_file: must be an absolute path, such as "
    "/etc/telnyx/optouts.txt.",
    'calling.optout_file = "/etc/\\u0000"': "calling.optout_file: must be an absolute path, such as "
    "/etc/telnyx/optouts.txt.",
    "calling.override = ['hour']": "calling.override: there is no calling rule 'hour' (did you mean hours?); there are "
    "optout, countries, hours, attempts.",
    "calling.open = ['9-20']": f"calling.open: '9-20' {WINDOW}.",
    "approval.tool.add_optout = 'ask'": "approval.tool.add_optout: nobody is asked about it; to "
    "remove it, name it in tools.deny.",
    "recording.consent = 'yes'": "recording.consent: must be one of none, announce, keyed.",
    "recording.consent = 'announce'": "recording: give either announcement or announcement_url.",
    "recording = { consent = 'keyed', announcement = 'You are recorded.' }": "recording: digit is missing: the key by "
    "which a person agrees.",
    "recording.announcement_url = 'http://localhost/a.mp3'": "recording.announcement_url: may not be used: it begins "
    "with http.",
    "hours.open = []": "hours: zone is missing: give zone and open, or neither.",
    "hours = { zone = 'Europe/Belin', open = [] }": "hours.zone: there is no time zone 'Europe/Belin' (did you mean "
    "Europe/Berlin?).",
    "hours = { zone = '../etc/passwd', open = [] }": "hours.zone: there is no time zone '../etc/passwd' (did you mean ",
    "hours = { zone = 'UTC', open = ['mon 8-18'] }": f"hours.open: 'mon 8-18' {WINDOW}.",
    "hours = { zone = 'UTC', open = ['mon 25:00-26:00'] }": f"hours.open: 'mon 25:00-26:00' {WINDOW}.",
    "hours = { zone = 'UTC', open = ['mon-fry 08:00-18:00'] }": "hours.open: 'mon-fry 08:00-18:00' names the day "
    "'fry'; days are mon, tue, wed, thu, fri, sat, sun.",
    "approval.level = 'high'": "approval.level: must be one of destructive, disruptive, all, never.",
    "approval.tool.speak_text = 'yes'": "approval.tool.speak_text: must be one of never, ask, ask_each, refuse.",
    "approval.tool.speak = 'ask'": "approval.tool.speak: there is no tool 'speak' (did you mean speak_text?).",
    "approval.tool.list_queues = 'refuse'": "approval.tool.list_queues: it changes nothing, so nobody is asked; to "
    "remove it, name it in tools.deny.",
    "alerts = 3": "alerts: must be a list of tables, each below a line [[alerts]].",
    "[[alerts]]\nwhen = 'alone'\nafter = '1m'": "alerts.1.name: is missing.",
    "[[alerts]]\nname = 'a b'\nwhen = 'alone'\nafter = '1m'": "alerts.1.name: must be 1 to 64 letters, digits, - or _, "
    "such as long-wait.",
    "[[alerts]]\nname = 'a'\nwhen = 'allone'\nafter = '1m'": "alerts.1.when: must be one of queue_wait, queue_length, "
    "on_hold, no_host, alone, recording_without_consent, webhook_gap, approval_expiring.",
    "[[alerts]]\nname = 'a'\nwhen = 'alone'": "alerts.1: after is missing: alone needs it.",
    "[[alerts]]\nname = 'a'\nwhen = 'alone'\nafter = 60": "alerts.1.after: must be a time in quotes, such as "
    '"30s", "5m" or "12h".',
    "[[alerts]]\nname = 'a'\nwhen = 'alone'\nafter = '1m'\nabove = 3": "alerts.1: above has no meaning for alone; it "
    "is for queue_length.",
    "[[alerts]]\nname = 'a'\nwhen = 'alone'\nafer = '1m'": "There is no 'afer' in [alerts.1] (did you mean after?); it "
    "takes name, when, after, above, before, queues, conferences, announcements, clear_after.",
    "alerts = [{ name = 'a', when = 'alone', after = '1m' }, { name = 'a', when = 'alone', after = '2m' }]": "alerts: "
    "two alerts have the name a.",
    "[tools]\ndeny = [\n  'end_conference'\n  'x'\n]": "At line 4, column 3 it is not TOML: Unclosed array.",
    "[tools]\n\n[tools]\n": "At line 3, column 7 it is not TOML: Cannot declare ('tools',) twice.",
    "[tools]\ndeny =\n\n": "At line 2, column 7 it is not TOML: Invalid value.",
    "[tools]\ndeny = ": "At line 2, where it ends, it is not TOML: Invalid value.",
    f"deny = {'[' * 5000}": "It cannot be read as TOML: it is nested too deeply.",
}


@each_row(("text", "message"), WRONG.items())
def test_a_policy_error_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as problem:
        read_rules(text)
    assert str(problem.value).startswith(message)
    assert message.endswith("(did you mean ") or str(problem.value) == message


def test_all_policy_errors_are_reported_at_once() -> None:
    with pytest.raises(PolicyError) as problem:
        read_rules("tools.read_only = 'x'\nlimits.most_people = -1\nfoo = 1")
    message = str(problem.value)
    assert "tools.read_only: must" in message
    assert "limits.most_people: must" in message
    assert "There is no 'foo'" in message

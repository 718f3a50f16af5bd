"""No URL points into a private network, however it is spelt."""
# ruff: noqa: RUF001 (letters that look like others are what it is about)

from typing import Any, get_args

import pytest
from pydantic.fields import FieldInfo

from support.rows import each_row
from telnyx_conferencing.server.guard.policy import Policy, Rules, ScopeRules
from telnyx_conferencing.tools import COMMANDS
from telnyx_conferencing.tools.types import AudioUrl

from .policies import Known, command, out_of_scope

pytestmark = pytest.mark.anyio

NOT_PUBLIC = "its host is not a public one, spelt in the usual way"
CREDENTIALS = "it has a user name or password in it"
UNREADABLE = "its host cannot be read"
NOT_PLAIN = "it is not a plain URL"
NOT_ASCII = "its host is not ASCII; write it in its xn-- form"
ENCODED = "its host is percent-encoded"

PUBLIC = [
    "https://example.com",
    "https://example.com/a.mp3",
    "https://example.com./a.mp3",
    "HTTPS://EXAMPLE.COM/a.mp3",
    "https://cdn-1.example.co.uk:8443/a.mp3?take=2#x",
    "https://example.com/u@x/a%20b.mp3?to=http://10.0.0.1/",
    "https://example.com?@10.0.0.1",
    "https://example.com/große.mp3",
    "https://xn--bcher-kva.example/a.mp3",
    "https://localhost.example.com/a.mp3",
    "https://internal.example.org/a.mp3",
    "https://1.example.com/a.mp3",
    "https://8.8.8.8/a.mp3",
    "https://172.32.0.1/a.mp3",
    "https://[2606:4700:4700::1111]/a.mp3",
    "https://[2606:4700:4700:0:0:0:0:1111]:443/a.mp3",
]

HOSTS = {
    NOT_PUBLIC: [
        # this machine and its network, in the usual spelling
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9",
        "224.0.0.1",
        "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "127.0.0.1:8080", "127.0.0.1.",
        # as inet_aton also takes them
        "2130706433", "0x7f000001", "0X7F000001", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1",
        "0x7f.1", "127.0.0.0x1", "00000177.1", "167772161", "012.1.2.3", "3232235777", "0xA9FEA9FE", "169.254.43518",
        "0", "0x", "1.2.3.4.5", "256.1.1.1", "010.8.8.8", "8.8.8.08", "134744072", "example.0x7f", "127.0.0.1..",
        # IPv6
        "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[fc00::1]", "[fd12:3456::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]",
        "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "[::1]:443", "[1:2]", "[:::]",
        # IPv6 that stands for IPv4
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:10.0.0.1]", "[0:0:0:0:0:ffff:c0a8:0101]", "[::127.0.0.1]",
        "[::ffff:0:10.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a00:1]",
        "[64:ff9b:1::a00:1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[2606:4700::5efe:10.0.0.1]",
        "[2606:4700::200:5efe:a00:1]", "[::ffff:8.8.8.8]",
        # names of this machine and its network
        "localhost", "LOCALHOST", "localhost.", "localhost:443", "a.localhost", "printer.local", "Printer.LOCAL.",
        "local.", "metadata.google.internal", "db.lan", "nas.home.arpa", "home.arpa", "x.localdomain", "wiki.corp",
        "intranet", "router", "com", "a.b.internal.",
        # no names
        "example.com..", ".example.com", "example..com", "-a.example.com", "a-.example.com",
        f"{'a' * 64}.com", f"{'a.' * 130}com",
    ],
    CREDENTIALS: ["example.com@127.0.0.1", "user:password@example.com", "@example.com", "a%40b@example.com", "a@[::1]"],
    ENCODED: ["127.0.0.%31", "%6cocalhost", "[fe80::1%25eth0]", "example%2ecom", "example.com%00.org"],
    NOT_ASCII: ["ⓛocalhost", "１２７.0.0.1", "127。0。0。1", "localhoſt", "exa\u00admple.com", "bücher.example",
                "①②⑦.0.0.1", "example.com／.evil.org", "example.com℀.org", "еxample.com", "example.com\u200b"],
    UNREADABLE: ["", ":443", "example.com:", "example.com:x", "[::1", "::1", "[v1.a]", "a+b.com",
                 "example.com:443:443", "[::1].example.com", "exam*ple.com", "[]"],
    "its port is not valid": ["example.com:0", "example.com:65536", "example.com:99999"],
}  # fmt: skip
URLS = {
    **{f"https://{host}/a.mp3": why for why, hosts in HOSTS.items() for host in hosts},
    "https://127.0.0.1?x": NOT_PUBLIC,
    "https://127.0.0.1#x": NOT_PUBLIC,
    "https://example.com\\@127.0.0.1/a.mp3": NOT_PLAIN,
    "https://127.0.0.1\\@example.com/a.mp3": NOT_PLAIN,
    "https://loc\talhost/a.mp3": NOT_PLAIN,
    "https://example.com/a.mp3\r\nHost: x": NOT_PLAIN,
    " https://example.com/a.mp3": NOT_PLAIN,
    "https:example.com/a.mp3": NOT_PLAIN,
    "//example.com/a.mp3": NOT_PLAIN,
    "http://example.com/a.mp3": "it begins with http",
    "ftp://example.com/a.mp3": "it begins with ftp",
    "file:///etc/passwd": "it begins with file",
}


async def refusal(url: str, *sources: ScopeRules, tool: str = "play_audio", argument: str = "audio_url") -> str | None:
    """Why a URL may not be used. The tool's own validation is skipped, so that only the policy is tested."""
    played = command(tool).model_copy(update={argument: url})
    return await out_of_scope(Policy([Rules(scope=scope) for scope in sources]), played, Known())


@each_row("url", PUBLIC)
async def test_a_public_https_url_may_be_used(url: str) -> None:
    assert await refusal(url) is None


@each_row(("url", "why"), URLS.items())
async def test_any_other_url_is_refused_with_the_reason(url: str, why: str) -> None:
    allowed = "This server takes https URLs on hosts of the public internet"
    assert await refusal(url) == f"audio_url may not be used: {why}. {allowed}"


@each_row(("url", "why"), URLS.items())
async def test_urls_that_are_not_public_are_refused_where_every_host_is_allowed(url: str, why: str) -> None:
    everything = ScopeRules(audio_hosts=["*"], audio_http=True)
    refused = await refusal(url.replace("https", "http", 1), everything)
    assert (refused is None) is (why == "it begins with http")


def url_arguments() -> list[tuple[str, str]]:
    return [(tool.tool_name(), name) for tool in COMMANDS for name in tool.model_fields if name.endswith("_url")]


@each_row(("tool", "argument"), url_arguments())
async def test_every_argument_that_is_a_url_is_looked_at(tool: str, argument: str) -> None:
    refused = await refusal("https://10.0.0.1/a.mp3", tool=tool, argument=argument)
    assert refused is not None
    assert refused.startswith(f"{argument} may not be used: {NOT_PUBLIC}.")


def is_url(field: FieldInfo) -> bool:
    """Whether a field is declared as the URL of an audio file."""
    marks = get_args(AudioUrl)[1:]
    return any(mark in [*field.metadata, *_metadata(field.annotation)] for mark in marks)


def _metadata(annotation: Any) -> list[Any]:
    nested = [mark for part in get_args(annotation) for mark in _metadata(part)]
    return [*getattr(annotation, "__metadata__", ()), *nested]


def test_every_argument_that_is_a_url_is_named_so() -> None:
    urls = {(tool.tool_name(), name) for tool in COMMANDS for name, field in tool.model_fields.items() if is_url(field)}
    assert urls == set(url_arguments())


HOSTED: list[tuple[list[list[str]], str, bool]] = [
    ([["cdn.example.com"]], "https://cdn.example.com/a", True),
    ([["cdn.example.com"]], "https://CDN.Example.com.:443/a", True),
    ([["cdn.example.com"]], "https://example.com/a", False),
    ([["cdn.example.com"]], "https://evil.org/cdn.example.com", False),
    ([["cdn.example.com"]], "https://cdn.example.com.evil.org/a", False),
    ([["*.example.org"]], "https://a.b.example.org/a", True),
    ([["*.example.org"]], "https://example.org/a", False),
    ([["*.example.org"]], "https://evil-example.org/a", False),
    ([["8.8.8.8"]], "https://8.8.8.8/a", True),
    ([["8.8.8.8"]], "https://8.8.4.4/a", False),
    ([["2606:4700::1"]], "https://[2606:4700::1]/a", True),
    ([["*"]], "https://8.8.4.4/a", True),
    ([[]], "https://example.com/a", False),
    ([["*.org"], ["a.*"]], "https://a.org/a", True),
    ([["*.org"], ["a.*"]], "https://b.org/a", False),
]


@each_row(("hosts", "url", "may"), HOSTED)
async def test_a_url_is_on_a_host_that_every_source_names(hosts: list[list[str]], url: str, may: bool) -> None:
    assert (await refusal(url, *(ScopeRules(audio_hosts=host) for host in hosts)) is None) is may


async def test_a_refused_audio_url_lists_the_allowed_hosts() -> None:
    scopes = ScopeRules(audio_hosts=["cdn.example.com", "*.example.org"]), ScopeRules(audio_hosts=["*.com"])
    assert await refusal("https://evil.net/a", *scopes) == (
        "audio_url may not be used: its host is not among those that this server's policy names. This server takes "
        "https URLs on cdn.example.com or *.example.org, and of those only *.com"
    )


@each_row(
    ("sources", "may"),
    [([], False), ([None], False), ([False], False), ([True], True), ([True, None], True), ([True, False], False)],
)
async def test_http_needs_a_source_that_allows_it_and_none_that_does_not(sources: list[bool | None], may: bool) -> None:
    scopes = [ScopeRules(audio_http=http) for http in sources]
    assert (await refusal("http://example.com/a.mp3", *scopes) is None) is may
    assert await refusal("https://example.com/a.mp3", *scopes) is None

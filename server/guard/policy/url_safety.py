"""Checks where a URL points: only to the public internet, in an unambiguous spelling.

A host name that resolves to a private address is not detected: nothing is looked up, because Telnyx fetches the file
later and from elsewhere. Name the hosts (scope.audio_hosts) where that matters.
"""

import re
from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_END_OF_HOST = re.compile(r"[/?#]")
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_MAX_HOST_LENGTH = 253

_INSIDE_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
)
"""Names of this machine or its network, with all their subdomains."""

_NOT_PUBLIC_V4 = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
)
"""Networks that some versions of Python count as public."""
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = (
    IPv6Network("2001::/23"),  # Teredo and other protocol assignments
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
)
"""Networks in the public range that are not public, or that embed an IPv4 address. The other forms that embed one
(mapped, compatible, translated, NAT64) are outside that range."""
_ISATAP = (0x00005EFE, 0x02005EFE)

NOT_PUBLIC = "its host is not a public one, spelt in the usual way"

_SPELLING: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda authority: not authority.isascii(), "its host is not ASCII; write it in its xn-- form"),
    (lambda authority: "@" in authority, "it has a user name or password in it"),
    (lambda authority: "%" in authority, "its host is percent-encoded"),
    (lambda authority: not _AUTHORITY.fullmatch(authority), "its host cannot be read"),
)
"""Spellings that two programs may read differently, each with its description."""


def url_problem(url: str, http: bool, hosts: Sequence[Collection[str]]) -> str | None:
    """Why a URL is not allowed, as a clause; None when it is allowed.

    `http`: whether http is allowed beside https. `hosts`: lists of lower-case patterns; one of each list must match.
    Without lists, every public host is allowed.
    """
    scheme, separator, remainder = url.partition("://")
    authority = _END_OF_HOST.split(remainder, maxsplit=1)[0]
    if not separator or "\\" in url or any(letter <= " " or letter == "\x7f" for letter in url):
        return "it is not a plain URL"
    if scheme.lower() not in (("https", "http") if http else ("https",)):
        return f"it begins with {scheme.lower()}" if scheme.isascii() and scheme.isalnum() else "it is not a plain URL"
    misspelt = next((words for is_wrong, words in _SPELLING if is_wrong(authority)), None)
    return misspelt or _host_problem(authority, hosts)


def _host_problem(authority: str, hosts: Sequence[Collection[str]]) -> str | None:
    match = _AUTHORITY.fullmatch(authority)
    if match is None or (match[2] is not None and not 0 < int(match[2]) < 65536):
        return "its port is not valid"
    host = match[1].lower().strip("[]").removesuffix(".")
    if not is_public(host):
        return NOT_PUBLIC
    named = all(any(fnmatchcase(host, pattern) for pattern in patterns) for patterns in hosts)
    return None if named else "its host is not among those that this server's policy names"


def is_public(host: str) -> bool:
    """Whether the spelling of a host (lower case, without brackets and final dot) is that of a public host."""
    if ":" in host:
        return _is_public_v6(host)
    labels = host.split(".")
    # A name that ends in a number is an address: inet_aton reads 127.1, 0x7f000001, 017700000001 and 2130706433 as the
    # same address, and others read 010 as ten. Only the dotted decimal form is read alike by all.
    if _NUMBER.fullmatch(labels[-1]):
        return _is_public_v4(host)
    is_name = len(host) <= _MAX_HOST_LENGTH and len(labels) > 1 and all(map(_LABEL.fullmatch, labels))
    return is_name and not any(f".{host}".endswith(f".{name}") for name in _INSIDE_NAMES)


def _is_public_v4(host: str) -> bool:
    try:
        address = IPv4Address(host)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast and not any(address in net for net in _NOT_PUBLIC_V4)


def _is_public_v6(host: str) -> bool:
    try:
        address = IPv6Address(host)
    except ValueError:
        return False
    is_tunnel = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    return address in _PUBLIC_V6 and not is_tunnel and not any(address in net for net in _NOT_PUBLIC_V6)

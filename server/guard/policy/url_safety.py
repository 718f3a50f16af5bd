"""Where a URL may point: to the public internet, in a spelling that can be read in one way only.

A host name that resolves to a private address cannot be told from here: nothing is looked up, and it is Telnyx that
fetches the file, later and from elsewhere. Name the hosts (scope.audio_hosts) where that matters.
"""

import re
from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_END_OF_HOST = re.compile(r"[/?#]")
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_LONGEST_NAME = 253

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
"""Names that mean this machine or its network; so does everything below them."""

_NOT_PUBLIC_V4 = (
    IPv4Network("192.0.0.0/24"),  # protocols' own
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
)
"""What some versions of Python count as public."""
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = (
    IPv6Network("2001::/23"),  # Teredo and other protocols' own
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
)
"""What lies in the public range and is not public, or carries an IPv4 address that then decides. The other forms that
carry one (mapped, compatible, translated, NAT64) lie outside that range."""
_ISATAP = (0x00005EFE, 0x02005EFE)

NOT_PUBLIC = "its host is not a public one, spelt in the usual way"

_SPELLING: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda authority: not authority.isascii(), "its host is not ASCII; write it in its xn-- form"),
    (lambda authority: "@" in authority, "it has a user name or password in it"),
    (lambda authority: "%" in authority, "its host is percent-encoded"),
    (lambda authority: not _AUTHORITY.fullmatch(authority), "its host cannot be read"),
)
"""What makes two programs read a host differently, and how it is said."""


def url_problem(url: str, http: bool, hosts: Sequence[Collection[str]]) -> str | None:
    """What is wrong with where a URL points, in words; None when it may point there.

    `http`: whether http will do beside https. `hosts`: lists of patterns in lower case, of each of which one must
    match; none: every public host.
    """
    scheme, separator, rest = url.partition("://")
    authority = _END_OF_HOST.split(rest, maxsplit=1)[0]
    if not separator or "\\" in url or any(letter <= " " or letter == "\x7f" for letter in url):
        return "it is not a plain URL"
    if scheme.lower() not in (("https", "http") if http else ("https",)):
        return f"it begins with {scheme.lower()}" if scheme.isascii() and scheme.isalnum() else "it is not a plain URL"
    misspelt = next((words for is_wrong, words in _SPELLING if is_wrong(authority)), None)
    return misspelt or _host_problem(authority, hosts)


def _host_problem(authority: str, hosts: Sequence[Collection[str]]) -> str | None:
    found = _AUTHORITY.fullmatch(authority)
    if found is None or (found[2] is not None and not 0 < int(found[2]) < 65536):
        return "its port is none"
    host = found[1].lower().strip("[]").removesuffix(".")
    if not is_public(host):
        return NOT_PUBLIC
    named = all(any(fnmatchcase(host, pattern) for pattern in patterns) for patterns in hosts)
    return None if named else "its host is not among those that this server's policy names"


def is_public(host: str) -> bool:
    """Whether a host (in lower case, without brackets and final dot) is, for all its spelling says, a public one."""
    if ":" in host:
        return _is_public_v6(host)
    labels = host.split(".")
    # A name that ends in a number is an address: inet_aton takes 127.1, 0x7f000001, 017700000001 and 2130706433 for
    # one and the same, and others read 010 as ten. So only the one spelling that all read alike will do.
    if _NUMBER.fullmatch(labels[-1]):
        return _is_public_v4(host)
    is_name = len(host) <= _LONGEST_NAME and len(labels) > 1 and all(map(_LABEL.fullmatch, labels))
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

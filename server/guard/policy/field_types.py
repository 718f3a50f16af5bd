"""Types of the entries of a policy file. A wrong entry is reported in plain words.

A check takes the text of an entry and returns its normal form. It raises `ValueError` with words that follow
the name of the list.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, cast, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, PlainValidator, StrictBool, StrictInt, StrictStr

from ....tools import TOOLS, TOOLSET_NAMES
from ....tools.base import Command, Risk, Tool
from ....tools.numbers import is_country
from ....tools.text import quoted, read_duration
from ....tools.types import MAX_SPOKEN_LENGTH, Region
from ....tools.voices import Language
from .hours import Window
from .url_safety import is_public, url_problem

_TOOL_OF: dict[str, type[Tool]] = {tool.tool_name(): tool for tool in TOOLS}
_RISKS = tuple(str(risk) for risk in Risk if risk is not Risk.READ)
CALLING_RULES = ("optout", "countries", "hours", "attempts")
_KEY = re.compile(r"[0-9*#]")
_NUMBER = re.compile(r"\+[1-9][0-9]{0,14}")
_ALERT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"[a-z0-9*._-]+|[0-9a-f]*:[0-9a-f:.]+")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like `name`, ignoring case."""
    by_letters = {candidate.casefold(): candidate for candidate in known}
    return by_letters[difflib.get_close_matches(name.casefold(), list(by_letters), n=1, cutoff=0.0)[0]]


def _meant(name: str, known: Iterable[str]) -> str:
    return f" (did you mean {nearest(name, known)}?)"


def matching(pattern: str) -> list[str]:
    """The tools that match a pattern such as `list_*`."""
    return [name for name in _TOOL_OF if fnmatchcase(name, pattern)]


def _one_of(value: str, known: Collection[str], noun: str) -> str:
    if value not in known:
        raise ValueError(f"there is no {noun} {quoted(value)}{_meant(value, known)}; there are {', '.join(known)}")
    return value


def _toolset(entry: str) -> str:
    return _one_of(entry, TOOLSET_NAMES, "toolset")


def _region(entry: str) -> str:
    """A region that Telnyx accepts, such as `US`, or one that only its answers contain, such as `sv1`."""
    known: tuple[str, ...] = get_args(get_args(Region)[0])
    is_misspelt = entry.casefold() in {region.casefold() for region in known}
    return _one_of(entry, known, "region") if is_misspelt or not entry.strip() else entry


def _risk(entry: str) -> str:
    return _one_of(entry, _RISKS, "risk to limit")


def _tool_pattern(entry: str) -> str:
    if not matching(entry):
        raise ValueError(f"no tool is named {quoted(entry)}{_meant(entry, _TOOL_OF)}")
    return entry


def _tool(entry: str) -> str:
    if entry not in _TOOL_OF:
        raise ValueError(f"there is no tool {quoted(entry)}{_meant(entry, _TOOL_OF)}")
    return entry


def _asked(entry: str) -> str:
    tool = _TOOL_OF[_tool(entry)]
    if not tool.is_read() and not issubclass(tool, Command):
        raise ValueError("nobody is asked about it; to remove it, name it in tools.deny")
    if tool.is_read():
        raise ValueError("it changes nothing, so nobody is asked; to remove it, name it in tools.deny")
    return entry


def _pattern(entry: str) -> str:
    if not entry.strip():
        raise ValueError("an entry is empty; every name is *")
    return entry


def _connection(entry: str) -> str:
    if not entry or " " in entry:
        raise ValueError(f"{quoted(entry)} is not an id of a connection, such as 1494404757140276705")
    return entry


def _number(entry: str) -> str:
    if not _NUMBER.fullmatch(entry):
        raise ValueError(f"{quoted(entry)} is not the beginning of an E.164 number, such as +1 or +4930")
    return entry


def _host(entry: str) -> str:
    host = entry.lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        raise ValueError(
            f"{quoted(entry)} is not a host such as cdn.example.com or *.example.org, "
            "without scheme, port and path, and in its xn-- form if it is not ASCII"
        )
    if host != "*" and not is_public(host.replace("*", "x")):
        raise ValueError(f"{quoted(entry)} is not a public host, and no policy allows another")
    return host


def _window(entry: str) -> str:
    try:
        return Window.parse(entry).text
    except ValueError as wrong:
        raise ValueError(f"{quoted(entry)} {wrong}") from None


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (LookupError, ValueError, OSError):
        known = available_timezones()
    if not known:
        raise ValueError("no time zones are installed on this machine: install the Python package tzdata")
    raise ValueError(f"there is no time zone {quoted(name)}{_meant(name, sorted(known))}")


def _country(entry: str) -> str:
    code = entry.upper()
    if not is_country(code):
        raise ValueError(f"{quoted(entry)} is not the two-letter code of a country, such as US or DE")
    return code


def _rule_to_override(entry: str) -> str:
    return _one_of(entry, CALLING_RULES, "calling rule")


def _key(entry: str) -> str:
    if not _KEY.fullmatch(entry):
        raise ValueError("must be one key: 0 to 9, * or #")
    return entry


def _absolute(entry: str) -> str:
    try:
        path = Path(entry).expanduser()
    except RuntimeError:  # ~NAME of a user who is not known here
        path = Path()
    if not path.is_absolute() or "\0" in entry:
        raise ValueError("must be an absolute path, such as /etc/telnyx/optouts.txt")
    return str(path)


def _alert_name(name: str) -> str:
    if not _ALERT_NAME.fullmatch(name):
        raise ValueError("must be 1 to 64 letters, digits, - or _, such as long-wait")
    return name


def _duration(value: object) -> timedelta:
    if not isinstance(value, str):
        raise ValueError('must be a time in quotes, such as "30s", "5m" or "12h"')
    return read_duration(value)


def _spoken(entry: str) -> str:
    if not entry.strip() or len(entry) > MAX_SPOKEN_LENGTH:
        raise ValueError(f"must have 1 to {MAX_SPOKEN_LENGTH} characters")
    return entry


def _voice(entry: str) -> str:
    if not entry.strip():
        raise ValueError("must be male, female, or Provider.Model.Voice such as AWS.Polly.Joanna")
    return entry


def _language(entry: str) -> str:
    languages = get_args(Language)
    if entry not in languages:
        raise ValueError(f"must be one of {', '.join(languages)}; is {quoted(entry)}{_meant(entry, languages)}")
    return entry


def _announcement_url(entry: str) -> str:
    if (problem := url_problem(entry, http=False, hosts=())) is not None:
        raise ValueError(f"may not be used: {problem}")
    return entry


def _list_of(check: Callable[[str], str]) -> PlainValidator:
    def read(value: object) -> tuple[str, ...]:
        entries = _texts(value)
        problems: list[str] = []
        for entry in entries:
            try:
                check(entry)
            except ValueError as wrong:
                problems.append(str(wrong))
        if problems:
            raise ValueError("; ".join(problems))
        return tuple(check(entry) for entry in entries)

    return PlainValidator(read)


def _texts(value: object) -> list[str]:
    if isinstance(value, list | tuple | set | frozenset):
        entries = cast("Collection[object]", value)
        texts = [entry for entry in entries if isinstance(entry, str)]
        if len(texts) == len(entries):
            return texts if isinstance(value, list | tuple) else sorted(texts)
    raise ValueError('must be a list of texts, each in quotes, such as ["a", "b"]')


Toolsets = Annotated[Collection[str], _list_of(_toolset)]
ToolPatterns = Annotated[Collection[str], _list_of(_tool_pattern)]
NamePatterns = Annotated[Collection[str], _list_of(_pattern)]
Connections = Annotated[Collection[str], _list_of(_connection)]
Regions = Annotated[Collection[str], _list_of(_region)]
NumberPrefixes = Annotated[Collection[str], _list_of(_number)]
HostPatterns = Annotated[Collection[str], _list_of(_host)]
Windows = Annotated[Collection[str], _list_of(_window)]
Texts = Annotated[Collection[str], _list_of(_pattern)]
AlertName = Annotated[StrictStr, AfterValidator(_alert_name)]
Duration = Annotated[timedelta, PlainValidator(_duration)]
Zone = Annotated[StrictStr, AfterValidator(_zone)]
ToolName = Annotated[str, AfterValidator(_tool)]
AskedTool = Annotated[str, AfterValidator(_asked)]
LimitedRisk = Annotated[str, AfterValidator(_risk)]
IdentityPattern = Annotated[str, AfterValidator(_pattern)]
Countries = Annotated[Collection[str], _list_of(_country)]
OverridableRules = Annotated[Collection[str], _list_of(_rule_to_override)]
Key = Annotated[StrictStr, AfterValidator(_key)]
AbsolutePath = Annotated[StrictStr, AfterValidator(_absolute)]
SpokenAnnouncement = Annotated[StrictStr, AfterValidator(_spoken)]
SpokenVoice = Annotated[StrictStr, AfterValidator(_voice)]
SpokenLanguage = Annotated[StrictStr, AfterValidator(_language)]
AnnouncementUrl = Annotated[StrictStr, AfterValidator(_announcement_url)]
Count = Annotated[StrictInt, Field(ge=0)]
Flag = StrictBool

"""JSON with or without comments, edited in place: everything else keeps every byte, comments and order included.

Comments and trailing commas are replaced by spaces. That leaves plain JSON of the same length, in which every value has
the same position as in the original.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from .texts import Entry, Syntax, Unreadable

_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_STRING_OR_LAST_COMMA = re.compile(r'"(?:[^"\\\n]|\\.)*"|,(?=\s*[}\]])')
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


def _blank_out(pattern: re.Pattern[str], text: str) -> str:
    """The text with every match of the pattern, except strings, turned into spaces. Line breaks stay."""
    return pattern.sub(lambda match: match[0] if match[0][0] == '"' else re.sub(r"[^\n]", " ", match[0]), text)


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object: the position of its key, the positions where its value begins and ends, and the value."""

    key: str
    at: int
    begins: int
    ends: int
    value: Any


class _Document:
    """A text, and the plain JSON that it stands for."""

    def __init__(self, text: str, comments: bool) -> None:
        self.text = text
        self.plain = text
        if comments:
            self.uncommented = _blank_out(_STRING_OR_COMMENT, text)
            self.plain = _blank_out(_STRING_OR_LAST_COMMA, self.uncommented)
        else:
            self.uncommented = text
        try:
            root = json.loads(self.plain)
        except json.JSONDecodeError as error:
            raise Unreadable(f"line {error.lineno}, column {error.colno}: {error.msg.lower()}") from None
        except RecursionError:
            raise Unreadable("it is nested too deeply") from None
        if not isinstance(root, dict):
            raise Unreadable("it is not an object")
        self.root = self._skip(0)

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self.plain, at)
        return space.end() if space else at

    def members(self, brace: int) -> Iterator[_Member]:
        """The members of the object whose opening brace is at this position."""
        at = self._skip(brace + 1)
        while self.plain[at] != "}":
            key, after = _DECODER.raw_decode(self.plain, at)
            begins = self._skip(self._skip(after) + 1)
            value, ends = _DECODER.raw_decode(self.plain, begins)
            yield _Member(key, at, begins, ends, value)
            at = self._skip(ends)
            if self.plain[at] == ",":
                at = self._skip(at + 1)

    def member(self, brace: int, key: str) -> _Member | None:
        """The member with this key. If there are two, the last one counts."""
        members = [member for member in self.members(brace) if member.key == key]
        return members[-1] if members else None

    def closing(self, brace: int) -> int:
        """The position of the brace that closes the one at this position."""
        return _DECODER.raw_decode(self.plain, brace)[1] - 1

    @property
    def step(self) -> str:
        """The indent of one more level."""
        first = next(self.members(self.root), None)
        return (self.indent(first.at) if first else None) or "  "

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def render(self, value: Any, indent: str) -> str:
        """A value as text whose first line begins on a line with this indent."""
        return json.dumps(value, indent=self.step, ensure_ascii=False).replace("\n", self.newline + indent)

    def indent(self, at: int) -> str | None:
        """The space before this position on its line; None if there is anything else."""
        before = self.text[self.text.rfind("\n", 0, at) + 1 : at]
        return before if not before.strip() else None


def _section(document: _Document, section: str) -> _Member | None:
    servers = document.member(document.root, section)
    if servers is not None and not isinstance(servers.value, dict):
        raise Unreadable(f'"{section}" is not an object')
    return servers


def _server(document: _Document, section: str, name: str) -> _Member | None:
    servers = _section(document, section)
    server = document.member(servers.begins, name) if servers else None
    if server is not None and not isinstance(server.value, dict):
        raise Unreadable(f'"{section}" holds a "{name}" that is not an object')
    return server


def _parse(comments: bool, text: str, section: str, name: str) -> Entry | None:
    server = _server(_Document(text, comments), section, name) if text.strip() else None
    return cast("dict[str, Any]", server.value) if server else None


def _replace_member(comments: bool, text: str, section: str, name: str, entry: Entry) -> str:
    document = _Document(text if text.strip() else "{}\n", comments)
    servers, server = _section(document, section), _server(document, section, name)
    if server is not None:
        value = document.render(entry, document.indent(server.at) or "")
        return document.text[: server.begins] + value + document.text[server.ends :]
    if servers is not None:
        return _add_member(document, servers.begins, name, entry, document.indent(servers.at) or document.step)
    return _add_member(document, document.root, section, {name: entry}, "")


def _add_member(document: _Document, brace: int, key: str, value: Any, indent: str) -> str:
    """The text with another member at the end. `indent`: of the line on which the object begins."""
    text, closing = document.text, document.closing(brace)
    members = list(document.members(brace))
    inside = indent + document.step
    ends = len(text[:closing].rstrip())  # of the last member, or of a comment after it
    member = f"{document.newline}{inside}{json.dumps(key)}: {document.render(value, inside)}"
    member += text[ends:closing] if "\n" in text[ends:closing] else document.newline + indent
    if not members:
        return text[:ends] + member + text[closing:]
    last = members[-1].ends
    comma = "" if "," in document.uncommented[last:closing] else ","
    return text[:last] + comma + text[last:ends] + member + text[closing:]


def _take(comments: bool, text: str, section: str, name: str) -> str:
    document = _Document(text, comments)
    servers, server = _section(document, section), _server(document, section, name)
    if servers is None or server is None:
        return text
    comma = _comma(document, servers, server)
    removed = [(len(text[: server.at].rstrip()), server.ends), *([(comma, comma + 1)] if comma is not None else [])]
    for begins, ends in sorted(removed, reverse=True):
        text = text[:begins] + text[ends:]
    return text


def _comma(document: _Document, servers: _Member, server: _Member) -> int | None:
    """The comma to remove with a member: the one after it, or, for the last member, the one before it."""
    after = re.compile(r"\s*,").match(document.uncommented, server.ends)
    if after:
        return after.end() - 1
    before = document.uncommented[servers.begins : server.at].rstrip()
    return servers.begins + len(before) - 1 if before.endswith(",") else None


def _syntax(comments: bool) -> Syntax:
    return Syntax(read=partial(_parse, comments), put=partial(_replace_member, comments), take=partial(_take, comments))


JSON = _syntax(comments=False)
JSON_WITH_COMMENTS = _syntax(comments=True)


def _read_command_list(text: str, section: str, name: str) -> Entry | None:
    server = _parse(True, text, section, name)
    if server is None:
        return None
    command = server.get("command")
    first, *others = cast("list[Any]", command) if command and isinstance(command, list) else [""]
    other_fields = {key: value for key, value in server.items() if key not in ("command", "environment")}
    variables = {"env": server["environment"]} if "environment" in server else {}
    return {**other_fields, "command": first, "args": others, **variables}


def _put_command_list(text: str, section: str, name: str, entry: Entry) -> str:
    other_fields = {key: value for key, value in entry.items() if key not in ("command", "args", "env")}
    variables = {"environment": entry["env"]} if "env" in entry else {}
    server = {**other_fields, "command": [entry["command"], *entry["args"]], **variables}
    return _replace_member(True, text, section, name, server)


JSON_WITH_COMMAND_LIST = Syntax(_read_command_list, _put_command_list, JSON_WITH_COMMENTS.take)
"""The command and its arguments are one list, and the variables are named `environment`."""


_IN_TRANSPORT = ("command", "args", "env", "cwd")


def _read_transport(text: str, section: str, name: str) -> Entry | None:
    server = _parse(False, text, section, name)
    transport = server.get("transport") if server else None
    if server is None or not isinstance(transport, dict):
        return server
    rest = {key: value for key, value in server.items() if key != "transport"}
    inner = cast("dict[str, Any]", transport)
    return {**rest, **{key: inner[key] for key in _IN_TRANSPORT if key in inner}}


def _put_transport(text: str, section: str, name: str, entry: Entry) -> str:
    rest = {key: value for key, value in entry.items() if key not in _IN_TRANSPORT}
    transport = {"type": "stdio", **{key: entry[key] for key in _IN_TRANSPORT if key in entry}}
    return _replace_member(False, text, section, name, {"transport": transport, **rest})


JSON_WITH_TRANSPORT = Syntax(_read_transport, _put_transport, JSON.take)
"""The command, its arguments and its variables are in an object of their own, `transport`."""

"""JSON with or without comments, edited in place: what is not changed keeps every byte, comments and order too.

Comments and trailing commas are blanked out, which leaves plain JSON of the same length: where a value begins and ends
in one, it does in the other.
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


def _blanked(pattern: re.Pattern[str], text: str) -> str:
    """The text with everything but the strings that the pattern finds turned to spaces; lines stay where they are."""
    return pattern.sub(lambda found: found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0]), text)


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of an object: where its key begins, where its value begins and ends, and the value."""

    key: str
    at: int
    begins: int
    ends: int
    value: Any


class _Document:
    """A text, and the plain JSON that it means."""

    def __init__(self, text: str, comments: bool) -> None:
        self.text = text
        self.plain = text
        if comments:
            self.uncommented = _blanked(_STRING_OR_COMMENT, text)
            self.plain = _blanked(_STRING_OR_LAST_COMMA, self.uncommented)
        else:
            self.uncommented = text
        try:
            root = json.loads(self.plain)
        except json.JSONDecodeError as wrong:
            raise Unreadable(f"line {wrong.lineno}, column {wrong.colno}: {wrong.msg.lower()}") from None
        except RecursionError:
            raise Unreadable("it is nested too deeply") from None
        if not isinstance(root, dict):
            raise Unreadable("it is not an object")
        self.root = self._skip(0)

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.plain, at)
        return found.end() if found else at

    def members(self, brace: int) -> Iterator[_Member]:
        """Of the object whose opening brace is here."""
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
        """The one that counts: of two with the same key, the last."""
        found = [member for member in self.members(brace) if member.key == key]
        return found[-1] if found else None

    def closing(self, brace: int) -> int:
        """The brace that closes the one here."""
        return _DECODER.raw_decode(self.plain, brace)[1] - 1

    @property
    def step(self) -> str:
        """What one more level is indented by."""
        first = next(self.members(self.root), None)
        return (self.indent(first.at) if first else None) or "  "

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def written(self, value: Any, here: str) -> str:
        """A value as text, of which the first line begins on a line with this indent."""
        return json.dumps(value, indent=self.step, ensure_ascii=False).replace("\n", self.newline + here)

    def indent(self, at: int) -> str | None:
        """What stands before this place on its line; None if that is not only space."""
        before = self.text[self.text.rfind("\n", 0, at) + 1 : at]
        return before if not before.strip() else None


def _section(document: _Document, section: str) -> _Member | None:
    found = document.member(document.root, section)
    if found is not None and not isinstance(found.value, dict):
        raise Unreadable(f'"{section}" is not an object')
    return found


def _server(document: _Document, section: str, name: str) -> _Member | None:
    servers = _section(document, section)
    found = document.member(servers.begins, name) if servers else None
    if found is not None and not isinstance(found.value, dict):
        raise Unreadable(f'"{section}" holds a "{name}" that is not an object')
    return found


def _read(comments: bool, text: str, section: str, name: str) -> Entry | None:
    found = _server(_Document(text, comments), section, name) if text.strip() else None
    return cast("dict[str, Any]", found.value) if found else None


def _put(comments: bool, text: str, section: str, name: str, entry: Entry) -> str:
    document = _Document(text if text.strip() else "{}\n", comments)
    servers, server = _section(document, section), _server(document, section, name)
    if server is not None:
        written = document.written(entry, document.indent(server.at) or "")
        return document.text[: server.begins] + written + document.text[server.ends :]
    if servers is not None:
        return _added(document, servers.begins, name, entry, document.indent(servers.at) or document.step)
    return _added(document, document.root, section, {name: entry}, "")


def _added(document: _Document, brace: int, key: str, value: Any, here: str) -> str:
    """The text with a last member more; `here`: the indent of the line on which the object begins."""
    text, closing = document.text, document.closing(brace)
    members = list(document.members(brace))
    inside = here + document.step
    ends = len(text[:closing].rstrip())  # of the last member, or of a comment after it
    member = f"{document.newline}{inside}{json.dumps(key)}: {document.written(value, inside)}"
    member += text[ends:closing] if "\n" in text[ends:closing] else document.newline + here
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
    gone = [(len(text[: server.at].rstrip()), server.ends), *([(comma, comma + 1)] if comma is not None else [])]
    for begins, ends in sorted(gone, reverse=True):
        text = text[:begins] + text[ends:]
    return text


def _comma(document: _Document, servers: _Member, server: _Member) -> int | None:
    """The comma that goes with a member: the one after it, or, after the last, the one before it."""
    after = re.compile(r"\s*,").match(document.uncommented, server.ends)
    if after:
        return after.end() - 1
    before = document.uncommented[servers.begins : server.at].rstrip()
    return servers.begins + len(before) - 1 if before.endswith(",") else None


def _syntax(comments: bool) -> Syntax:
    return Syntax(read=partial(_read, comments), put=partial(_put, comments), take=partial(_take, comments))


JSON = _syntax(comments=False)
JSON_WITH_COMMENTS = _syntax(comments=True)

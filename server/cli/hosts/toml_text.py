"""TOML, edited in place with tomlkit: everything else keeps its form, comments and order."""

import tomllib
from collections.abc import MutableMapping
from typing import Any, cast

from tomlkit import document as new_document
from tomlkit import dumps, inline_table, parse, table
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from .texts import Entry, Syntax, Unreadable

Table = MutableMapping[str, Any]


def _parse(text: str) -> Table:
    try:
        return parse(text.replace("\r\n", "\n"))
    except TOMLKitError as error:
        raise Unreadable(str(error).rstrip(".").lower()) from None


def _render(document: Table, before: str) -> str:
    text = dumps(document)
    return text.replace("\n", "\r\n") if "\r\n" in before else text


def _table(parent: Table, name: str, path: str) -> Table | None:
    child = parent.get(name)
    if child is not None and not isinstance(child, MutableMapping):
        raise Unreadable(f"{path} is not a table")
    return cast("Table | None", child)


def _server(document: Table, section: str, name: str) -> tuple[Table | None, Table | None]:
    servers = _table(document, section, section)
    return servers, None if servers is None else _table(servers, name, f"{section}.{name}")


def _read(text: str, section: str, name: str) -> Entry | None:
    if _server(_parse(text), section, name)[1] is None:
        return None
    return tomllib.loads(text)[section][name]  # plain values, which tomlkit's are not


def _put(text: str, section: str, name: str, entry: Entry) -> str:
    document = _parse(text)
    servers, server = _server(document, section, name)
    if server is None and not _is_inline(servers):
        after = _append_table(text, section, name, entry)
    else:
        if servers is not None and server is None:
            server = servers[name] = _inline({})
        _fill(cast("Table", server), entry)
        after = _render(document, text)
    return _check_result(text, after, section, name, entry)


def _append_table(text: str, section: str, name: str, entry: Entry) -> str:
    """The text with a new table at its end. The rest is not touched at all."""
    document = new_document()
    document[section] = table(is_super_table=True)
    servers = cast("Table", document[section])
    servers[name] = table()
    _fill(servers[name], entry)
    blank_line = "\n\n" if text.strip() else ""
    present = next(end for end in ("\n\n", "\n", "") if text.replace("\r\n", "\n").endswith(end))
    added = blank_line.removeprefix(present) + dumps(document)
    return text + (added.replace("\n", "\r\n") if "\r\n" in text else added)


def _is_inline(servers: Table | None) -> bool:
    return isinstance(servers, InlineTable)


def _inline(value: Entry) -> Any:
    result: Any = inline_table()
    for key, item in value.items():
        result[key] = item
    return result


def _fill(server: Table, entry: Entry) -> None:
    for key in [key for key in server if key not in entry]:
        del server[key]
    for key, value in entry.items():
        if key not in server or server[key] != value:
            server[key] = _inline(cast("Entry", value)) if isinstance(value, dict) else value


def _take(text: str, section: str, name: str) -> str:
    document = _parse(text)
    servers, server = _server(document, section, name)
    if servers is None or server is None:
        return text
    del servers[name]
    return _check_result(text, _render(document, text), section, name, None)


def _check_result(before: str, after: str, section: str, name: str, entry: Entry | None) -> str:
    """The text after a change, checked: it has the right server, and everything else that it had before."""
    try:
        expected, actual = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"it cannot be changed safely ({error})") from None
    expected.setdefault(section, {}).pop(name, None)
    if entry is not None:
        expected[section][name] = dict(entry)
    if actual.setdefault(section, {}) != expected[section] or actual != expected:
        raise Unreadable("it cannot be changed without harm to its other contents")
    return after


TOML = Syntax(read=_read, put=_put, take=_take)

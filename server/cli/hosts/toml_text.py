"""TOML, edited in place by tomlkit: what is not changed keeps its form, comments and order."""

from collections.abc import MutableMapping
from typing import Any, cast

from .texts import Entry, Syntax, Unreadable

Table = MutableMapping[str, Any]


def _parsed(text: str) -> Table:
    from tomlkit import parse  # noqa: PLC0415 (loaded only where a TOML file is read)
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    try:
        return parse(text.replace("\r\n", "\n"))
    except TOMLKitError as wrong:
        raise Unreadable(str(wrong).rstrip(".").lower()) from None


def _written(document: Table, before: str) -> str:
    from tomlkit import dumps  # noqa: PLC0415

    text = dumps(document)
    return text.replace("\n", "\r\n") if "\r\n" in before else text


def _table(holder: Table, name: str, where: str) -> Table | None:
    found = holder.get(name)
    if found is not None and not isinstance(found, MutableMapping):
        raise Unreadable(f"{where} is not a table")
    return cast("Table | None", found)


def _server(document: Table, section: str, name: str) -> tuple[Table | None, Table | None]:
    servers = _table(document, section, section)
    return servers, None if servers is None else _table(servers, name, f"{section}.{name}")


def _read(text: str, section: str, name: str) -> Entry | None:
    import tomllib  # noqa: PLC0415

    if _server(_parsed(text), section, name)[1] is None:
        return None
    return tomllib.loads(text)[section][name]  # plain values, which tomlkit's are not


def _put(text: str, section: str, name: str, entry: Entry) -> str:
    document = _parsed(text)
    servers, server = _server(document, section, name)
    if server is None and not _is_inline(servers):
        after = _appended(text, section, name, entry)
    else:
        if servers is not None and server is None:
            server = servers[name] = _inline({})
        _fill(cast("Table", server), entry)
        after = _written(document, text)
    return _proved(text, after, section, name, entry)


def _appended(text: str, section: str, name: str, entry: Entry) -> str:
    """The text with a table at its end: what stands before is not touched at all."""
    from tomlkit import document, dumps, table  # noqa: PLC0415

    made = document()
    made[section] = table(is_super_table=True)
    made[section][name] = table()
    _fill(made[section][name], entry)
    blank_line = "\n\n" if text.strip() else ""
    already = next(end for end in ("\n\n", "\n", "") if text.replace("\r\n", "\n").endswith(end))
    added = blank_line.removeprefix(already) + dumps(made)
    return text + (added.replace("\n", "\r\n") if "\r\n" in text else added)


def _is_inline(servers: Table | None) -> bool:
    from tomlkit.items import InlineTable  # noqa: PLC0415

    return isinstance(servers, InlineTable)


def _inline(value: Entry) -> Any:
    from tomlkit import inline_table  # noqa: PLC0415

    made: Any = inline_table()
    for key, one in value.items():
        made[key] = one
    return made


def _fill(server: Table, entry: Entry) -> None:
    for key in [key for key in server if key not in entry]:
        del server[key]
    for key, value in entry.items():
        if key not in server or server[key] != value:
            server[key] = _inline(cast("Entry", value)) if isinstance(value, dict) else value


def _take(text: str, section: str, name: str) -> str:
    document = _parsed(text)
    servers, server = _server(document, section, name)
    if servers is None or server is None:
        return text
    del servers[name]
    return _proved(text, _written(document, text), section, name, None)


def _proved(before: str, after: str, section: str, name: str, entry: Entry | None) -> str:
    """The text after a change, if it says what was said before, and of this server what it should."""
    import tomllib  # noqa: PLC0415

    try:
        wanted, is_now = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError as wrong:
        raise Unreadable(f"it cannot be changed without harm ({wrong})") from None
    wanted.setdefault(section, {}).pop(name, None)
    if entry is not None:
        wanted[section][name] = dict(entry)
    if is_now.setdefault(section, {}) != wanted[section] or is_now != wanted:
        raise Unreadable("it cannot be changed without harm to what else stands in it")
    return after


TOML = Syntax(read=_read, put=_put, take=_take)

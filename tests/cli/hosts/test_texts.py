"""Editing a configuration changes nothing in it but the one server."""

import json
import tomllib
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_conferencing.server.cli.hosts.json_text import JSON, JSON_WITH_COMMENTS
from telnyx_conferencing.server.cli.hosts.texts import Unreadable
from telnyx_conferencing.server.cli.hosts.toml_text import TOML

SERVER = {"command": "/a b/é", "args": ["serve", '"//x, }"'], "env": {"A": "b"}}
names = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
servers = st.dictionaries(names, st.dictionaries(names, values, max_size=3), max_size=3)
documents = st.dictionaries(names, values, max_size=4).map(lambda some: {k: v for k, v in some.items() if k != "s"})
noise = st.sampled_from(["", " ", "\n", "\n\t", "/* { */", "// } ,\n", '/* " */'])


@st.composite
def json_with_comments(draw: st.DrawFn, value: Any) -> str:
    """A value as JSON with comments and trailing commas."""

    def put_together(brackets: str, parts: list[str]) -> str:
        body = f"{draw(noise)},{draw(noise)}".join(parts)
        last = draw(st.sampled_from(["", ","])) if parts else ""
        return f"{brackets[0]}{draw(noise)}{body}{draw(noise)}{last}{draw(noise)}{brackets[1]}"

    def written(value: Any) -> str:
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value).items()
            return put_together("{}", [f"{json.dumps(k)}{draw(noise)}:{draw(noise)}{written(v)}" for k, v in members])
        if isinstance(value, list):
            return put_together("[]", [written(item) for item in cast("list[Any]", value)])
        return json.dumps(value)

    return f"{draw(noise)}{written(value)}{draw(noise)}"


def read_commented(text: str) -> Any:
    """What a text with comments says, by way of the editor: it reads what it is asked for."""
    return JSON_WITH_COMMENTS.read(text, "s", "tc")


@given(documents, servers, st.booleans(), st.sampled_from([None, 2, "\t"]))
def test_an_edit_of_json_keeps_all_other_values(document: Any, others: Any, there: bool, indent: Any) -> None:
    before = {**document, "s": others} if there else document
    text = json.dumps(before, indent=indent)
    after = JSON.put(text, "s", "tc", SERVER)
    assert json.loads(after) == {**before, "s": {**(others if there else {}), "tc": SERVER}}
    assert JSON.put(after, "s", "tc", SERVER) == after
    others.pop("tc", None)
    assert json.loads(JSON.take(after, "s", "tc")) == {**before, "s": others if there else {}}


@given(st.data(), documents, servers)
def test_comments_stay_where_they_are(data: st.DataObject, document: Any, others: Any) -> None:
    text = data.draw(json_with_comments({**document, "s": others}))
    after = JSON_WITH_COMMENTS.put(text, "s", "tc", SERVER)
    assert read_commented(after) == SERVER
    for name, other in others.items():
        assert JSON_WITH_COMMENTS.read(after, "s", name) == (SERVER if name == "tc" else other)
    taken = JSON_WITH_COMMENTS.take(after, "s", "tc")
    assert read_commented(taken) is None
    if "tc" not in others:
        for comment in ("/* { */", "// } ,\n", '/* " */'):
            assert text.count(comment) == after.count(comment) == taken.count(comment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        'model = "x" # c\n',
        "[mcp_servers]\n# mine\n",
        "[mcp_servers.a]\ncommand='1' # keep\n\n[other]\nz=1\n",
        "mcp_servers = {a = {command='1'}}\n",
        "mcp_servers.a.command = 'x'\n[z]\nq=1\n",
        "[mcp_servers.a]\ncommand='1'\n[z]\n[mcp_servers.b]\ncommand='2'\n[y]\n",
        "[[list]]\na=1\n[[list]]\na=2",
        "[mcp_servers.tc]\ncommand='old' # mine\ncwd='/'\n[mcp_servers.tc.env]\nB='c'\n[z]\n",
    ],
)
def test_an_edit_of_toml_keeps_all_other_values(text: str) -> None:
    before = tomllib.loads(text)
    after = TOML.put(text, "mcp_servers", "tc", SERVER)
    others = {name: server for name, server in before.get("mcp_servers", {}).items() if name != "tc"}
    assert tomllib.loads(after) == {**before, "mcp_servers": {**others, "tc": SERVER}}
    assert TOML.put(after, "mcp_servers", "tc", SERVER) == after
    taken = TOML.take(after, "mcp_servers", "tc")
    assert tomllib.loads(taken).get("mcp_servers", {}) == others
    again = TOML.take(TOML.put(taken, "mcp_servers", "tc", SERVER), "mcp_servers", "tc")
    assert again.rstrip() == taken.rstrip()
    assert all(comment in taken for comment in ("# c", "# mine\n[", "# keep") if comment in text)


@pytest.mark.parametrize("text", ["{", '{"a": 1} x', '{"a": }', "// only words", '{"s": 1}', "[" * 100_000])
def test_text_that_is_not_json_is_reported_as_such(text: str) -> None:
    with pytest.raises(Unreadable):
        JSON_WITH_COMMENTS.put(text, "s", "tc", SERVER)


def test_plain_json_takes_no_comments() -> None:
    with pytest.raises(Unreadable, match="line 1, column 2"):
        JSON.put("{// x\n}", "s", "tc", SERVER)

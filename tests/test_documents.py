"""What the documents say exists."""

import re
from functools import cache
from itertools import chain, takewhile
from pathlib import Path

from support.command_line import run
from support.rows import each_row
from telnyx_conferencing.server.mcp.instructions import INSTRUCTIONS
from telnyx_conferencing.server.settings import Settings
from telnyx_conferencing.tools import TOOLS
from telnyx_conferencing.tools.base import Command
from telnyx_conferencing.tools.calls import ConferenceConfig

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
FIELDS = {"expect_events", "would_send", "left_open", "not_transcribed"}
"""Of results and of `telnyx://audit`."""
ARGUMENTS = {name for command in (*TOOLS, ConferenceConfig) for name in command.model_fields}


def words(text: str) -> set[str]:
    """What a document sets in code."""
    return set(re.findall(r"`([^`\n]+)`", text))


@cache
def help_texts() -> str:
    commands = (
        "serve",
        "sandbox",
        "tools",
        "events",
        "timeline",
        "report",
        "export",
        "verify",
        "install",
        "uninstall",
        "doctor",
    )
    return "".join(run(command, "--help").stdout for command in commands)


def test_the_readme_counts_the_tools_as_they_are() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    found = re.search(
        r"There are (\d+) tools in (\d+) toolsets: (\d+) send one request to Telnyx each, and (\d+) answer from "
        r"events, the store and the policy\. A host sees (\d+) of them",
        text,
    )
    assert found
    commands = [tool for tool in TOOLS if issubclass(tool, Command)]
    by_default = re.search(r"^(\d+) tools, ", run("tools").stdout, re.MULTILINE)
    assert by_default
    figures = (len(TOOLS), len({tool.toolset() for tool in TOOLS}), len(commands), len(TOOLS) - len(commands))
    assert tuple(map(int, found.groups())) == (*figures, int(by_default[1]))


@each_row("document", DOCUMENTS, lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    links = set(re.findall(r"\]\(([^)#:]+)\)", text))
    paths = {word for word in words(text) if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?|[\w-]+\.(md|py|toml)", word)}
    prefixes = ("tools/", "server/", "prompts/", "tests/", "bench/", "docs/")
    named = links | {path for path in paths if path.startswith(prefixes) or path.endswith(".md")}
    assert [
        name for name in sorted(named) if not (ROOT / name).exists() and not (document.parent / name).exists()
    ] == []


@each_row("document", DOCUMENTS, lambda path: path.name)
def test_every_option_and_variable_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    helped = help_texts()
    shared = {f"TELNYX_{name}" for name in ("API_KEY", "BASE_URL", "PUBLIC_KEY", "CONNECTION_ID", "FROM_NUMBER")}
    known_variables = set(re.findall(r"TELNYX_\w+", helped)) | shared
    assert set(re.findall(r"\bTELNYX_[A-Z_]+\b", text)) <= known_variables | {"TELNYX_CONFERENCING_"}
    options = {word.split()[0] for word in words(text) if word.startswith("--")}
    assert {option for option in options if option not in helped} == set()


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_tool_and_argument_that_the_skill_names_exists() -> None:
    tools = {command.tool_name() for command in TOOLS}
    named = {word for word in words((ROOT / "SKILL.md").read_text()) if re.fullmatch(r"[a-z]+(_[a-z]+)+", word)}
    assert named <= tools | ARGUMENTS | FIELDS


def test_the_instructions_name_only_tools_and_arguments_that_exist() -> None:
    tools = {command.tool_name() for command in TOOLS}
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", INSTRUCTIONS))
    assert named <= tools | ARGUMENTS | {"expect_events"}


def test_every_test_that_the_threat_table_names_exists() -> None:
    lines = (ROOT / "docs/security.md").read_text().splitlines()
    table = takewhile(lambda line: line.startswith("|"), lines[lines.index(_HEADING) + 2 :])
    proofs = [re.findall(r"`([\w/]+\.py)::(\w+)`", line) for line in table]
    assert all(proofs)
    assert [
        f"{file}::{name}"
        for file, name in chain.from_iterable(proofs)
        if not re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
    ] == []


_HEADING = "| threat | what stops it | what it does not stop | proof |"


def test_the_instructions_are_no_longer_than_hosts_show() -> None:
    assert len(INSTRUCTIONS.encode()) < 2000

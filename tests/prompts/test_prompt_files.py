"""The files of the prompts: each is what it must be, and names only what exists."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, TemplateNotFound, UndefinedError, meta
from jinja2.exceptions import SecurityError

from telnyx_conferencing.prompts.files import CLOSE, HERE, prompts, read
from telnyx_conferencing.prompts.front_matter import PromptError, parted
from telnyx_conferencing.prompts.rendering import Said, environment
from telnyx_conferencing.server.events.models import PAYLOADS
from telnyx_conferencing.tools import TOOLS
from telnyx_conferencing.tools.calls import ConferenceConfig

EXISTING = {tool.tool_name() for tool in TOOLS}
KNOWN = {
    *(name for tool in TOOLS for name in tool.model_fields),
    *(name for name in ConferenceConfig.model_fields),
    *("left_open", "undo", "id", "from"),
}
"""What a text may set in code beside tools and events: arguments, and fields of results."""
FACTS = {"room", "line", "sandbox", "missing"}
REQUIRED = {
    "start_conference",
    "run_the_room",
    "work_the_queue",
    "supervise_call",
    "record_with_consent",
    "wrap_up",
    "incident_bridge",
    "what_happened",
    "practise",
}

each_prompt = pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("[a-z]*.md")))


def source(name: str) -> str:
    """The template of a prompt with its pieces."""
    body = parted((HERE / name).read_text(), name)[1]
    pieces = re.findall(r'include "(_\w+\.md)"', body)
    return "\n".join([body, *map(source, pieces)])


def in_code(name: str) -> set[str]:
    """What a prompt's text sets in code."""
    return set(re.findall(r"`([^`]+)`", source(f"{name}.md"))) - {"{{ tool }}"}


def test_every_prompt_that_there_must_be_is_there() -> None:
    assert prompts().keys() >= REQUIRED


@each_prompt
def test_every_tool_that_a_prompt_leans_on_exists(name: str) -> None:
    assert set(prompts()[name].leans_on()) <= EXISTING


@each_prompt
def test_a_prompt_names_the_tools_that_it_leans_on_and_no_others(name: str) -> None:
    words = set(re.findall(r"[a-z_]+", source(f"{name}.md")))
    assert words & EXISTING == set(prompts()[name].leans_on())


@each_prompt
def test_whatever_a_prompt_sets_in_code_exists(name: str) -> None:
    events = {word for word in in_code(name) if re.fullmatch(r"(call|conference)\.[a-z.]+", word)}
    others = {word for word in in_code(name) - events if re.fullmatch(r"[a-z_]+", word)}
    assert events <= PAYLOADS.keys()
    assert others <= EXISTING | KNOWN


@each_prompt
def test_a_prompt_shows_every_argument_it_takes_and_nothing_else(name: str) -> None:
    used = meta.find_undeclared_variables(Environment().parse(source(f"{name}.md")))
    arguments = {argument.name for argument in prompts()[name].arguments}
    assert arguments <= used <= arguments | FACTS


def test_pieces_are_used() -> None:
    included = set(re.findall(r'include "(_\w+\.md)"', "".join(path.read_text() for path in HERE.glob("*.md"))))
    assert {path.name for path in HERE.glob("_*.md")} == included | {CLOSE}


UNCLEAN = {"name": "Standup", "people": ["Ann"], "none": None, "flag": True}
"""What nobody has cleaned, as a template might show it."""


@pytest.mark.parametrize("name", UNCLEAN)
def test_a_template_cannot_show_what_nobody_has_cleaned(tmp_path: Path, name: str) -> None:
    (tmp_path / "it.md").write_text(f"It is {{{{ {name} }}}}.")
    with pytest.raises(TypeError, match="only words that were cleaned can be shown"):
        environment(tmp_path).get_template("it.md").render(UNCLEAN)


def test_a_template_shows_what_was_cleaned_and_never_takes_it_for_a_template(tmp_path: Path) -> None:
    (tmp_path / "it.md").write_text("---\nname: it\n---\nIt is {{ name }}, {{ number }}.")
    shown = {"name": Said("'{{ number }}{% include 'it.md' %}'"), "number": 7}
    assert environment(tmp_path).get_template("it.md").render(shown) == "It is '{{ number }}{% include 'it.md' %}', 7."


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{ nothing }}", UndefinedError),
        ("{{ name.__class__.__mro__ }}", SecurityError),
        ("{% include '../secret.md' %}", TemplateNotFound),
        ("{{ name | upper }}", TypeError),
    ],
)
def test_a_template_reaches_nothing_else(tmp_path: Path, text: str, error: type[Exception]) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.md").write_text("secret")
    (inside / "it.md").write_text(text)
    with pytest.raises(error):
        environment(inside).get_template("it.md").render(name=Said("'x'"))


GOOD = """\
name: good
title: Good
description: It is good.
arguments:
  - {name: room, description: Which., required: true, completes: open_conferences}
  - {name: leg, description: Who., completes: participants, within: room}
essential: [list_conferences]
"""

BAD = {
    "no end": ("---\nname: good\n", "good.md: its front matter has no end"),
    "no YAML": ("---\nname: [\n---\n", "good.md: its front matter is not YAML"),
    "a list": ("---\n- name\n---\n", "good.md: its front matter must be names and values"),
    "nothing": ("Say hello.\n", "good.md: name: Field required; title: Field required"),
    "another name": (GOOD.replace("name: good", "name: other"), "its name must be that of the file, not other"),
    "a strange key": (f"{GOOD}tool: [x]\n", "tool: Extra inputs are not permitted"),
    "an unknown source": (GOOD.replace("participants", "everybody"), "arguments.1.completes"),
    "an argument within none": (
        GOOD.replace("within: room", "within: hall"),
        "leg is within hall, which is no argument",
    ),
    "the same argument twice": (GOOD.replace("name: leg", "name: room"), "is there twice"),
    "nothing essential": (GOOD.replace("[list_conferences]", "[]"), "essential"),
    "shows what no argument names": (f"{GOOD}shows: [queue]\n", "it shows queue, which no argument names"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_is_not_as_it_should_be_is_refused_with_the_reason(tmp_path: Path, bad: str) -> None:
    text, said = BAD[bad]
    path = tmp_path / "good.md"
    path.write_text(text if text.startswith(("---", "Say")) else f"---\n{text}---\nSay hello.\n")
    with pytest.raises(PromptError, match=re.escape(said)):
        read(path)


def test_a_file_that_is_as_it_should_be_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.md"
    path.write_text(f"---\n{GOOD}---\nSay hello.\n")
    assert [argument.within for argument in read(path).arguments] == [None, "room"]

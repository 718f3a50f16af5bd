"""The files of the prompts: each is what it must be, and names only what exists."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, TemplateNotFound, UndefinedError, meta
from jinja2.exceptions import SecurityError

from support.rows import each_row
from telnyx_conferencing.prompts.files import CLOSING, DIRECTORY, prompts, read
from telnyx_conferencing.prompts.front_matter import PromptError, split_front_matter
from telnyx_conferencing.prompts.rendering import environment
from telnyx_conferencing.prompts.safe_text import SafeText
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
FACTS = {"conference_view", "queue_view", "sandbox", "missing"}
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
    "greet_and_route",
    "warm_transfer",
    "take_voicemail",
    "call_back",
    "coach_agent",
    "announce_queue",
    "end_of_day_report",
}

each_prompt = each_row("name", sorted(path.stem for path in DIRECTORY.glob("[a-z]*.md")))


def source(name: str) -> str:
    """The template of a prompt with the files that it includes."""
    body = split_front_matter((DIRECTORY / name).read_text(), name)[1]
    included = re.findall(r'include "(_\w+\.md)"', body)
    return "\n".join([body, *map(source, included)])


def in_code(name: str) -> set[str]:
    """What a prompt formats as code."""
    return set(re.findall(r"`([^`]+)`", source(f"{name}.md"))) - {"{{ tool }}"}


def test_all_required_prompts_exist() -> None:
    assert prompts().keys() >= REQUIRED


@each_prompt
def test_every_tool_listed_by_a_prompt_exists(name: str) -> None:
    assert set(prompts()[name].all_tools()) <= EXISTING


@each_prompt
def test_the_text_of_a_prompt_names_exactly_the_tools_in_its_front_matter(name: str) -> None:
    words = set(re.findall(r"[a-z_]+", source(f"{name}.md")))
    assert words & EXISTING == set(prompts()[name].all_tools())


@each_prompt
def test_tools_events_and_fields_that_a_prompt_sets_in_code_exist(name: str) -> None:
    events = {word for word in in_code(name) if re.fullmatch(r"(call|conference)\.[a-z.]+", word)}
    others = {word for word in in_code(name) - events if re.fullmatch(r"[a-z_]+", word)}
    assert events <= PAYLOADS.keys()
    assert others <= EXISTING | KNOWN


@each_prompt
def test_a_prompt_shows_all_its_arguments_and_no_undefined_variable(name: str) -> None:
    used = meta.find_undeclared_variables(Environment().parse(source(f"{name}.md")))
    arguments = {argument.name for argument in prompts()[name].arguments}
    assert arguments <= used <= arguments | FACTS


def test_every_shared_file_is_included_by_a_prompt() -> None:
    included = set(re.findall(r'include "(_\w+\.md)"', "".join(path.read_text() for path in DIRECTORY.glob("*.md"))))
    assert {path.name for path in DIRECTORY.glob("_*.md")} == included | {CLOSING, "_skill.md"}


UNSAFE = {"name": "Standup", "people": ["Ann"], "none": None, "flag": True}
"""Values that are not SafeText."""


@pytest.mark.parametrize("name", UNSAFE)
def test_a_template_cannot_show_text_that_was_not_made_safe(tmp_path: Path, name: str) -> None:
    (tmp_path / "it.md").write_text(f"It is {{{{ {name} }}}}.")
    with pytest.raises(TypeError, match="a template can only show SafeText"):
        environment(tmp_path).get_template("it.md").render(UNSAFE)


def test_safe_text_is_shown_and_not_evaluated_as_a_template(tmp_path: Path) -> None:
    (tmp_path / "it.md").write_text("---\nname: it\n---\nIt is {{ name }}, {{ number }}.")
    context = {"name": SafeText("'{{ number }}{% include 'it.md' %}'"), "number": 7}
    assert (
        environment(tmp_path).get_template("it.md").render(context) == "It is '{{ number }}{% include 'it.md' %}', 7."
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{ nothing }}", UndefinedError),
        ("{{ name.__class__.__mro__ }}", SecurityError),
        ("{% include '../secret.md' %}", TemplateNotFound),
        ("{{ name | upper }}", TypeError),
    ],
)
def test_a_template_cannot_reach_python_other_files_or_unknown_variables(
    tmp_path: Path, text: str, error: type[Exception]
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.md").write_text("secret")
    (inside / "it.md").write_text(text)
    with pytest.raises(error):
        environment(inside).get_template("it.md").render(name=SafeText("'x'"))


GOOD = """\
name: good
title: Good
description: It is good.
arguments:
  - {name: room, description: Which., required: true, completes: open_conferences}
  - {name: leg, description: Who., completes: participants, within: room}
required_tools: [list_conferences]
"""

BAD = {
    "no end": ("---\nname: good\n", "good.md: its front matter does not end"),
    "no YAML": ("---\nname: [\n---\n", "good.md: its front matter is not valid YAML"),
    "a list": ("---\n- name\n---\n", "good.md: its front matter must be a mapping"),
    "nothing": ("Say hello.\n", "good.md: name: Field required; title: Field required"),
    "another name": (GOOD.replace("name: good", "name: other"), "its name must be the name of the file, not other"),
    "a strange key": (f"{GOOD}tool: [x]\n", "tool: Extra inputs are not permitted"),
    "an unknown source": (GOOD.replace("participants", "everybody"), "arguments.1.completes"),
    "an argument within none": (
        GOOD.replace("within: room", "within: hall"),
        "leg is within hall, which is not an earlier argument",
    ),
    "the same argument twice": (GOOD.replace("name: leg", "name: room"), "is listed twice"),
    "no required tools": (GOOD.replace("[list_conferences]", "[]"), "required_tools"),
    "a view without its argument": (f"{GOOD}views: [queue]\n", "views has queue, which is not an argument"),
}


@pytest.mark.parametrize("bad", BAD)
def test_an_invalid_file_is_refused_with_the_reason(tmp_path: Path, bad: str) -> None:
    text, reason = BAD[bad]
    path = tmp_path / "good.md"
    path.write_text(text if text.startswith(("---", "Say")) else f"---\n{text}---\nSay hello.\n")
    with pytest.raises(PromptError, match=re.escape(reason)):
        read(path)


def test_a_valid_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.md"
    path.write_text(f"---\n{GOOD}---\nSay hello.\n")
    assert [argument.within for argument in read(path).arguments] == [None, "room"]

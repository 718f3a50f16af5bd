"""The questions put to a person before a command, one Markdown file each: every word that they decide on.

A file is named for its tool. Files whose names begin with `_` are pieces that several share, and the words of the form
in which the answer is given.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from pydantic import BaseModel, ConfigDict, ValidationError

from ..front_matter import PromptError, split_front_matter
from ..rendering import environment

_HERE = Path(__file__).parent
_FORM = "_form.md"


class Field(BaseModel):
    """The words of a field in the form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    description: str


class Form(BaseModel):
    """The words of the form in which a person answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: Field


@cache
def form() -> Form:
    """The form that goes with every question. Raises `PromptError`."""
    given, _ = split_front_matter((_HERE / _FORM).read_text(encoding="utf-8"), _FORM)
    try:
        return Form.model_validate(given)
    except ValidationError as wrong:
        raise PromptError(f"{_FORM}: {wrong}") from None


def tools() -> list[str]:
    """The tools about which there is a question."""
    return sorted(path.stem for path in _HERE.glob("*.md") if not path.stem.startswith("_"))


def question(tool: str, facts: Mapping[str, Any]) -> list[str]:
    """What a person is asked before this tool runs: the question itself, and then the sentences about it.

    `facts`: the tool's arguments by name, and what was found out about them; words among them are `SafeText`. Raises
    jinja2's `TemplateNotFound` when there is no question about the tool, and what `environment` says.
    """
    lines = _environment().get_template(f"{tool}.md").render(facts).splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]


@cache
def _environment() -> Environment:
    return environment(_HERE)

"""The prompts: one Markdown file each, whose front matter says what it is called, takes, shows and leans on."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .front_matter import PromptError, parted

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
CLOSE = "_close.md"
"""Stands at the end of every prompt."""

Source = Literal[
    "open_conferences",
    "conferences",
    "conference_names",
    "participants",
    "queues",
    "waiting_calls",
    "calls",
    "numbers",
    "prompts",
]
"""What an argument completes from, of what is true now."""
Shown = Literal["conference", "queue"]
"""What is looked up to be shown: what the argument of this name names."""
Name = Annotated[str, Field(pattern=r"^[a-z]+(_[a-z]+)*$")]
Line = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S[^\n]*$")]


class Argument(BaseModel):
    """An argument of a prompt: a text, as all of them are in MCP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    description: Line
    required: bool = False
    completes: Source | tuple[str, ...]
    """A source, or the words of which one must be given."""
    within: Name | None = None
    """The argument before it on which its completion depends."""
    several: bool = False
    """Whether it takes more than one, with commas between them."""


class Prompt(BaseModel):
    """What a person can ask an agent to do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=30)]
    description: Line
    arguments: tuple[Argument, ...] = ()
    shows: tuple[Shown, ...] = ()
    essential: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The tools without which it cannot do what it is for."""
    tools: tuple[Name, ...] = ()
    """The others that it leans on."""

    def leans_on(self) -> tuple[str, ...]:
        """Every tool that its text names."""
        return self.essential + self.tools

    def argument(self, name: str) -> Argument | None:
        return next((one for one in self.arguments if one.name == name), None)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [one.name for one in self.arguments]
        leans_on = self.leans_on()
        if len(set(names)) < len(names) or len(set(leans_on)) < len(leans_on):
            raise ValueError("an argument or a tool is there twice")
        for place, argument in enumerate(self.arguments):
            if argument.within is not None and argument.within not in names[:place]:
                raise ValueError(f"{argument.name} is within {argument.within}, which is no argument before it")
        if unknown := set(self.shows) - set(names):
            raise ValueError(f"it shows {', '.join(sorted(unknown))}, which no argument names")
        return self


@cache
def prompts() -> Mapping[str, Prompt]:
    """Every prompt by its name, in alphabetical order. Raises `PromptError` for a file that is not as it should be."""
    files = sorted(path for path in HERE.glob("*.md") if not path.name.startswith("_"))
    return {prompt.name: prompt for prompt in map(read, files)}


def read(path: Path) -> Prompt:
    """The prompt that a file describes. Raises `PromptError`."""
    given, _ = parted(path.read_text(encoding="utf-8"), path.name)
    try:
        prompt = Prompt.model_validate(given)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        said = (f"{'.'.join(map(str, error['loc'])) or 'front matter'}: {error['msg']}" for error in errors)
        raise PromptError(f"{path.name}: {'; '.join(said)}") from None
    if prompt.name != path.stem:
        raise PromptError(f"{path.name}: its name must be that of the file, not {prompt.name}")
    return prompt


def render(prompt: Prompt, facts: Mapping[str, Any]) -> str:
    """A prompt's text. `facts`: its arguments by name, and what its pieces show; words among them are `Said`.

    Raises what `environment` says.
    """
    parts = [_environment().get_template(name).render(facts) for name in (f"{prompt.name}.md", CLOSE)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


@cache
def _environment() -> "Environment":
    from .rendering import environment  # noqa: PLC0415 (a list of prompts needs no template engine)

    return environment(HERE)

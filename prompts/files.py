"""Loads and renders the prompts: one Markdown file each, described by its front matter."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .front_matter import PromptError, split_front_matter

if TYPE_CHECKING:
    from jinja2 import Environment

DIRECTORY = Path(__file__).parent
CLOSING = "_closing.md"
"""The end of every prompt."""

CompletionSource = Literal[
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
"""The live values that an argument completes from."""
View = Literal["conference", "queue"]
"""What the prompt shows, looked up by the argument of this name."""
Name = Annotated[str, Field(pattern=r"^[a-z]+(_[a-z]+)*$")]
Line = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S[^\n]*$")]


class Argument(BaseModel):
    """An argument of a prompt. In MCP it is always text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    description: Line
    required: bool = False
    completes: CompletionSource | tuple[str, ...]
    """A source, or the only choices."""
    within: Name | None = None
    """The earlier argument that its completion depends on."""
    several: bool = False
    """Whether it takes several values, separated by commas."""


class Prompt(BaseModel):
    """A prompt: what a person can ask the agent to do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=30)]
    description: Line
    arguments: tuple[Argument, ...] = ()
    views: tuple[View, ...] = ()
    required_tools: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The prompt is offered only if these tools are."""
    optional_tools: tuple[Name, ...] = ()

    def all_tools(self) -> tuple[str, ...]:
        """Every tool that its text names."""
        return self.required_tools + self.optional_tools

    def argument(self, name: str) -> Argument | None:
        return next((argument for argument in self.arguments if argument.name == name), None)

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        names = [argument.name for argument in self.arguments]
        tools = self.all_tools()
        if len(set(names)) < len(names) or len(set(tools)) < len(tools):
            raise ValueError("an argument or a tool is listed twice")
        for place, argument in enumerate(self.arguments):
            if argument.within is not None and argument.within not in names[:place]:
                raise ValueError(f"{argument.name} is within {argument.within}, which is not an earlier argument")
        if unknown := set(self.views) - set(names):
            raise ValueError(f"views has {', '.join(sorted(unknown))}, which is not an argument")
        return self


@cache
def prompts() -> Mapping[str, Prompt]:
    """Every prompt by name, in alphabetical order. Raises `PromptError` for an invalid file."""
    files = sorted(path for path in DIRECTORY.glob("*.md") if not path.name.startswith("_"))
    return {prompt.name: prompt for prompt in map(read, files)}


def read(path: Path) -> Prompt:
    """The prompt that a file describes. Raises `PromptError`."""
    fields, _ = split_front_matter(path.read_text(encoding="utf-8"), path.name)
    try:
        prompt = Prompt.model_validate(fields)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        problems = (f"{'.'.join(map(str, error['loc'])) or 'front matter'}: {error['msg']}" for error in errors)
        raise PromptError(f"{path.name}: {'; '.join(problems)}") from None
    if prompt.name != path.stem:
        raise PromptError(f"{path.name}: its name must be the name of the file, not {prompt.name}")
    return prompt


def render(prompt: Prompt, context: Mapping[str, Any]) -> str:
    """A prompt's text. `context`: its arguments by name and the views; text in it is `SafeText`.

    Raises the errors that `environment` names.
    """
    parts = [_environment().get_template(name).render(context) for name in (f"{prompt.name}.md", CLOSING)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


@cache
def _environment() -> "Environment":
    from .rendering import environment  # noqa: PLC0415 (listing prompts needs no template engine)

    return environment(DIRECTORY)

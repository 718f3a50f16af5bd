"""Prompts over MCP: listed if the policy allows their essential tools, rendered from live facts, completed."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    PromptArgument,
    PromptMessage,
    TextContent,
)
from mcp_types import Prompt as PromptDefinition

from ...tools.text import listed, quoted
from ..guard import Caller, Policy
from .completions import CompletionSource, matching
from .prompt_context import prompt_context
from .sessions import caller_of
from .tool_definitions import Catalog

if TYPE_CHECKING:
    from ...prompts.files import Argument, Prompt

Context = ServerRequestContext[Any, Any]
_FILLED_IN_LATER = re.compile(r"\$\d+")
"""OpenCode gets prompts with `$1`, `$2` for their arguments, and puts what a person types in their place."""


class PromptHandlers:
    """The prompts of one server."""

    def __init__(
        self,
        catalog: Catalog,
        policy: Callable[[Caller | None], Policy],
        completions: CompletionSource,
        *,
        is_sandbox: bool,
    ) -> None:
        """`policy` returns the policy in force for a caller; for None, for a caller without an identity."""
        self._catalog = catalog
        self._policy = policy
        self._completions = completions
        self._is_sandbox = is_sandbox
        self._last_policy = policy(None)

    async def listing(self, context: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
        offered = self._offered(self._policy(caller_of(context)))
        return ListPromptsResult(prompts=[_definition(prompt) for prompt in offered.values()])

    async def get(self, context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        policy = self._policy(caller_of(context))
        prompt = self._find(params.name, policy)
        arguments = _checked(prompt, params.arguments or {})
        text = await self._text(prompt, arguments, policy)
        message = PromptMessage(role="user", content=TextContent(text=text))
        return GetPromptResult(description=prompt.description, messages=[message])

    async def complete(
        self, caller: Caller, name: str, argument: str, typed: str, others: Mapping[str, str]
    ) -> list[str]:
        """Live values for an argument that match the typed text; empty for an unknown prompt or argument.

        `others`: the arguments that are already filled in.
        """
        offered = self._offered(self._policy(caller))
        prompt = offered.get(name)
        about = prompt.argument(argument) if prompt is not None else None
        if about is None:
            return []
        if not about.several:
            return await self._values(about, typed, others, offered)
        before, comma, last = typed.rpartition(",")
        space = " " * (len(last) - len(last.lstrip()))
        present = {value.strip() for value in before.split(",")}
        values = await self._values(about, last.strip(), others, offered)
        return [f"{before}{comma}{space}{value}" for value in values if value not in present]

    async def _values(
        self, argument: "Argument", typed: str, others: Mapping[str, str], offered: "Mapping[str, Prompt]"
    ) -> list[str]:
        if not isinstance(argument.completes, str):
            return matching([(word,) for word in argument.completes], typed)
        if argument.completes == "prompts":
            return matching([(name,) for name in offered], typed)
        within = others.get(argument.within) if argument.within is not None else None
        return await self._completions.values(argument.completes, typed, within)

    def recipes(self, caller: Caller) -> dict[str, tuple[str, str]]:
        """The description and the text of each prompt offered to a caller, with `'<name>'` for required arguments."""
        policy = self._policy(caller)
        return {
            name: (prompt.description, self._recipe(prompt, policy)) for name, prompt in self._offered(policy).items()
        }

    def _recipe(self, prompt: "Prompt", policy: Policy) -> str:
        arguments = {about.name: f"<{about.name}>" for about in prompt.arguments if about.required}
        missing = [name for name in prompt.all_tools() if self._missing(name, policy)]
        return _render(prompt, prompt_context(prompt, arguments, None, None, missing) | {"sandbox": self._is_sandbox})

    def changed(self) -> bool:
        """Whether any caller's list of prompts may have changed since the last call."""
        before, self._last_policy = self._last_policy, self._policy(None)
        differs_by_identity = before.identities != () or self._last_policy.identities != ()
        return differs_by_identity or self._offered(before).keys() != self._offered(self._last_policy).keys()

    def _offered(self, policy: Policy) -> "dict[str, Prompt]":
        return {name: prompt for name, prompt in _prompts().items() if self._unavailable(prompt, policy) is None}

    def _unavailable(self, prompt: "Prompt", policy: Policy) -> str | None:
        """Why a prompt's essential tools are not all offered; None if they are."""
        for name in prompt.required_tools:
            if why := self._missing(name, policy):
                return f"it needs {name}: {why}"
        return None

    def _missing(self, name: str, policy: Policy) -> str | None:
        tool = self._catalog.get(name)
        return "there is no such tool here" if tool is None else policy.refusal(tool)

    def _find(self, name: str, policy: Policy) -> "Prompt":
        prompt = _prompts().get(name)
        if prompt is None:
            near = difflib.get_close_matches(name, self._offered(policy), n=3, cutoff=0.5)
            hint = f" Did you mean {', '.join(near)}?" if near else " prompts/list names all prompts."
            raise MCPError(INVALID_PARAMS, f"There is no prompt {quoted(name)}.{hint}")
        if why := self._unavailable(prompt, policy):
            raise MCPError(INVALID_PARAMS, f"The prompt {name} is not offered here: {why}.")
        return prompt

    async def _text(self, prompt: "Prompt", arguments: Mapping[str, str], policy: Policy) -> str:
        conference, queue = (arguments.get(name) if name in prompt.views else None for name in ("conference", "queue"))
        conference_view = await self._completions.conference(conference) if conference is not None else None
        queue_view = await self._completions.queue(queue) if queue is not None else None
        missing = [name for name in prompt.all_tools() if self._missing(name, policy)]
        context = prompt_context(prompt, arguments, conference_view, queue_view, missing)
        return _render(prompt, context | {"sandbox": self._is_sandbox})


# Prompts are loaded on first use: a client lists the tools first, and start-up needs no YAML.


def _prompts() -> "Mapping[str, Prompt]":
    from ...prompts.files import prompts  # noqa: PLC0415

    return prompts()


def _render(prompt: "Prompt", context: Mapping[str, Any]) -> str:
    from ...prompts.files import render  # noqa: PLC0415

    return render(prompt, context)


def _definition(prompt: "Prompt") -> PromptDefinition:
    arguments = [
        PromptArgument(name=argument.name, description=argument.description, required=argument.required)
        for argument in prompt.arguments
    ]
    return PromptDefinition(
        name=prompt.name, title=prompt.title, description=prompt.description, arguments=arguments or None
    )


def _checked(prompt: "Prompt", arguments: Mapping[str, str]) -> dict[str, str]:
    """The arguments that are not blank. Raises `MCPError` for a missing, unknown or invalid one.

    An optional one that the host fills in later is left out: it may stay empty.
    """
    takes = [argument.name for argument in prompt.arguments]
    if unknown := [name for name in arguments if name not in takes]:
        takes_text = f"it takes {listed(takes)}" if takes else "it takes none"
        raise _wrong(prompt, f"has no argument {listed([quoted(name) for name in unknown])}: {takes_text}")
    filled = {name: value.strip() for name, value in arguments.items() if value.strip()}
    for about in prompt.arguments:
        if not about.required and _FILLED_IN_LATER.fullmatch(filled.get(about.name, "")):
            del filled[about.name]
        if about.required and about.name not in filled:
            description = f"{about.description[0].lower()}{about.description[1:].rstrip('.')}"
            raise _wrong(prompt, f"needs {about.name}: {description}")
        choices = about.completes if isinstance(about.completes, tuple) else ()
        if choices and about.name in filled and filled[about.name] not in choices:
            raise _wrong(prompt, f"takes for {about.name} one of {listed(choices)}")
    return filled


def _wrong(prompt: "Prompt", why: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"The prompt {prompt.name} {why}.")

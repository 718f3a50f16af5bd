"""Prompts over MCP: listed as far as the policy allows what they are for, rendered from live facts, completed."""

import difflib
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
from mcp_types import Prompt as PromptListed

from ...tools.words import listed, quoted
from ..guard import Caller, Policy
from .completions import CompletionSource, matching
from .prompt_context import facts
from .sessions import caller_of
from .tool_definitions import Catalog

if TYPE_CHECKING:
    from ...prompts.files import Argument, Prompt

Context = ServerRequestContext[Any, Any]


class PromptHandlers:
    """The prompts of one server."""

    def __init__(
        self, catalog: Catalog, policy: Callable[[Caller | None], Policy], live: CompletionSource, *, is_sandbox: bool
    ) -> None:
        """`policy` gives the one that holds at the moment for a caller; for None, for whoever proved nothing."""
        self._catalog = catalog
        self._policy = policy
        self._live = live
        self._is_sandbox = is_sandbox
        self._held = policy(None)

    async def listing(self, context: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
        offered = self._offered(self._policy(caller_of(context)))
        return ListPromptsResult(prompts=[_listed(prompt) for prompt in offered.values()])

    async def get(self, context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        policy = self._policy(caller_of(context))
        prompt = self._find(params.name, policy)
        given = _checked(prompt, params.arguments or {})
        text = await self._text(prompt, given, policy)
        message = PromptMessage(role="user", content=TextContent(text=text))
        return GetPromptResult(description=prompt.description, messages=[message])

    async def complete(
        self, caller: Caller, name: str, argument: str, typed: str, others: Mapping[str, str]
    ) -> list[str]:
        """Values for an argument that begin like what was typed, from what there is; `others`: what stands already.

        None for a prompt or an argument that there is not.
        """
        offered = self._offered(self._policy(caller))
        prompt = offered.get(name)
        completed = prompt.argument(argument) if prompt is not None else None
        if completed is None:
            return []
        if not completed.several:
            return await self._values(completed, typed, others, offered)
        before, comma, last = typed.rpartition(",")
        space = " " * (len(last) - len(last.lstrip()))
        there = {one.strip() for one in before.split(",")}
        values = await self._values(completed, last.strip(), others, offered)
        return [f"{before}{comma}{space}{value}" for value in values if value not in there]

    async def _values(
        self, argument: "Argument", typed: str, others: Mapping[str, str], offered: "Mapping[str, Prompt]"
    ) -> list[str]:
        if not isinstance(argument.completes, str):
            return matching([(word,) for word in argument.completes], typed)
        if argument.completes == "prompts":
            return matching([(name,) for name in offered], typed)
        within = others.get(argument.within) if argument.within is not None else None
        return await self._live.values(argument.completes, typed, within)

    def changed(self) -> bool:
        """Whether prompts may have come or gone since this was asked before, for whomever."""
        before, self._held = self._held, self._policy(None)
        some_differ = before.identities != () or self._held.identities != ()
        return some_differ or self._offered(before).keys() != self._offered(self._held).keys()

    def _offered(self, policy: Policy) -> "dict[str, Prompt]":
        from ...prompts.files import prompts  # noqa: PLC0415 (the tools are listed first, and need none of it)

        return {name: prompt for name, prompt in prompts().items() if self._hindrance(prompt, policy) is None}

    def _hindrance(self, prompt: "Prompt", policy: Policy) -> str | None:
        """Why what a prompt is for cannot be done here; None when it can."""
        for name in prompt.essential:
            if why := self._absent(name, policy):
                return f"it needs {name}: {why}"
        return None

    def _absent(self, name: str, policy: Policy) -> str | None:
        tool = self._catalog.get(name)
        return "there is no such tool here" if tool is None else policy.refusal(tool)

    def _find(self, name: str, policy: Policy) -> "Prompt":
        from ...prompts.files import prompts  # noqa: PLC0415 (see `_offered`)

        prompt = prompts().get(name)
        if prompt is None:
            near = difflib.get_close_matches(name, self._offered(policy), n=3, cutoff=0.5)
            hint = f" Did you mean {', '.join(near)}?" if near else " prompts/list has those that there are."
            raise MCPError(INVALID_PARAMS, f"There is no prompt {quoted(name)}.{hint}")
        if why := self._hindrance(prompt, policy):
            raise MCPError(INVALID_PARAMS, f"The prompt {name} is not offered here: {why}.")
        return prompt

    async def _text(self, prompt: "Prompt", given: Mapping[str, str], policy: Policy) -> str:
        from ...prompts.files import render  # noqa: PLC0415 (see `_offered`)

        conference, queue = (given.get(name) if name in prompt.shows else None for name in ("conference", "queue"))
        room = await self._live.conference(conference) if conference is not None else None
        line = await self._live.queue(queue) if queue is not None else None
        missing = [name for name in prompt.leans_on() if self._absent(name, policy)]
        return render(prompt, facts(prompt, given, room, line, missing) | {"sandbox": self._is_sandbox})


def _listed(prompt: "Prompt") -> PromptListed:
    arguments = [
        PromptArgument(name=one.name, description=one.description, required=one.required) for one in prompt.arguments
    ]
    return PromptListed(
        name=prompt.name, title=prompt.title, description=prompt.description, arguments=arguments or None
    )


def _checked(prompt: "Prompt", given: Mapping[str, str]) -> dict[str, str]:
    """The arguments that say something. Raises `MCPError` for what is missing, unknown, or not to choose from."""
    takes = [one.name for one in prompt.arguments]
    if unknown := [name for name in given if name not in takes]:
        known = f"it takes {listed(takes)}" if takes else "it takes none"
        raise _wrong(prompt, f"has no argument {listed([quoted(name) for name in unknown])}: {known}")
    said = {name: value.strip() for name, value in given.items() if value.strip()}
    for one in prompt.arguments:
        if one.required and one.name not in said:
            raise _wrong(prompt, f"needs {one.name}: {one.description[0].lower()}{one.description[1:].rstrip('.')}")
        words = one.completes if isinstance(one.completes, tuple) else ()
        if words and one.name in said and said[one.name] not in words:
            raise _wrong(prompt, f"takes for {one.name} one of {listed(words)}")
    return said


def _wrong(prompt: "Prompt", why: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"The prompt {prompt.name} {why}.")

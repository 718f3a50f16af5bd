"""Skills over MCP (extension `io.modelcontextprotocol/skills`): this server's SKILL.md, and the recipes of its prompts.

The Python SDK has no skills. A test fails when it has: then the SDK's own replace this module.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CacheableResult, PaginatedRequestParams, PaginatedResult, RequestParams
from pydantic import BaseModel

from ..guard import Caller
from .event_resources import MARKDOWN, ResourceKind, ResourceNotFound, ResourceReader, UriVariables
from .sessions import caller_of

Context = ServerRequestContext[Any, Any]
Recipes = Callable[[Caller], Mapping[str, tuple[str, str]]]
"""The description and the text of each prompt that a caller may use, by the prompt's name."""

_EXTENSION = "io.modelcontextprotocol/skills"
_URI = "skill://{skill}/SKILL.md"
_LIST, _GET = "skills/list", "skills/get"


class SkillFile(BaseModel, defer_build=True):
    """One file of a skill: `digest` is `sha256:` and 64 hexadecimal digits, `size` is in bytes."""

    uri: str
    digest: str
    size: int


class Skill(BaseModel, defer_build=True):
    """One skill: where its SKILL.md is, that file's front matter, and all its files."""

    uri: str
    frontmatter: dict[str, Any]
    resources: list[SkillFile]


class ListSkillsResult(PaginatedResult, CacheableResult, defer_build=True):
    """The result of `skills/list`."""

    skills: list[Skill]
    result_type: Literal["complete"] = "complete"


class GetSkillParams(RequestParams, defer_build=True):
    """The parameters of `skills/get`: the URI of a skill's SKILL.md."""

    uri: str


class GetSkillResult(CacheableResult, defer_build=True):
    """The result of `skills/get`."""

    skill: Skill
    result_type: Literal["complete"] = "complete"


class SkillHandlers:
    """The skills of one server."""

    def __init__(self, recipes: Recipes) -> None:
        self._recipes = recipes

    def install(self, server: Server[Any]) -> None:
        """Answer the methods of the extension, and declare it."""
        server.add_request_handler(_LIST, PaginatedRequestParams, self.list)
        server.add_request_handler(_GET, GetSkillParams, self.get)
        server.extensions[_EXTENSION] = {}

    async def list(self, context: Context, params: PaginatedRequestParams) -> ListSkillsResult:
        return ListSkillsResult(skills=[_skill(text) for text in self._texts(caller_of(context)).values()])

    async def get(self, context: Context, params: GetSkillParams) -> GetSkillResult:
        """Raises `MCPError` for an unknown skill."""
        for skill in (await self.list(context, PaginatedRequestParams())).skills:
            if skill.uri == params.uri:
                return GetSkillResult(skill=skill)
        raise MCPError(INVALID_PARAMS, "There is no such skill. skills/list names every skill.")

    def resource(self) -> ResourceKind:
        """The SKILL.md of each skill."""

        async def read(reader: ResourceReader, variables: UriVariables) -> str:
            text = self._texts(variables.reader).get(variables["skill"])
            if text is None:
                raise ResourceNotFound("There is no such skill.")
            return text

        description = "How to use this server, or one recipe, as an agent skill."
        return ResourceKind(_URI, "skill", "Skill", description, MARKDOWN, read, {})

    def _texts(self, caller: Caller) -> Mapping[str, str]:
        """Every SKILL.md by the skill's name."""
        from ...prompts.skill import NAME, recipe, skill  # noqa: PLC0415 (start-up needs no YAML)

        recipes = (recipe(name, *parts) for name, parts in self._recipes(caller).items())
        return {NAME: skill()} | dict(recipes)


def _skill(text: str) -> Skill:
    from ...prompts.front_matter import split_front_matter  # noqa: PLC0415 (the same)

    front_matter, _ = split_front_matter(text, "SKILL.md")
    uri, content = _URI.replace("{skill}", front_matter["name"]), text.encode()
    file = SkillFile(uri=uri, digest=f"sha256:{hashlib.sha256(content).hexdigest()}", size=len(content))
    return Skill(uri=uri, frontmatter=front_matter, resources=[file])

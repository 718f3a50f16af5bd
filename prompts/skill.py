"""The texts of agent skills: this server's own SKILL.md, and one for the recipe of each prompt."""

import json
from functools import cache
from pathlib import Path

NAME = "telnyx-conferencing"
"""The name of the skill about the whole server."""
_FILE = Path(__file__).with_name("_skill.md")
"""A copy of the repository's SKILL.md, which a test keeps current: the package has no file above it."""


@cache
def skill() -> str:
    """The skill about the whole server."""
    return _FILE.read_text(encoding="utf-8")


def recipe(prompt: str, description: str, text: str) -> tuple[str, str]:
    """The name and the text of the skill for a prompt's recipe."""
    name = prompt.replace("_", "-")
    return name, f"---\nname: {name}\ndescription: {json.dumps(description)}\n---\n\n{text}"

"""The template engine of prompts and questions: sandboxed, strict, and limited to text that was made safe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Undefined
from jinja2.sandbox import SandboxedEnvironment

from .front_matter import split_front_matter
from .safe_text import SafeText


def environment(directory: Path) -> Environment:
    """Renders the files of a directory by name, without their front matter.

    A template can output `SafeText` and whole numbers only. Text that a caller or a model chose is never part of a
    template. Rendering raises jinja2's `UndefinedError` for an unknown variable, and `TypeError` for other text.
    """
    return SandboxedEnvironment(
        loader=FunctionLoader(_loader(directory)),
        undefined=StrictUndefined,
        finalize=_require_safe,
        autoescape=False,
        auto_reload=False,
    )


def _loader(directory: Path) -> Callable[[str], str | None]:
    def load(name: str) -> str | None:
        path = directory / name
        if path.parent != directory or not path.is_file():
            return None
        return split_front_matter(path.read_text(encoding="utf-8"), name)[1]

    return load


def _require_safe(value: Any) -> Any:
    if isinstance(value, SafeText | Undefined) or type(value) is int:
        return value  # jinja2 itself refuses the undefined
    raise TypeError(f"a template can only show SafeText, and this is a {type(value).__name__}")

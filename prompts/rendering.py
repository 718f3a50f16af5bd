"""The one template engine: sandboxed and strict, and unable to show what nobody has cleaned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Undefined
from jinja2.sandbox import SandboxedEnvironment

from .front_matter import parted


class Said(str):
    """Words that may be shown as they are: on one line, and quoted where somebody else chose them."""

    __slots__ = ()


def environment(directory: Path) -> Environment:
    """Renders the files of a directory, by their names, without their front matter.

    A template shows `Said` and whole numbers, nothing else: what a caller or a model chose is never part of a
    template, and reaches a text only as data that was cleaned. Rendering raises jinja2's `UndefinedError` for what
    does not exist, and `TypeError` for what nobody has cleaned.
    """
    return SandboxedEnvironment(
        loader=FunctionLoader(_body_in(directory)),
        undefined=StrictUndefined,
        finalize=_only_said,
        autoescape=False,
        auto_reload=False,
    )


def _body_in(directory: Path) -> Callable[[str], str | None]:
    def body(name: str) -> str | None:
        path = directory / name
        return (
            parted(path.read_text(encoding="utf-8"), name)[1] if path.parent == directory and path.is_file() else None
        )

    return body


def _only_said(value: Any) -> Any:
    if isinstance(value, Said | Undefined) or type(value) is int:
        return value  # jinja2 itself refuses the undefined
    raise TypeError(f"only words that were cleaned can be shown, and this is a {type(value).__name__}")

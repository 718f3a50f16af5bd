"""Phone numbers masked to their last four digits in everything that a model reads: `+14155550100` -> `+*******0100`."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types.methods import is_input_required
from pydantic import BaseModel

from ..compact_json import compact_json

METHODS = frozenset({"tools/call", "resources/read", "resources/list", "completion/complete", "prompts/get"})
"""What a model reads the results of."""

_FEWEST = 7
"""Digits that make a number in free text: a local number without its area code."""
_SHOWN = 4

_ESCAPE = r"%(?:25)*"  # percent-encoded, maybe more than once
_BETWEEN = rf"(?:[ \t\xa0\u2000-\u200d\u2010-\u2015\u202f\u2060\u2212().\-_\\]|{_ESCAPE}(?:20|28|29|2D|2E))"
"""What stands between the groups of a number; a backslash escapes what would be Markdown."""
_START = rf"(?:(?<![A-Za-z0-9])|{_ESCAPE}[0-9A-F]{{2}})"
_YEAR, _MONTH, _DAY = r"(?:19|20)[0-9]{2}", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?!\d)"
_OTHERWISE = rf"""
    [0-9a-f]{{8}}-[0-9a-f]{{4}}-(?:[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}|…)  # a UUID, also as words shorten it
  | {_YEAR}-{_MONTH}-{_DAY}(?!\d)(?:[T ]{_TIME}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?
  | {_YEAR}{_MONTH}{_DAY}[-_][0-9]{{6}}(?!\d)
  | [0-9]{{1,2}}[./][0-9]{{1,2}}[./]{_YEAR}(?!\d)
  | {_TIME}
  | [0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?!{_BETWEEN}{{0,4}}\d)  # an IP address
  | \d{{16,}}  # longer than a number can be
"""
"""What begins with a digit, or is as long as a number, and is none."""
_GROUPS = rf"\d++(?:{_BETWEEN}{{1,4}}+(?!{_OTHERWISE}|\d{{5,}}[A-Za-z])\d++)*+"

_FOUND = re.compile(
    rf"""
    (?:[+\uff0b]|{_ESCAPE}2B){_BETWEEN}?(?P<plus>{_GROUPS})
  | {_START}(?:
        v[0-9]+(?:\\?:|{_ESCAPE}3A)[\w\\-]+  # a call_control_id
      | {_OTHERWISE}
      | (?:expires|timestamp|ts)=[0-9]+
      | (?![0-9]{{3}}\.[0-9]{{4}})[0-9]{{1,6}}\.[0-9]{{1,6}}(?!{_BETWEEN}{{0,4}}\d)  # a decimal
      | (?!\d+(?!x\d|ext)[A-Za-z])(?P<plain>{_GROUPS})  # digits before a letter are part of an id
    )
  | {_ESCAPE}[0-9A-F]{{2}}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SEVERAL = re.compile(rf"(?:\D*+\d){{{_FEWEST}}}")
_SEPARATORS = re.compile(rf"({_BETWEEN}+)", re.IGNORECASE)
_ESCAPES = re.compile(rf"({_ESCAPE}[0-9A-F]{{2}})", re.IGNORECASE)
_IN_ID = re.compile(r"[A-Za-z]\d|\d(?!x\d|ext)[A-Za-z]", re.IGNORECASE)

_NUMBERS = frozenset(
    {"from", "to", "number", "caller", "callee", "caller_id", "caller_id_number", "phone", "phone_number"}
    | {"from_number", "to_number", "caller_number", "callee_number", "called_number", "calling_number"}
)
"""Keys under which a number stands, whatever it looks like."""
_NO_NUMBERS = re.compile(r"(?:^|_)(?:id|ids|at|time|timestamp|count|cursor|client_state|blob)$")
"""Keys under which none does: ids, times, figures, Base64."""


class NumberMask:
    """Middleware of the low-level server: masks what a model reads, results and errors alike.

    What is asked of a person stays as it is: a person reads it, and decides on it.
    """

    def shown(self, message: dict[str, Any]) -> dict[str, Any]:
        """A notification that a model reads, which no middleware sees."""
        return masked(message)

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        try:
            result = await call_next(ctx)
        except MCPError as error:
            raise _masked_error(error) from None
        if ctx.method not in METHODS or result is None or is_input_required(result):
            return result
        is_model = isinstance(result, BaseModel)
        return masked(result.model_dump(mode="json", by_alias=True, exclude_none=True) if is_model else result)


def masked(value: Any) -> Any:
    """A JSON value with every phone number in it masked: in texts, in text that is JSON itself, in keys.

    What stands under a key for numbers (`from`, `to`, `number`, ...) is masked in whatever form; what stands under a
    key for ids, times and figures is left as it is. The value itself is not changed. Masked twice is as masked once.
    """
    return _masked(value, "")


def masked_text(text: str) -> str:
    """A text with every phone number in it masked: seven digits or more, grouped or not, also percent-encoded.

    Ids, times, addresses and decimals stay. Text that is a JSON object or list stays that, in compact form.
    """
    if _SEVERAL.match(text) is None and text[:1] not in ("{", "["):
        return text
    parsed = _parsed(text)
    if parsed is None:
        return _FOUND.sub(_mask_found, text)
    shown = masked(parsed)
    return text if shown == parsed else compact_json(shown)


def _parsed(text: str) -> Any:
    """The object or list that a text is as JSON; None: it is none."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _masked(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return _masked_object(cast("Mapping[str, Any]", value))
    if isinstance(value, list):
        return [_masked(item, key) for item in cast("list[Any]", value)]
    if isinstance(value, str):
        return _masked_under(value, key)
    is_number = _kind(key) == _NUMBER and isinstance(value, int) and abs(value) >= 10 ** (_FEWEST - 1)
    return _masked_number(str(value)) if is_number else value


def _masked_object(fields: Mapping[str, Any]) -> dict[str, Any]:
    if fields.get("mimeType") == _PAGE:  # the same for everybody: what it shows comes by calls
        return dict(fields)
    if fields.get("mimeType") == _PICTURE and isinstance(fields.get("text"), str):
        return {**fields, "text": _masked_picture(fields["text"])}
    shown: dict[str, Any] = {}
    for key, value in fields.items():
        name = masked_text(key)
        while name in shown:  # two numbers that look the same now
            name += "'"
        shown[name] = _masked(value, key)
    return shown


_PICTURE = "image/svg+xml"
_PAGE = "text/html;profile=mcp-app"
_WORDS = re.compile(r"(?<=>)[^<>]+(?=</(?!style>))")
"""What stands in the elements of a picture: in its attributes are coordinates, which could look like numbers."""


def _masked_picture(drawn: str) -> str:
    return _WORDS.sub(lambda found: masked_text(found[0]), drawn)


_NUMBER, _TEXT, _NEITHER = range(3)


@lru_cache(maxsize=1024)
def _kind(key: str) -> int:
    """What stands under a key."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower().replace("-", "_")
    if name in _NUMBERS:
        return _NUMBER
    return _NEITHER if _NO_NUMBERS.search(name) else _TEXT


def _masked_under(text: str, key: str) -> str:
    kind = _kind(key)
    if kind == _NEITHER:
        return text
    return _masked_number(text) if kind == _NUMBER else masked_text(text)


def _mask_found(found: re.Match[str]) -> str:
    groups = found["plus"] or found["plain"]
    return found[0] if groups is None else found[0].removesuffix(groups) + _masked_groups(groups)


def _masked_groups(groups: str) -> str:
    """Groups of digits, which may be one number or several, or too few for one."""
    pieces = _SEPARATORS.split(groups)
    for number in _numbers(pieces):
        hidden = sum(len(pieces[place]) for place in number) - _SHOWN
        for place in number:
            stars = min(hidden, len(pieces[place]))
            pieces[place] = "*" * stars + pieces[place][stars:]
            hidden -= stars
    return "".join(pieces)


def _numbers(pieces: Sequence[str]) -> list[list[int]]:
    """Which groups make a number; every other piece is what stands between them.

    A group as long as a number ends it. What is left over goes with the number before it: beside the digits that are
    shown of that, it could look like a number again. One or two digits cannot.
    """
    numbers: list[list[int]] = []
    left: list[int] = []
    for place in range(0, len(pieces), 2):
        left.append(place)
        if len(pieces[place]) >= _FEWEST:
            numbers, left = [*numbers, left], []
    digits = sum(len(pieces[place]) for place in left)
    if digits >= _FEWEST:
        numbers.append(left)
    elif numbers and digits >= _FEWEST - _SHOWN:
        numbers[-1] += left
    return numbers


def _masked_number(text: str) -> str:
    """What stands where a number is to stand: a number however short or written, a SIP address, or an id after all."""
    found = _FOUND.fullmatch(text)
    is_other = found is not None and found["plus"] is None and found["plain"] is None
    if is_other or ("@" not in text and _IN_ID.search(_ESCAPES.sub(" ", text))):
        return masked_text(text)
    user, at, host = text.partition("@")
    return _masked_digits(user) + at + masked_text(host)


def _masked_digits(text: str) -> str:
    """Every digit masked but the last four; those of percent-encoding are none."""
    pieces = _ESCAPES.split(text)
    hidden = sum(map(str.isdecimal, "".join(pieces[::2]))) - _SHOWN
    for place in range(0, len(pieces), 2):
        pieces[place], hidden = _hide(pieces[place], hidden)
    return "".join(pieces)


def _hide(text: str, most: int) -> tuple[str, int]:
    """The text with its first digits masked, and how many more are to be."""
    if most <= 0:
        return text, 0
    shown, hidden = re.subn(r"\d", "*", text, count=most)
    return shown, most - hidden


def _masked_error(error: MCPError) -> MCPError:
    message, data = masked_text(error.error.message), masked(error.error.data)
    is_same = (message, data) == (error.error.message, error.error.data)
    return error if is_same else MCPError(error.error.code, message, data)

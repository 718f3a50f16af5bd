"""Masks phone numbers to their last four digits in all that a model reads: `+14155550100` -> `+*******0100`."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, cast

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types.methods import is_input_required
from pydantic import BaseModel

from ..json_text import compact_json

METHODS = frozenset({"tools/call", "resources/read", "resources/list", "completion/complete", "prompts/get"})
"""Methods whose results a model reads."""

_MIN_DIGITS = 7
"""Fewest digits of a phone number in free text: a local number without its area code."""
_VISIBLE_DIGITS = 4

_ESCAPE = r"%(?:25)*"  # percent-encoded, maybe more than once
_BETWEEN = rf"(?:[ \t\xa0\u2000-\u200d\u2010-\u2015\u202f\u2060\u2212().\-_\\]|{_ESCAPE}(?:20|28|29|2D|2E))"
"""Separators between the groups of a number; a backslash escapes what would be Markdown."""
_START = rf"(?:(?<![A-Za-z0-9])|{_ESCAPE}[0-9A-F]{{2}})"
_YEAR, _MONTH, _DAY = r"(?:19|20)[0-9]{2}", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?!\d)"
_NOT_A_NUMBER = rf"""
    [0-9a-f]{{8}}-[0-9a-f]{{4}}-(?:[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}|…)  # a UUID, also as words shorten it
  | {_YEAR}-{_MONTH}-{_DAY}(?!\d)(?:[T ]{_TIME}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?
  | {_YEAR}{_MONTH}{_DAY}[-_][0-9]{{6}}(?!\d)
  | [0-9]{{1,2}}[./][0-9]{{1,2}}[./]{_YEAR}(?!\d)
  | {_TIME}
  | [0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?!{_BETWEEN}{{0,4}}\d)  # an IP address
  | \d{{16,}}  # longer than a number can be
"""
"""Text that begins with a digit or is as long as a phone number, and is not one."""
_GROUPS = rf"\d++(?:{_BETWEEN}{{1,4}}+(?!{_NOT_A_NUMBER}|\d{{5,}}[A-Za-z])\d++)*+"

_PATTERN = re.compile(
    rf"""
    (?:[+\uff0b]|{_ESCAPE}2B){_BETWEEN}?(?P<plus>{_GROUPS})
  | {_START}(?:
        v[0-9]+(?:\\?:|{_ESCAPE}3A)[\w\\-]+  # a call_control_id
      | {_NOT_A_NUMBER}
      | (?:expires|timestamp|ts)=[0-9]+
      | (?![0-9]{{3}}\.[0-9]{{4}})[0-9]{{1,6}}\.[0-9]{{1,6}}(?!{_BETWEEN}{{0,4}}\d)  # a decimal
      | (?!\d+(?!x\d|ext)[A-Za-z])(?P<plain>{_GROUPS})  # digits before a letter are part of an id
    )
  | {_ESCAPE}[0-9A-F]{{2}}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENOUGH_DIGITS = re.compile(rf"(?:\D*+\d){{{_MIN_DIGITS}}}")
_SEPARATORS = re.compile(rf"({_BETWEEN}+)", re.IGNORECASE)
_ESCAPES = re.compile(rf"({_ESCAPE}[0-9A-F]{{2}})", re.IGNORECASE)
_IN_ID = re.compile(r"[A-Za-z]\d|\d(?!x\d|ext)[A-Za-z]", re.IGNORECASE)

_NUMBERS = frozenset(
    {"from", "to", "number", "caller", "callee", "caller_id", "caller_id_number", "phone", "phone_number"}
    | {"from_number", "to_number", "caller_number", "callee_number", "called_number", "calling_number"}
)
"""Keys that hold a phone number, in any form."""
_NO_NUMBERS = re.compile(r"(?:^|_)(?:id|ids|at|time|timestamp|count|cursor|blob)$")
"""Keys that never hold a phone number: ids, times, figures, Base64."""


class NumberMask:
    """Middleware of the low-level server: masks results and errors that a model reads.

    Approval questions are not masked: a person reads them to decide.
    """

    def mask_notification(self, message: dict[str, Any]) -> dict[str, Any]:
        """Mask a notification, which passes no middleware."""
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
    """A copy of a JSON value with every phone number masked: in texts, in texts that are JSON, and in keys.

    Values under keys for numbers (`from`, `to`, `number`, ...) are masked in any form; values under keys for ids, times
    and figures are not. Masking is idempotent.
    """
    return _masked(value, "")


def masked_text(text: str) -> str:
    """A text with every phone number masked: seven digits or more, grouped or not, also percent-encoded.

    Ids, times, addresses and decimals are not masked. A JSON object or list stays JSON, in compact form.
    """
    if _ENOUGH_DIGITS.match(text) is None and text[:1] not in ("{", "["):
        return text
    parsed = _parsed(text)
    if parsed is None:
        return _PATTERN.sub(_mask_match, text)
    result = masked(parsed)
    return text if result == parsed else compact_json(result)


def _parsed(text: str) -> Any:
    """The JSON object or list in a text; None if it is not one."""
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
    is_number = _kind_of_key(key) is _Kind.NUMBER and isinstance(value, int) and abs(value) >= 10 ** (_MIN_DIGITS - 1)
    return _masked_number(str(value)) if is_number else value


def _masked_object(fields: Mapping[str, Any]) -> dict[str, Any]:
    if fields.get("mimeType") == _PAGE:  # static: the page loads its data by tool calls
        return dict(fields)
    if fields.get("mimeType") == _SVG and isinstance(fields.get("text"), str):
        return {**fields, "text": _masked_svg(fields["text"])}
    result: dict[str, Any] = {}
    for key, value in fields.items():
        name = masked_text(key)
        while name in result:  # two keys that are equal once masked
            name += "'"
        result[name] = _masked(value, key)
    return result


_SVG = "image/svg+xml"
_PAGE = "text/html;profile=mcp-app"
_SVG_TEXT = re.compile(r"(?<=>)[^<>]+(?=</(?!style>))")
"""Text inside the elements of an SVG; its attributes hold coordinates, which can look like phone numbers."""


def _masked_svg(svg: str) -> str:
    return _SVG_TEXT.sub(lambda match: masked_text(match[0]), svg)


class _Kind(Enum):
    """What the value of a key holds."""

    NUMBER = 1
    TEXT = 2
    NEITHER = 3


@lru_cache(maxsize=1024)
def _kind_of_key(key: str) -> _Kind:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower().replace("-", "_")
    if name in _NUMBERS:
        return _Kind.NUMBER
    return _Kind.NEITHER if _NO_NUMBERS.search(name) else _Kind.TEXT


def _masked_under(text: str, key: str) -> str:
    kind = _kind_of_key(key)
    if kind is _Kind.NEITHER:
        return text
    return _masked_number(text) if kind is _Kind.NUMBER else masked_text(text)


def _mask_match(match: re.Match[str]) -> str:
    groups = match["plus"] or match["plain"]
    return match[0] if groups is None else match[0].removesuffix(groups) + _masked_groups(groups)


def _masked_groups(groups: str) -> str:
    """Mask groups of digits, which are one phone number, several, or none."""
    pieces = _SEPARATORS.split(groups)
    for number in _numbers(pieces):
        hidden = sum(len(pieces[place]) for place in number) - _VISIBLE_DIGITS
        for place in number:
            stars = min(hidden, len(pieces[place]))
            pieces[place] = "*" * stars + pieces[place][stars:]
            hidden -= stars
    return "".join(pieces)


def _numbers(pieces: Sequence[str]) -> list[list[int]]:
    """The groups that make up each number, as indices; every other piece is a separator.

    A group as long as a phone number ends the number. The remaining groups join the number before them, because
    together with its visible digits they could be read as another number; one or two digits cannot.
    """
    numbers: list[list[int]] = []
    pending: list[int] = []
    for place in range(0, len(pieces), 2):
        pending.append(place)
        if len(pieces[place]) >= _MIN_DIGITS:
            numbers, pending = [*numbers, pending], []
    digits = sum(len(pieces[place]) for place in pending)
    if digits >= _MIN_DIGITS:
        numbers.append(pending)
    elif numbers and digits >= _MIN_DIGITS - _VISIBLE_DIGITS:
        numbers[-1] += pending
    return numbers


def _masked_number(text: str) -> str:
    """Mask the value of a key for numbers: a phone number in any form, a SIP address, or an id."""
    match = _PATTERN.fullmatch(text)
    is_other = match is not None and match["plus"] is None and match["plain"] is None
    if is_other or ("@" not in text and _IN_ID.search(_ESCAPES.sub(" ", text))):
        return masked_text(text)
    user, at, host = text.partition("@")
    return _masked_digits(user) + at + masked_text(host)


def _masked_digits(text: str) -> str:
    """Mask every digit but the last four, leaving percent-encoding as it is."""
    pieces = _ESCAPES.split(text)
    hidden = sum(map(str.isdecimal, "".join(pieces[::2]))) - _VISIBLE_DIGITS
    for place in range(0, len(pieces), 2):
        pieces[place], hidden = _mask_first(pieces[place], hidden)
    return "".join(pieces)


def _mask_first(text: str, count: int) -> tuple[str, int]:
    """The text with its first `count` digits masked, and how many of `count` are left."""
    if count <= 0:
        return text, 0
    result, masked_digits = re.subn(r"\d", "*", text, count=count)
    return result, count - masked_digits


def _masked_error(error: MCPError) -> MCPError:
    message, data = masked_text(error.error.message), masked(error.error.data)
    is_same = (message, data) == (error.error.message, error.error.data)
    return error if is_same else MCPError(error.error.code, message, data)

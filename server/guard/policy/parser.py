"""Parses a policy file, and reports each mistake in a plain sentence."""

import re
import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ....tools.base import ApprovalLevel
from ....tools.text import quoted
from .alert_rules import AlertCondition, AlertRule
from .approval_level import ApprovalPolicy
from .field_types import nearest
from .rules import (
    ApprovalRules,
    CallingRules,
    ConsentMode,
    HourRules,
    LimitRules,
    Measures,
    OwnRules,
    RecordingRules,
    Rules,
    ScopeRules,
    ToolRules,
)

_WHERE = re.compile(r"(.*) \(at (.*)\)", re.DOTALL)


class PolicyError(Exception):
    """A policy cannot be used; the message has one sentence for each mistake."""


def read_rules(text: str) -> Rules:
    """The rules of a policy file's text. Raises `PolicyError`."""
    try:
        return Rules.model_validate(tomllib.loads(text))
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        raise PolicyError(" ".join(dict.fromkeys(map(_sentence, errors)))) from None
    except RecursionError:
        raise PolicyError("It cannot be read as TOML: it is nested too deeply.") from None
    except ValueError as wrong:
        raise PolicyError(_syntax(str(wrong), text)) from None


def _syntax(message: str, text: str) -> str:
    """Rewrites tomllib's `Invalid value (at line 3, column 5)` with the place first."""
    match = _WHERE.fullmatch(message)
    if match is None:
        return f"It is not TOML: {message}."
    last = text.rstrip().count("\n") + 1
    place = f"line {last}, where it ends," if match[2] == "end of document" else match[2]
    return f"At {place} it is not TOML: {match[1]}."


def _sentence(error: ErrorDetails) -> str:
    *path, last = map(_step, error["loc"] or ("",))
    if error["type"] == "extra_forbidden":
        return _unknown(tuple(path), last)
    where = ".".join(path if last == "[key]" else [*path, last])
    own_words = error["msg"].removeprefix("Value error, ")
    words = _WORDS.get(error["type"], lambda _: own_words)(error)
    return f"{where}: {words}." if where else f"{words}."


def _step(step: int | str) -> str:
    """A step of a path. The entries of a list are counted from 1."""
    return str(step + 1) if isinstance(step, int) else step


def _unknown(path: tuple[str, ...], key: str) -> str:
    takes = list(_table(path).model_fields)
    table = f"[{'.'.join(path)}]" if path else "a policy"
    return f"There is no {quoted(key)} in {table} (did you mean {nearest(key, takes)}?); it takes {', '.join(takes)}."


def _table(path: tuple[str, ...]) -> type[BaseModel]:
    match path:
        case ("alerts", _):
            return AlertRule
        case ("identity", _):
            return OwnRules
        case ("identity", _, *inner):
            return _table(tuple(inner))
        case _:
            return _TABLES.get(path, Measures)


_TABLES: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Rules,
    ("tools",): ToolRules,
    ("scope",): ScopeRules,
    ("limits",): LimitRules,
    ("hours",): HourRules,
    ("calling",): CallingRules,
    ("recording",): RecordingRules,
    ("approval",): ApprovalRules,
}
"""The tables of a file, without those of a risk or a tool in [limits]."""


def _choice(error: ErrorDetails) -> str:
    choices = _CHOICES.get(str(error["loc"][-1]), ApprovalPolicy)
    return f"must be one of {', '.join(choices)}"


_CHOICES: Mapping[str, type[StrEnum]] = {"level": ApprovalLevel, "when": AlertCondition, "consent": ConsentMode}


def _always(words: str) -> Callable[[Any], str]:
    return lambda _: words


_COUNT = _always("must be a whole number, 0 or more")
_TABLE = _always("must be a table, its keys below a line with its name in brackets")
_WORDS: Mapping[str, Callable[[ErrorDetails], str]] = {
    "enum": _choice,
    "int_type": _COUNT,
    "greater_than_equal": _COUNT,
    "bool_type": _always("must be true or false"),
    "string_type": _always("must be a text in quotes"),
    "missing": _always("is missing"),
    "model_type": _TABLE,
    "tuple_type": _always("must be a list of tables, each below a line [[alerts]]"),
    "mapping_type": _TABLE,
    "dict_type": _TABLE,
}
"""The words for pydantic's error types. Our own checks have their own words."""

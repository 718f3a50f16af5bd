"""Fault rules: what goes wrong between an application and Telnyx."""

import random
import re
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

WEBHOOK_KINDS = ("duplicate", "reorder", "lose")


@dataclass(config=ConfigDict(extra="forbid"))
class Fault:
    """A rule: what goes wrong, where, and how often.

    A request is matched by `method` (any if empty) and `path`, a regular expression that is searched for in the path,
    with and without /v2, percent-encoded as it arrived. A webhook is matched by `event_type`, a regular expression too.
    """

    kind: Literal["status", "delay", "drop", "hang", "duplicate", "reorder", "lose"]
    """For requests: status (an error answer), delay (a late answer), drop (the connection breaks), hang (no answer).
    For webhooks: duplicate, reorder (after the next webhook), lose."""
    method: str = ""
    path: str = ""
    event_type: str = ""
    after: bool = False
    """Whether it happens after the request has taken effect, instead of before."""
    status: Annotated[int, Field(ge=400, le=599)] = 500
    retry_after: Annotated[int, Field(ge=0)] | None = None
    """Seconds."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """How long a delay takes, on the sandbox's clock."""
    times: Annotated[int, Field(ge=0)] | None = None
    """How often it still happens; None: without end."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    happened: Annotated[int, Field(ge=0)] = field(default=0, init=False)

    @model_validator(mode="after")
    def _check_patterns(self) -> "Fault":
        for pattern in (self.path, self.event_type):
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as wrong:
                raise ValueError(f"not a regular expression: {wrong}") from None
        return self

    def matches_request(self, method: str, path: str) -> bool:
        return (
            self.kind not in WEBHOOK_KINDS
            and self.method.upper() in ("", method)
            and any(re.search(self.path, searched) for searched in (path, f"/v2{path}"))
        )

    def matches_event(self, event_type: str) -> bool:
        return self.kind in WEBHOOK_KINDS and re.search(self.event_type, event_type) is not None


FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


class Faults:
    """The rules in force. The first rule that matches and happens counts."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.rules: list[Fault] = []
        self._random = random.Random(f"faults {seed}")  # noqa: S311 - a story must be repeatable

    def add(self, rule: Fault) -> Fault:
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        self.rules.clear()

    def reset(self) -> None:
        """Remove the rules, and restart the random sequence."""
        self.clear()
        self._random.seed(f"faults {self._seed}")

    def for_request(self, method: str, path: str) -> Fault | None:
        """The rule that applies to a request, if any. It counts as having happened."""
        if not self.rules:
            return None
        return next((rule for rule in self.rules if rule.matches_request(method, path) and self._happens(rule)), None)

    def for_event(self, event_type: str) -> str | None:
        """The kind of fault that applies to a webhook, if any."""
        if not self.rules:
            return None
        return next((rule.kind for rule in self.rules if rule.matches_event(event_type) and self._happens(rule)), None)

    def _happens(self, rule: Fault) -> bool:
        if rule.times == 0:
            return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        if rule.times is not None:
            rule.times -= 1
        rule.happened += 1
        return True

    def view(self) -> list[dict[str, Any]]:
        return [FAULT.dump_python(rule) for rule in self.rules]

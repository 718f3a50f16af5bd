"""Faults on demand, by rule: what goes wrong between a caller and Telnyx."""

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

    A request is matched by `method` (any if empty) and `path`, a regular expression that is searched for in the path
    below /v2, percent-encoded as it arrived. A webhook is matched by `event_type`, a regular expression too.
    """

    kind: Literal["status", "delay", "drop", "hang", "duplicate", "reorder", "lose"]
    """status: an error answer. delay: a late one. drop: the connection breaks. hang: no answer, ever.
    duplicate, reorder (behind the next one), lose: of webhooks."""
    method: str = ""
    path: str = ""
    event_type: str = ""
    after: bool = False
    """Once the request has taken effect, instead of before."""
    status: Annotated[int, Field(ge=400, le=599)] = 500
    retry_after: Annotated[int, Field(ge=0)] | None = None
    """Seconds."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """How long a delay takes, on the sandbox's clock."""
    times: Annotated[int, Field(ge=0)] | None = None
    """How often it still happens; None: for ever."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    happened: Annotated[int, Field(ge=0)] = field(default=0, init=False)

    @model_validator(mode="after")
    def _compiles(self) -> "Fault":
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
            and re.search(self.path, path) is not None
        )

    def matches_event(self, event_type: str) -> bool:
        return self.kind in WEBHOOK_KINDS and re.search(self.event_type, event_type) is not None


FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


class Faults:
    """The rules in force. The first that matches and happens is the one that counts."""

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
        """No rules, and chance begins again."""
        self.clear()
        self._random.seed(f"faults {self._seed}")

    def for_request(self, method: str, path: str) -> Fault | None:
        """What happens to a request, if anything; counts as happened."""
        if not self.rules:
            return None
        return next((rule for rule in self.rules if rule.matches_request(method, path) and self._happens(rule)), None)

    def for_event(self, event_type: str) -> str | None:
        """What happens to a webhook, if anything."""
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

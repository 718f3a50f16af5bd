"""What people must have heard, and keyed, before they are recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from .rules import ConsentMode, RecordingRules

_BY_STRICTNESS = tuple(ConsentMode)


@dataclass(frozen=True, slots=True)
class ConsentPolicy:
    """The strictest rule of all sources."""

    rules: RecordingRules

    @classmethod
    def of(cls, sources: Sequence[RecordingRules]) -> Self:
        strictest = max(sources, key=lambda source: _BY_STRICTNESS.index(source.consent), default=RecordingRules())
        return cls(strictest)

    @property
    def is_required(self) -> bool:
        """Whether nobody is recorded without the announcement."""
        return self.rules.consent is not ConsentMode.NONE

    @property
    def needs_key(self) -> bool:
        """Whether a person must also press the key."""
        return self.rules.consent is ConsentMode.KEYED

    @property
    def text(self) -> str:
        """The rule in words."""
        if not self.is_required:
            return "people are recorded without an announcement by this server"
        keyed = f" and have pressed {self.rules.digit}" if self.needs_key else ""
        return f"people are recorded only after they have heard the announcement{keyed}"

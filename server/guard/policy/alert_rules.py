"""`[[alerts]]` of a policy file: the conditions of which the operator is notified."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from ....tools.text import duration_text
from .field_types import AlertName, Count, Duration, NamePatterns, Texts
from .patterns import is_like


class AlertCondition(StrEnum):
    """What an alert is about."""

    QUEUE_WAIT = "queue_wait"
    """A call waits in a queue for longer than `after`."""
    QUEUE_LENGTH = "queue_length"
    """More than `above` calls wait in a queue."""
    ON_HOLD = "on_hold"
    """A participant is on hold for longer than `after`."""
    NO_HOST = "no_host"
    """People are in a conference, and for longer than `after` none of them is its host."""
    ALONE = "alone"
    """A participant is alone in a conference for longer than `after`."""
    RECORDING_WITHOUT_CONSENT = "recording_without_consent"
    """A conference is recorded, and a participant has heard no announcement since they joined."""
    WEBHOOK_GAP = "webhook_gap"
    """No webhook arrives for longer than `after`, although a conference is open or a call waits."""
    APPROVAL_EXPIRING = "approval_expiring"
    """An approval request expires within `before`, and it is not answered."""


_REQUIRED_ENTRY: Mapping[AlertCondition, str] = {
    AlertCondition.QUEUE_WAIT: "after",
    AlertCondition.QUEUE_LENGTH: "above",
    AlertCondition.ON_HOLD: "after",
    AlertCondition.NO_HOST: "after",
    AlertCondition.ALONE: "after",
    AlertCondition.WEBHOOK_GAP: "after",
    AlertCondition.APPROVAL_EXPIRING: "before",
}
"""The entry that each condition requires."""
_IN_QUEUES = (AlertCondition.QUEUE_WAIT, AlertCondition.QUEUE_LENGTH)
_IN_CONFERENCES = (
    AlertCondition.ON_HOLD,
    AlertCondition.NO_HOST,
    AlertCondition.ALONE,
    AlertCondition.RECORDING_WITHOUT_CONSENT,
)
_CONDITIONS_OF_ENTRY: Mapping[str, tuple[AlertCondition, ...]] = {
    "after": tuple(
        condition
        for condition in AlertCondition
        if _REQUIRED_ENTRY.get(condition) == "after" or condition in _IN_CONFERENCES
    ),
    "above": (AlertCondition.QUEUE_LENGTH,),
    "before": (AlertCondition.APPROVAL_EXPIRING,),
    "queues": _IN_QUEUES,
    "conferences": _IN_CONFERENCES,
    "announcements": (AlertCondition.RECORDING_WITHOUT_CONSENT,),
}
"""The conditions that take each entry."""

_CLEAR_DELAY = timedelta(seconds=10)


class AlertRule(BaseModel):
    """One alert."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    name: AlertName
    """Unique in the file. Events and webhooks carry it."""
    when: AlertCondition
    after: Duration | None = None
    above: Count | None = None
    before: Duration | None = None
    queues: NamePatterns | None = None
    """Only queues with such a name; None: all."""
    conferences: NamePatterns | None = None
    """Only conferences with such a name; None: all."""
    announcements: Texts = ()
    """Names or URLs of audio files that count as an announcement. A spoken text always does."""
    clear_after: Duration | None = None

    @model_validator(mode="after")
    def _check_entries(self) -> Self:
        needed = _REQUIRED_ENTRY.get(self.when)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"{needed} is missing: {self.when} needs it")
        for entry, conditions in _CONDITIONS_OF_ENTRY.items():
            if entry in self.model_fields_set and self.when not in conditions:
                raise ValueError(f"{entry} has no meaning for {self.when}; it is for {', '.join(conditions)}")
        return self

    @property
    def is_about_queues(self) -> bool:
        return self.when in _IN_QUEUES

    @property
    def is_about_conferences(self) -> bool:
        return self.when in _IN_CONFERENCES

    @property
    def delay(self) -> timedelta:
        """How long the condition must hold before the alert is raised."""
        return self.after or timedelta()

    @property
    def clear_delay(self) -> timedelta:
        """How long the condition must be over before the alert is cleared, so that it does not flap.

        A wait does not flap: a call that has left its queue begins another wait.
        """
        if self.clear_after is not None:
            return self.clear_after
        return timedelta() if self.when is AlertCondition.QUEUE_WAIT else _CLEAR_DELAY

    def covers(self, name: str | None) -> bool:
        """Whether the alert is about a queue or conference of this name. None: its name is not known."""
        patterns = self.queues if self.is_about_queues else self.conferences
        if patterns is None:
            return True
        return name is not None and any(is_like(name, pattern) for pattern in patterns)

    def in_words(self) -> str:
        """What the alert is about, such as `a call waits in a queue for longer than 2 min (queues support-*)`."""
        within = " or ".join((self.queues if self.is_about_queues else self.conferences) or ())
        where = f" ({'queues' if self.is_about_queues else 'conferences'} named {within})" if within else ""
        span = self.before if self.when is AlertCondition.APPROVAL_EXPIRING else self.after
        words = _WORDS[self.when].format(span=duration_text(span or timedelta(seconds=1)), above=self.above)
        late = f", for longer than {duration_text(self.after)}" if self.after and "longer" not in words else ""
        return f"{words}{late}{where}"


_WORDS: Mapping[AlertCondition, str] = {
    AlertCondition.QUEUE_WAIT: "a call waits in a queue for longer than {span}",
    AlertCondition.QUEUE_LENGTH: "more than {above} calls wait in a queue",
    AlertCondition.ON_HOLD: "a participant is on hold for longer than {span}",
    AlertCondition.NO_HOST: "a conference has people and no host for longer than {span}",
    AlertCondition.ALONE: "a participant is alone in a conference for longer than {span}",
    AlertCondition.RECORDING_WITHOUT_CONSENT: "a conference is recorded, and a participant has heard no announcement",
    AlertCondition.WEBHOOK_GAP: "no webhook arrives for longer than {span} while a conference is open or a call waits",
    AlertCondition.APPROVAL_EXPIRING: "an approval request expires within {span}",
}

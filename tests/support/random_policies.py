"""Random policies whose effects a test can check by itself."""

import random
from dataclasses import dataclass

ROOM_LISTS = (None, None, ("Second",), ("Second", "Third"), ())
QUEUE_LISTS = (None, None, ("fresh",), ("fresh", "support"), ())
NUMBER_LISTS = (None, None, None, ("+1202555015",))
LEVELS = ("never", "never", "destructive", "disruptive", "all")


@dataclass(frozen=True)
class RandomPolicy:
    """A policy, as its file and as what it allows."""

    conferences: tuple[str, ...] | None = None
    queues: tuple[str, ...] | None = None
    numbers: tuple[str, ...] | None = None
    level: str = "destructive"
    read_only: bool = False
    calls_per_minute: int | None = None
    most_people: int | None = None

    @classmethod
    def made(cls, seed: int) -> "RandomPolicy":
        """The policy of a seed."""
        chance = random.Random(seed)
        return cls(
            conferences=chance.choice(ROOM_LISTS),
            queues=chance.choice(QUEUE_LISTS),
            numbers=chance.choice(NUMBER_LISTS),
            level=chance.choice(LEVELS),
            read_only=chance.random() < 0.05,
            calls_per_minute=chance.choice((None, None, None, 2)),
            most_people=chance.choice((None, None, 1)),
        )

    def allows(self, place: str) -> bool:
        """Whether a place, such as `conference Second`, may be changed."""
        kind, _, name = place.partition(" ")
        allowed = self.conferences if kind == "conference" else self.queues
        return allowed is None or name in allowed

    def allows_number(self, number: str) -> bool:
        return self.numbers is None or number.startswith(self.numbers)

    @property
    def asks_destructive(self) -> bool:
        """Whether a person is asked about what cannot be undone."""
        return self.level != "never"

    @property
    def text(self) -> str:
        """The policy file; empty for no rules."""
        lists = {"conferences": self.conferences, "queues": self.queues, "numbers": self.numbers}
        limits = {"calls_per_minute": self.calls_per_minute, "most_people": self.most_people}
        return "\n".join(
            [
                "[scope]",
                *(f"{name} = {list(values)}" for name, values in lists.items() if values is not None),
                "[limits]",
                *(f"{name} = {limit}" for name, limit in limits.items() if limit is not None),
                "[tools]",
                f"read_only = {str(self.read_only).lower()}",
                "[approval]",
                f"level = '{self.level}'",
            ]
        )

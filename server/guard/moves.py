"""Calls that move the same call leg at the same moment: what one found out, the other changes."""

from collections.abc import Iterable, Mapping

from ..errors import CallRefused
from ..newest import Newest

_MAX_REMEMBERED = 10_000


class Moves:
    """The moves of call legs that this process has sent, and those that are on their way."""

    def __init__(self) -> None:
        self._steps = Newest[str, int](_MAX_REMEMBERED)
        """How many moves of a leg have begun and ended: an odd number while one is on its way."""

    def steps(self, legs: Iterable[str]) -> Mapping[str, int]:
        """What `begin` needs to know whether a leg was moved since then."""
        return {leg: self._steps.get(leg, 0) for leg in legs}

    def begin(self, tool: str, before: Mapping[str, int]) -> None:
        """A call begins to move these legs. `before`: their `steps` when it looked up where they are.

        Raises `CallRefused` if another call moves one of them or has moved it since.
        """
        if any(steps % 2 or steps != self._steps.get(leg, 0) for leg, steps in before.items()):
            raise CallRefused(
                f"{tool} was not sent: another call moves the same call leg at this moment. Look where it is, then "
                "decide."
            )
        for leg, steps in before.items():
            self._steps[leg] = steps + 1

    def end(self, legs: Iterable[str]) -> None:
        """The call that began to move these legs has been answered."""
        for leg in legs:
            if leg in self._steps:  # it is forgotten when many others have moved meanwhile
                self._steps[leg] += 1

"""A dictionary that keeps only its newest entries."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Newest(dict[K, V]):
    """A dictionary of at most `size` entries. Setting one more removes the entry that was set longest ago.

    Set entries with `newest[key] = value` only: `update` and `setdefault` do not limit the size.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __setitem__(self, key: K, value: V) -> None:
        self.pop(key, None)
        super().__setitem__(key, value)
        if len(self) > self._size:
            del self[next(iter(self))]

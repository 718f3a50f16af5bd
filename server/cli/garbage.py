"""Python's search for what only refers to itself, in a process that serves."""

import gc

_THRESHOLDS = (10_000, 20, 50)
"""New objects between two searches, and every how many searches what stayed is looked at again. A call makes thousands
of objects, of which next to none are left: to look after each few hundred takes a tenth of its time."""


def search_seldom() -> None:
    """What is there now stays for good, and is not looked at again; what is new is, now and then."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()

"""Loads the policy file and reloads it when it changes. A broken edit keeps the previous policy and reports why."""

from pathlib import Path

from .parser import PolicyError, read_rules
from .policy import Policy
from .rules import Rules
from .watched_file import FileUnreadable, Seen, read_text, stat_of


class PolicySource:
    """A policy from the command line and, if there is a path, from a file that `refresh` reads again."""

    def __init__(self, path: Path | None, flags: Rules) -> None:
        """Raises `PolicyError` when the file cannot be used."""
        self._path = path
        self._flags = flags
        self._seen: Seen | None = None
        self._rules: Rules | None = None
        self.policy = Policy([flags])
        self.problem = ""
        """Why the current file cannot be used and the previous policy stays; empty when it is in use."""
        self.refresh()
        if self.problem:
            raise PolicyError(self.problem)

    def refresh(self) -> bool:
        """Read the file again if it changed. Returns whether the policy changed."""
        if self._path is None:
            return False
        try:
            rules = self._changed(self._path)
        except (PolicyError, FileUnreadable) as problem:
            self.problem = f"{self._path}: {problem}"
            return False
        if rules is None:
            return False
        self.problem = ""
        if rules == self._rules:
            return False
        self._rules = rules
        self.policy = Policy([self._flags, rules])
        return True

    def _changed(self, path: Path) -> Rules | None:
        """The rules of the file; None when the file has not changed."""
        seen, self._seen = self._seen, None
        stat = stat_of(path)
        # Recorded before reading, and also if reading fails: an edit in progress shows as a change the next time.
        self._seen = stat
        return None if stat == seen else read_rules(read_text(path))

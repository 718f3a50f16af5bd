"""A keyring that is a file, for processes that are to have one."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

_FILE = "TESTS_RING"


def ring_env(file: Path) -> dict[str, str]:
    """What gives a process this keyring."""
    return {
        "PYTHON_KEYRING_BACKEND": f"{__name__}.Ring",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        _FILE: str(file),
    }


NO_RING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
"""What takes every keyring from a process."""


class Ring(KeyringBackend):
    """Passwords by service and name."""

    priority = 5  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    name = "Test Keyring"  # pyright: ignore[reportAssignmentType]

    def __init__(self) -> None:
        super().__init__()
        self._file = Path(os.environ[_FILE])

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._write({**self._all(), f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        kept = self._all()
        if kept.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError("there is none")
        self._write(kept)

    def _all(self) -> dict[str, str]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}

    def _write(self, passwords: dict[str, str]) -> None:
        self._file.write_text(json.dumps(passwords))

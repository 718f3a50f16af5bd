"""A configuration file of somebody else's: read as it is, backed up, and replaced in one step or not at all."""

import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..terminal import CommandFailed

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file as it was read."""

    path: Path
    raw: bytes | None
    """None: it is not there."""

    @classmethod
    def read(cls, path: Path) -> "ConfigFile":
        """Raises `NotDone` when there is one that cannot be read."""
        try:
            return cls(path, path.read_bytes())
        except FileNotFoundError:
            return cls(path, None)
        except OSError as error:
            raise CommandFailed(f"{path} cannot be read ({_reason(error)}). Nothing was changed.") from None

    @property
    def text(self) -> str:
        """Its text, without a byte order mark. Raises `NotDone` when it is no UTF-8."""
        try:
            return (self.raw or b"").decode().removeprefix(_BOM)
        except UnicodeDecodeError:
            raise CommandFailed(f"{self.path} is not UTF-8 text. Nothing was changed.") from None

    def replace(self, text: str) -> Path | None:
        """Write this text in its place, and return where the old one is kept; None if there was none.

        A link stays a link, and the file's rights stay what they were; a new one is its user's alone. Raises `NotDone`,
        with the file left as it is, when it cannot be written or has changed since it was read.
        """
        target = self.path.resolve()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if ConfigFile.read(target).raw != self.raw:
                raise CommandFailed(f"{self.path} was changed by another program just now. Run this again.")
            backup = self._back_up(target)
            mark = _BOM if (self.raw or b"").startswith(_BOM.encode()) else ""
            _swap(target, (mark + text).encode(), target.stat().st_mode if self.raw is not None else 0o600)
        except OSError as error:
            raise CommandFailed(f"{self.path} cannot be written ({_reason(error)}). It is as it was.") from None
        return backup

    def _back_up(self, target: Path) -> Path | None:
        if self.raw is None:
            return None
        stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        backup = target.with_name(f"{target.name}.{stamp}.backup")
        number = 1
        while backup.exists():
            number += 1
            backup = target.with_name(f"{target.name}.{stamp}-{number}.backup")
        _swap(backup, self.raw, target.stat().st_mode)
        return backup


def _swap(path: Path, content: bytes, mode: int) -> None:
    """Put a whole file in a place at once: a crash leaves the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode & 0o7777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()

"""A host's configuration file: read as it is, backed up, and replaced in one step or not at all."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..terminal import CommandFailed

_BOM = "\ufeff"
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file as it was read."""

    path: Path
    raw: bytes | None
    """None: there is no file."""

    @classmethod
    def read(cls, path: Path) -> "ConfigFile":
        """Raises `CommandFailed` if the file cannot be read."""
        try:
            return cls(path, path.read_bytes())
        except FileNotFoundError:
            return cls(path, None)
        except OSError as error:
            raise CommandFailed(f"{path} cannot be read ({_reason(error)}). Nothing was changed.") from None

    @property
    def text(self) -> str:
        """Its text, without a byte order mark. Raises `CommandFailed` if it is not UTF-8."""
        try:
            return (self.raw or b"").decode().removeprefix(_BOM)
        except UnicodeDecodeError:
            raise CommandFailed(f"{self.path} is not UTF-8 text. Nothing was changed.") from None

    def replace(self, text: str, *, private: bool = False) -> Path | None:
        """Replace the file's text, and return the path of its backup; None if there was no file.

        A symbolic link stays one. The file keeps its permissions; a new file, and one that becomes `private`, are for
        its user alone. Raises `CommandFailed`, and leaves the file as it was, if it cannot be written or has changed
        since it was read.
        """
        target = self.path.resolve()
        with self._report_write_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            if ConfigFile.read(target).raw != self.raw:
                raise CommandFailed(f"Another program has just changed {self.path}. Run this command again.")
            mode = target.stat().st_mode if self.raw is not None and not private else _PRIVATE
            backup = self._back_up(target, mode)
            _write_whole(target, self._encode(text), mode)
        return backup

    def overwrite(self, text: str) -> None:
        """Replace the file's text without a backup. Raises `CommandFailed` if it cannot be written."""
        target = self.path.resolve()
        with self._report_write_errors():
            _write_whole(target, self._encode(text), target.stat().st_mode)

    def make_private(self) -> None:
        """Make the file readable for its user alone. Raises `CommandFailed` if that fails."""
        with self._report_write_errors():
            self.path.resolve().chmod(_PRIVATE)

    @contextmanager
    def _report_write_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise CommandFailed(f"{self.path} cannot be written ({_reason(error)}). It is unchanged.") from None

    def _encode(self, text: str) -> bytes:
        return ((_BOM if (self.raw or b"").startswith(_BOM.encode()) else "") + text).encode()

    def backups(self) -> list[Path]:
        """The backups that `replace` made of this file."""
        target = self.path.resolve()
        return sorted(target.parent.glob(f"{target.name}.*.backup"))

    def _back_up(self, target: Path, mode: int) -> Path | None:
        if self.raw is None:
            return None
        stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        backup = target.with_name(f"{target.name}.{stamp}.backup")
        number = 1
        while backup.exists():
            number += 1
            backup = target.with_name(f"{target.name}.{stamp}-{number}.backup")
        _write_whole(backup, self.raw, mode)
        return backup


def _write_whole(path: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step: a crash leaves the old file or the new one."""
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

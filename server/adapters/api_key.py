"""The API key: as it is set, or in the system keyring (Keychain, Credential Locker, Secret Service, KWallet)."""

from typing import TYPE_CHECKING

from ..settings import Settings, SettingsError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_SERVICE, _NAME = "telnyx-conferencing", "TELNYX_API_KEY"
_RECOMMENDED = 1
"""From this priority on a backend is the system's own; below stand files, and what holds nothing."""


class KeyringFailed(Exception):
    """The system keyring did not do what it was asked. The message says what it said."""


def key_of(settings: Settings) -> str:
    """The API key. Raises `SettingsError` when there is none."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    if not key and settings.keyring:
        key = _key_in_keyring()
    if not key:
        raise SettingsError(
            "no Telnyx to work on: set TELNYX_API_KEY to run on your account, or give --sandbox "
            "to practise on the embedded Telnyx, which needs none."
        )
    return key


def _key_in_keyring() -> str:
    try:
        key = stored_key()
    except KeyringFailed as failed:
        raise SettingsError(f"--keyring: the system keyring does not give the API key ({failed}).") from None
    if key is None:
        raise SettingsError(
            "--keyring: the system keyring holds no Telnyx API key: telnyx-conferencing install puts one there, or set "
            "TELNYX_API_KEY."
        )
    return key


def keyring_name() -> str | None:
    """What this system's keyring is called; None: there is none."""
    backend = _backend()
    return None if backend is None else str(backend.name)


def stored_key() -> str | None:
    """The API key in the keyring. It may ask the person to unlock it. Raises `KeyringFailed`."""
    backend = _backend()
    if backend is None:
        return None
    try:
        return backend.get_password(_SERVICE, _NAME) or None
    except Exception as failed:  # a backend raises what its system does
        raise KeyringFailed(_said(failed)) from None


def store_key(key: str) -> None:
    """Keep the API key. Raises `KeyringFailed`."""
    import keyring  # noqa: PLC0415

    if _backend() is None:
        raise KeyringFailed("this system has none")
    try:
        keyring.set_password(_SERVICE, _NAME, key)
    except Exception as failed:
        raise KeyringFailed(_said(failed)) from None


def forget_key() -> bool:
    """Take the API key out; whether there was one. Raises `KeyringFailed`."""
    backend = _backend()
    if backend is None or stored_key() is None:
        return False
    try:
        backend.delete_password(_SERVICE, _NAME)
    except Exception as failed:
        raise KeyringFailed(_said(failed)) from None
    return True


def _backend() -> "KeyringBackend | None":
    import keyring  # noqa: PLC0415 (half a second, for those who keep their key there)

    backend = keyring.get_keyring()
    return backend if backend.priority >= _RECOMMENDED else None


def _said(failed: Exception) -> str:
    return str(failed).strip().rstrip(".") or type(failed).__name__

"""The API key: from the environment or the system keyring (Keychain, Credential Locker, Secret Service, KWallet)."""

from typing import TYPE_CHECKING, Any, cast

from ..settings import Settings, SettingsError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_SERVICE, _NAME = "telnyx-conferencing", "TELNYX_API_KEY"
_MIN_PRIORITY = 1
"""The system's own keyrings have at least this priority. Below are files, and backends that store nothing."""


class KeyringFailed(Exception):
    """The system keyring failed. The message is its own."""


def key_of(settings: Settings) -> str:
    """The API key. Raises `SettingsError` if there is none."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    if not key and settings.keyring:
        key = _key_in_keyring()
    if not key:
        raise SettingsError(
            "There is no API key. Set TELNYX_API_KEY to use your Telnyx account, or give --sandbox to practise "
            "without an account."
        )
    return key


def _key_in_keyring() -> str:
    try:
        key = stored_key()
    except KeyringFailed as error:
        raise SettingsError(f"--keyring: the system keyring does not return the API key ({error}).") from None
    if key is None:
        raise SettingsError(
            "--keyring: the system keyring holds no Telnyx API key. Store it with telnyx-conferencing install HOST, or "
            "set TELNYX_API_KEY."
        )
    return key


def keyring_name() -> str | None:
    """The name of this system's keyring; None: there is none."""
    backend = _backend()
    return None if backend is None else str(backend.name)


def stored_key() -> str | None:
    """The API key in the keyring. The system may ask the person to unlock it. Raises `KeyringFailed`."""
    backend = _backend()
    if backend is None:
        return None
    try:
        return backend.get_password(_SERVICE, _NAME) or None
    except Exception as error:  # backends raise errors of their own systems
        raise KeyringFailed(_message(error)) from None


def store_key(key: str) -> None:
    """Store the API key in the keyring. Raises `KeyringFailed`."""
    backend = _backend()
    if backend is None:
        raise KeyringFailed("this system has none")
    try:
        cast("Any", backend).set_password(_SERVICE, _NAME, key)
    except Exception as error:
        raise KeyringFailed(_message(error)) from None


def forget_key() -> bool:
    """Remove the API key from the keyring; whether there was one. Raises `KeyringFailed`."""
    backend = _backend()
    if backend is None or stored_key() is None:
        return False
    try:
        backend.delete_password(_SERVICE, _NAME)
    except Exception as error:
        raise KeyringFailed(_message(error)) from None
    return True


def _backend() -> "KeyringBackend | None":
    import keyring  # noqa: PLC0415 (takes half a second, and a server with TELNYX_API_KEY does not need it)

    backend = keyring.get_keyring()
    return backend if backend.priority >= _MIN_PRIORITY else None


def _message(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__

"""The secret that signs alerts, as Standard Webhooks writes it."""

import base64

_PREFIX = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64


def secret_bytes(secret: str) -> bytes:
    """The key in a secret: `whsec_` and Base64 of 24 to 64 bytes. Raises `ValueError`."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(_PREFIX) or not _MIN_BYTES <= len(key) <= _MAX_BYTES:
        raise ValueError(f"must be {_PREFIX} and the Base64 of {_MIN_BYTES} to {_MAX_BYTES} bytes")
    return key

"""Proof that Telnyx sent a webhook: Ed25519 over the timestamp and the raw body."""

import base64
import time
from collections.abc import Callable, Sequence
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE_HEADER = b"telnyx-signature-ed25519"
"""The header with the Base64 of the signature of `<timestamp>|<raw body>`."""
TIMESTAMP_HEADER = b"telnyx-timestamp"
"""The header with the time of sending, in Unix seconds."""

Reason = Literal["missing", "malformed", "stale", "mismatch"]


class BadSignature(Exception):
    """Nothing proves that Telnyx sent this, now. The reason is for counting and not for the sender."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class SignatureVerifier:
    """Knows what Telnyx signed. Accepts what `webhooks.unwrap` of Telnyx's own SDK accepts.

    `keys`: public keys as the portal shows them, Base64 of 32 bytes; a signature by any of them will do, so that a key
    can be replaced without a gap. `tolerance`: seconds that a timestamp may be off, either way. `now`: Unix seconds.

    Raises `ValueError`, in a sentence for the operator, when there is no key or one that is none.
    """

    def __init__(self, keys: Sequence[str], tolerance: float = 300, now: Callable[[], float] = time.time) -> None:
        if not keys:
            raise ValueError("there is no public key to verify webhooks with.")
        self._keys = tuple(_public_key(key.strip()) for key in keys)
        self._tolerance = tolerance
        self._now = now

    def verify(self, body: bytes, signature: str | None, timestamp: str | None) -> None:
        """Return if a raw body, with the values of its two headers, is Telnyx's. Raises `BadSignature`."""
        if signature is None or timestamp is None:
            raise BadSignature("missing")
        try:
            sent_at = int(timestamp)
            signed = base64.b64decode(signature, validate=True)
        except ValueError:
            raise BadSignature("malformed") from None
        if len(signed) != 64:
            raise BadSignature("malformed")
        now = self._now()
        if not now - self._tolerance <= sent_at <= now + self._tolerance:
            raise BadSignature("stale")
        message = b"%b|%b" % (timestamp.encode(), body)
        for key in self._keys:
            try:
                return key.verify(signed, message)
            except InvalidSignature:
                continue
        raise BadSignature("mismatch")


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError(f"the public key {_shown(text)} is not Base64.") from None
    if len(raw) != 32:
        raise ValueError(f"the public key {_shown(text)} is Base64 of {len(raw)} bytes, not of 32.")
    if not _proves_something(raw):
        raise ValueError(f"the public key {_shown(text)} is not one that Ed25519 can have: is it mistyped?")
    return Ed25519PublicKey.from_public_bytes(raw)


def _shown(text: str) -> str:
    """Enough to recognise it, but not all, in case what was pasted is a secret."""
    return repr(text if len(text) <= 8 else f"{text[:6]}...")


_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
"""The curve: -x² + y² = 1 + D x² y², modulo P."""


def _proves_something(raw: bytes) -> bool:
    """Whether bytes are a point of the curve that only the holder of a secret can sign for.

    For the eight points of small order, 32 zero bytes among them, anybody can; OpenSSL verifies with those all the
    same, libsodium, which Telnyx's SDK uses, does not. They are the points with y of 0 or ±1, and those whose double
    has y of 0: D y⁴ + 2 y² = 1.
    """
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    square = y * y % _P
    if y >= _P or square in (0, 1) or (_D * square * square + 2 * square) % _P == 1:
        return False
    x_squared = (square - 1) * pow(_D * square + 1, -1, _P) % _P
    return pow(x_squared, (_P - 1) // 2, _P) == 1

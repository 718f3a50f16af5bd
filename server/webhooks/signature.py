"""Verifies that Telnyx signed a webhook: Ed25519 over the timestamp and the raw body."""

import base64
import time
from collections.abc import Callable, Sequence
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ..events.event import Signature
from ..settings import Settings, SettingsError

SIGNATURE_HEADER = "telnyx-signature-ed25519"
"""The header with the Base64 of the signature of `<timestamp>|<raw body>`."""
TIMESTAMP_HEADER = "telnyx-timestamp"
"""The header with the time of sending, in Unix seconds."""

Reason = Literal["missing", "malformed", "stale", "mismatch"]


class BadSignature(Exception):
    """The signature is missing, malformed, too old or wrong. The reason is counted and not sent to the client."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def create_verifier(settings: Settings, sandbox_key: str | None) -> "SignatureVerifier | None":
    """The verifier for the public keys in the settings, or for the sandbox's key where there is a sandbox.

    None: webhooks are accepted unsigned, or there is no key to verify them with. Raises `SettingsError` for a bad key.
    """
    keys = sandbox_key or settings.public_key or ""
    if settings.insecure_webhooks or not keys:
        return None
    try:
        return SignatureVerifier([key.strip() for key in keys.split(",") if key.strip()])
    except ValueError as problem:
        raise SettingsError(f"TELNYX_PUBLIC_KEY: {problem}") from None


class SignatureVerifier:
    """Verifies webhooks with one or more public keys. Accepts what `webhooks.unwrap` of Telnyx's own SDK accepts.

    `keys`: public keys as the portal displays them, Base64 of 32 bytes. A signature by any of them is accepted, so that
    a key can be replaced without a gap. `tolerance`: seconds by which a timestamp may differ from now. `now`: Unix
    seconds.

    Raises `ValueError`, with a sentence for the operator, when there is no key or an invalid one.
    """

    def __init__(self, keys: Sequence[str], tolerance: float = 300, now: Callable[[], float] = time.time) -> None:
        if not keys:
            raise ValueError("there is no public key to verify webhooks with.")
        self._keys = tuple(_public_key(key.strip()) for key in keys)
        self._tolerance = tolerance
        self._now = now

    def verify(self, body: bytes, signature: str | None, timestamp: str | None) -> Signature:
        """Check a raw body against the values of the two headers, and return them. Raises `BadSignature`."""
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
                key.verify(signed, message)
            except InvalidSignature:
                continue
            return Signature(signature, timestamp)
        raise BadSignature("mismatch")


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError(f"the public key {_excerpt(text)} is not Base64.") from None
    if len(raw) != 32:
        raise ValueError(f"the public key {_excerpt(text)} is Base64 of {len(raw)} bytes, not of 32.")
    if not _is_safe_point(raw):
        raise ValueError(f"the public key {_excerpt(text)} is not one that Ed25519 can have: is it mistyped?")
    return Ed25519PublicKey.from_public_bytes(raw)


def _excerpt(text: str) -> str:
    """Enough to recognise the key, but not all of it: a secret may have been pasted by mistake."""
    return repr(text if len(text) <= 8 else f"{text[:6]}...")


_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
"""The curve: -x² + y² = 1 + D x² y², modulo P."""


def _is_safe_point(raw: bytes) -> bool:
    """Whether 32 bytes are a point of the curve and not one of small order.

    Anyone can sign for the eight points of small order, such as 32 zero bytes. OpenSSL accepts them as keys; libsodium,
    which Telnyx's SDK uses, does not. They are the points with y of 0 or ±1, and those whose double has y of 0:
    D y⁴ + 2 y² = 1.
    """
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    square = y * y % _P
    if y >= _P or square in (0, 1) or (_D * square * square + 2 * square) % _P == 1:
        return False
    x_squared = (square - 1) * pow(_D * square + 1, -1, _P) % _P
    return pow(x_squared, (_P - 1) // 2, _P) == 1

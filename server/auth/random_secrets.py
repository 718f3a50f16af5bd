"""Random secrets, of which this server keeps only hashes."""

import hashlib
import secrets
from hmac import compare_digest
from typing import NamedTuple

_BYTES = 32


class Secret(NamedTuple):
    """A new secret."""

    text: str
    """To hand out; do not keep it."""
    hashed: bytes


def new_secret() -> Secret:
    """256 random bits, encoded for use in a URL."""
    text = secrets.token_urlsafe(_BYTES)
    return Secret(text, hashed(text))


def hashed(text: str) -> bytes:
    """The hash to keep of a secret. A fast hash is enough: the secrets are random."""
    return hashlib.sha256(text.encode(errors="replace")).digest()


def is_same(text: str, stored_hash: bytes) -> bool:
    """Whether this secret has the kept hash, compared in constant time."""
    return compare_digest(hashed(text), stored_hash)

"""Secrets that are handed out once and kept as hashes: what is in this process's memory lets nobody in."""

import hashlib
import secrets
from hmac import compare_digest
from typing import NamedTuple

_BYTES = 32


class Secret(NamedTuple):
    """A secret just made."""

    text: str
    """To be handed out, and forgotten here."""
    hashed: bytes


def new_secret() -> Secret:
    """256 bits that nobody can guess, written so that they can stand in a URL."""
    text = secrets.token_urlsafe(_BYTES)
    return Secret(text, hashed(text))


def hashed(text: str) -> bytes:
    """What is kept of a secret. It is random, so that a plain hash is as good as a slow one."""
    return hashlib.sha256(text.encode(errors="replace")).digest()


def is_same(text: str, kept: bytes) -> bool:
    """Whether this is the secret of which the hash was kept; takes as long for a near miss."""
    return compare_digest(hashed(text), kept)

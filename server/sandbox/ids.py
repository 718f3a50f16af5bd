"""Ids that look like Telnyx's and repeat for a seed."""

import base64
import random
import uuid


class Ids:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a story must be repeatable

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def call_control_id(self) -> str:
        """`v3:` and 54 URL-safe characters, as Telnyx's are."""
        return "v3:" + base64.urlsafe_b64encode(self._random.randbytes(40)).decode().rstrip("=")

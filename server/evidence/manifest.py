"""The contents of an archive: `manifest.json` as types, and the names of its other files."""

import hashlib
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..events.event import Via
from ..events.times import to_utc

MANIFEST = "manifest.json"
TIMELINE = "timeline.md"
AUDIT = "audit.jsonl"
APPROVALS = "approvals.json"
FORMAT = "telnyx-conferencing evidence 1"


Time = Annotated[datetime, AfterValidator(to_utc)]
Number = Annotated[int, Field(ge=0, lt=2**63)]
Microseconds = Annotated[int, Field(ge=0, lt=250_000_000_000_000_000)]
"""Since 1970, UTC; below the year 9900, so that a time around it is still a date."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookEntry(_Model):
    """One stored event of the conference or of a call leg in it."""

    file: str
    """The file with the raw body. If the body is withheld, there is no such file."""
    sha256: str
    """Of the raw body."""
    id: str
    type: str
    occurred_at: Time
    received_at: Time
    via: Via
    """Only webhooks, real or of the sandbox, are signed."""
    signature: str | None = None
    timestamp: str | None = None
    """The two headers of the webhook; None: it was not signed."""
    withheld: bool = False
    """The body is not in the archive, because it contains a phone number."""


class RecordingEntry(_Model):
    """A recording or transcript that the operator downloaded: only its hash is in the archive."""

    name: str
    sha256: str
    bytes: int


class AuditSegment(_Model):
    """The records in `audit.jsonl`: all from the first that concerns the conference up to the head."""

    number_before: Number
    hash_before: str
    """Of the record before the first."""
    head: str
    """NUMBER:HASH of the last record."""
    records: int
    shown: int
    """Records that concern the conference and are shown. Of all others, only the hash of the entry is there."""


class Manifest(_Model):
    format: Literal["telnyx-conferencing evidence 1"]
    conference_id: str
    exported_at: Time
    exported_by: str
    masked: bool
    """Whether bodies and records that contain phone numbers are withheld, and the others are without any."""
    webhooks: list[WebhookEntry]
    audit: AuditSegment
    files: dict[str, str]
    """The SHA-256 of each file beside the manifest and the webhooks."""
    recordings: list[RecordingEntry] = []
    saved_recordings: list[str] = []
    """The ids of the recordings that webhooks report as saved."""


class AuditLine(_Model):
    """One line of `audit.jsonl`."""

    number: Number
    at: Microseconds
    hash: str
    entry: str | None = None
    """The record's JSON as stored. Missing: it is about something else, or withheld."""
    entry_sha256: str | None = None
    """Of an entry that is not shown."""
    withheld: bool = False
    """The record concerns the conference, and is not shown because it contains a phone number."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

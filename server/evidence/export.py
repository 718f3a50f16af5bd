"""Writes an archive of what the store knows of a conference."""

import json
import os
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import Any, Self
from zipfile import ZIP_DEFLATED, ZipFile

from anyio import to_thread

from ..database import moment_of
from ..events.event import EventFilter, StoredEvent
from ..events.history import LOOK_BACK, OF_CALLS
from ..events.store import RawEvent, Store
from ..events.times import iso
from ..guard.ledger import MAX_CLOCK_DISORDER, ChainLink, Ledger, PendingApproval
from ..guard.ledger.audit import GENESIS, digest_of
from ..json_text import object_at
from .manifest import (
    APPROVALS,
    AUDIT,
    FORMAT,
    MANIFEST,
    TIMELINE,
    AuditLine,
    AuditSegment,
    Manifest,
    RecordingEntry,
    WebhookEntry,
    sha256,
)

DRAFT_SUFFIX = ".part"
"""Of the name of an archive until it is complete."""
_BATCH_EVENTS = 1_000
_MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
_BLOCK_BYTES = 2**20
_GENESIS = ChainLink(0, 0, "", GENESIS)

Mask = Callable[[Any], Any]
"""Replaces the phone numbers in a value."""
Timeline = Callable[[str, Sequence[StoredEvent], Sequence[ChainLink], datetime], str]
"""What happened, in Markdown, from the id of the conference, its events, its audit records, and the time of the
export."""


class NothingStored(Exception):
    """The store has no event of this conference."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an archive contains."""

    webhooks: int
    records: int
    """Audit records that are shown."""
    withheld: int
    """Bodies and records that are withheld because they contain phone numbers."""
    head: str
    """NUMBER:HASH of the audit."""


async def export(
    conference_id: str,
    out: Path,
    store: Store,
    ledger: Ledger,
    timeline: Timeline,
    *,
    now: datetime,
    program: str,
    mask: Mask | None = None,
    recordings: Iterable[Path] = (),
) -> Exported:
    """Write the archive of a conference to a file. What takes long runs in a thread: a server answers others meanwhile.

    `mask`: bodies and records that it would change are withheld, and the timeline is masked. `recordings`: downloaded
    files whose hashes are added. Raises `NothingStored`, `StoreError`, and `OSError` if a file cannot be read or
    written.
    """
    events = await _events(conference_id, store)
    if not events:
        raise NothingStored(conference_id)
    concern = _Concern.of(conference_id, events)
    segment = await _records(ledger, concern, mask)
    approvals = [_approval(approval) for approval in await ledger.approvals(concern.codes)]
    raw = await store.raw_events([event.number for event in events])
    text = await to_thread.run_sync(timeline, conference_id, events, segment.concerning, now)
    files = {
        TIMELINE: (mask(text) if mask else text).encode(),
        APPROVALS: _json([approval for approval in approvals if not _is_masked(approval, mask)]),
        AUDIT: b"".join(segment.lines),
    }
    entries = await to_thread.run_sync(_entries, raw, mask)
    manifest = Manifest(
        format=FORMAT,
        conference_id=conference_id,
        exported_at=now,
        exported_by=program,
        masked=mask is not None,
        webhooks=entries,
        audit=segment.for_manifest(),
        files={name: sha256(content) for name, content in files.items()},
        recordings=[_recording(path) for path in recordings],
        saved_recordings=_saved_recordings(events),
    )
    files[MANIFEST] = _json(manifest.model_dump(mode="json"))
    files |= {entry.file: event.body for entry, event in zip(entries, raw, strict=True) if not entry.withheld}
    await to_thread.run_sync(_write, out, files)
    withheld = sum(entry.withheld for entry in entries) + len(segment.concerning) - segment.shown
    return Exported(len(entries), segment.shown, withheld, segment.head)


async def _events(conference_id: str, store: Store) -> list[StoredEvent]:
    """Every stored event of a conference and of the call legs in it, in the order of their numbers."""
    numbered = await _events_by_number(store, EventFilter(conference_id=conference_id))
    if numbered:
        since = min(event.occurred_at for event in numbered.values()) - LOOK_BACK
        legs = {event.call_control_id for event in numbered.values() if event.call_control_id}
        for leg in legs:
            of_leg = EventFilter(call_control_id=leg, types=OF_CALLS, since=since)
            numbered |= await _events_by_number(store, of_leg)
    return [numbered[number] for number in sorted(numbered)]


async def _events_by_number(store: Store, event_filter: EventFilter) -> dict[int, StoredEvent]:
    """All events that match, by number."""
    return {event.number: event async for batch in store.batches(event_filter, _BATCH_EVENTS) for event in batch}


@dataclass(slots=True)
class _Concern:
    """What makes an audit record concern the conference."""

    ids: Collection[str]
    """Of the conference and of the call legs in it."""
    started_at: datetime
    ended_at: datetime
    """When its first and its last event occurred."""
    names: set[str] = field(default_factory=set[str])
    """Under which this server created it."""
    calls: set[str] = field(default_factory=set[str])
    """Tool calls with a record that contains one of the ids."""
    codes: set[str] = field(default_factory=set[str])
    """Approval requests and grants of such records."""

    @classmethod
    def of(cls, conference_id: str, events: Sequence[StoredEvent]) -> Self:
        """For a conference, of which and of whose call legs these are the events: at least one."""
        legs = {event.call_control_id for event in events if event.call_control_id}
        times = [event.occurred_at for event in events]
        return cls({conference_id, *legs}, min(times), max(times))

    @property
    def size(self) -> int:
        return len(self.names) + len(self.calls) + len(self.codes)

    def learn(self, entry: Mapping[str, Any]) -> None:
        """Learn from a record that concerns the conference."""
        self.codes |= _codes(entry) | _texts(object_at(entry, "asked").get("grant"))
        self.calls |= _texts(entry.get("call"))
        if entry.get("tool") == "create_conference":
            self.names |= _texts(object_at(entry, "arguments").get("name"))

    def matches(self, link: ChainLink) -> bool:
        """Whether a record contains one of the ids, or names the conference, or belongs to one that does."""
        if any(id_ in link.text for id_ in self.ids):
            return True
        entry = _parse_entry(link.text)
        if entry.get("call") in self.calls or not self.codes.isdisjoint(_codes(entry)):
            return True
        # Another conference may have the same name at another time.
        is_then = self.started_at - _MAX_CLOCK_DIFFERENCE <= moment_of(link.at) <= self.ended_at + _MAX_CLOCK_DIFFERENCE
        return is_then and object_at(entry, "arguments").get("conference_id") in self.names


@dataclass(slots=True)
class _Segment:
    """The audit from the first record that concerns the conference up to the head."""

    number_before: int
    hash_before: str
    head: str
    records: int = 0
    lines: list[bytes] = field(default_factory=list[bytes])
    concerning: list[ChainLink] = field(default_factory=list[ChainLink])
    shown: int = 0

    def add(self, link: ChainLink, *, is_concerning: bool, is_withheld: bool) -> None:
        """Add the next record. One that concerns the conference is shown, unless it is withheld."""
        is_shown = is_concerning and not is_withheld
        self.records += 1
        self.head = f"{link.number}:{link.hash}"
        self.lines.append(_line(link, is_shown=is_shown, is_withheld=is_withheld))
        self.shown += is_shown
        if is_concerning:
            self.concerning.append(link)

    def for_manifest(self) -> AuditSegment:
        return AuditSegment(
            number_before=self.number_before,
            hash_before=self.hash_before,
            head=self.head,
            records=self.records,
            shown=self.shown,
        )


async def _records(ledger: Ledger, concern: _Concern, mask: Mask | None) -> _Segment:
    """The audit up to its head. Reads it several times rather than keep it."""
    before, last = await _bounds(ledger, concern)
    segment = _Segment(before.number, before.hash, f"{before.number}:{before.hash}")
    async for link in _links(ledger, before.number):
        if link.number > last.number:  # it was written meanwhile
            break
        is_concerning = concern.matches(link)
        is_withheld = is_concerning and _is_masked(_parse_entry(link.text), mask)
        segment.add(link, is_concerning=is_concerning, is_withheld=is_withheld)
    return segment


async def _bounds(ledger: Ledger, concern: _Concern) -> tuple[ChainLink, ChainLink]:
    """The record before the first one that concerns the conference, and the newest one: the same if none does."""
    start = await ledger.number_before(concern.started_at - MAX_CLOCK_DISORDER)
    before = last = _GENESIS
    size_before = -1
    while concern.size > size_before:  # what one record belongs to may be known from a later one
        size_before, before, is_found = concern.size, _GENESIS, False
        async for link in _links(ledger, start - 1):
            if concern.matches(link):
                concern.learn(_parse_entry(link.text))
                is_found = True
            if not is_found:
                before = link
            last = link
    return before, last


async def _links(ledger: Ledger, after: int) -> AsyncGenerator[ChainLink]:
    while batch := await ledger.links_after(after):
        for link in batch:
            yield link
        after = batch[-1].number


def _line(link: ChainLink, *, is_shown: bool, is_withheld: bool) -> bytes:
    line = AuditLine(
        number=link.number,
        at=link.at,
        hash=link.hash,
        entry=link.text if is_shown else None,
        entry_sha256=None if is_shown else digest_of(link.text),
        withheld=is_withheld,
    )
    return line.model_dump_json(exclude_defaults=True).encode() + b"\n"


def _codes(entry: Mapping[str, Any]) -> set[str]:
    """The approval requests and grants that a record is about. A call under a grant is about its own room alone."""
    approval = object_at(entry, "asked")
    codes = _texts(entry.get("code"), entry.get("grant"), approval.get("code"))
    return codes | (_texts(approval.get("grant")) if entry.get("tool") == "request_grant" else set())


def _texts(*values: Any) -> set[str]:
    return {value for value in values if isinstance(value, str)}


def _entries(events: Sequence[RawEvent], mask: Mask | None) -> list[WebhookEntry]:
    return [_entry(event, place, mask) for place, event in enumerate(events, 1)]


def _entry(event: RawEvent, place: int, mask: Mask | None) -> WebhookEntry:
    return WebhookEntry(
        file=f"webhooks/{place:06}.json",
        sha256=sha256(event.body),
        id=event.id,
        type=event.type,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        via=event.via,
        signature=event.signature.value if event.signature else None,
        timestamp=event.signature.timestamp if event.signature else None,
        withheld=_is_masked(_parse_entry(event.body), mask),
    )


def _is_masked(value: Any, mask: Mask | None) -> bool:
    """Whether a value contains a phone number that must not be shown."""
    return mask is not None and mask(value) != value


def _parse_entry(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # a record that was altered: the verifier names it
        return {}


def _approval(approval: PendingApproval) -> Mapping[str, Any]:
    return {
        "code": approval.code,
        "tool": approval.tool,
        "risk": approval.risk,
        "question": approval.question,
        "asked_by": approval.asked_by,
        "identity": approval.identity,
        "asked_at": iso(approval.asked_at),
        "expires_at": iso(approval.expires_at),
        "state": str(approval.state),
        "decided_at": iso(approval.decided_at) if approval.decided_at else None,
        "decided_by": approval.decided_by,
        "reason": approval.reason,
    }


def _recording(path: Path) -> RecordingEntry:
    digest, size = file_hash(path)
    return RecordingEntry(name=path.name, sha256=digest, bytes=size)


def file_hash(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file, and its size. Raises `OSError`."""
    digest, size = sha256_of(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _saved_recordings(events: Iterable[StoredEvent]) -> list[str]:
    ids = (event.payload.get("recording_id") for event in events if event.type.endswith("recording.saved"))
    return list(dict.fromkeys(id_ for id_ in ids if isinstance(id_, str)))


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """Write the archive, readable for its owner alone, and in one step."""
    draft = out.with_name(out.name + DRAFT_SUFFIX)
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name in sorted(files, key=lambda name: (name != MANIFEST, name)):
            archive.writestr(name, files[name])
    draft.replace(out)

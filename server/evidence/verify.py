"""Proves an archive without the store: with Telnyx's public key, and a head of the audit that was kept elsewhere."""

import hashlib
import json
import lzma
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile, ZipFile

from pydantic import ValidationError

from ..events.envelope import NotAnEvent, parse_event
from ..events.event import StoredEvent, Via
from ..events.speech import NOT_STORED
from ..events.store.rows import stored
from ..guard.ledger import ChainLink
from ..guard.ledger.audit import digest_of, hash_of, parse_head
from ..json_text import is_too_deep
from ..webhooks.signature import BadSignature, SignatureVerifier
from .export import Timeline, file_hash
from .manifest import APPROVALS, AUDIT, FORMAT, MANIFEST, TIMELINE, AuditLine, Manifest, WebhookEntry, sha256

_MAX_AUDIT_BYTES = 2**30
_MAX_FILE_BYTES = 2**26
"""Of every file but the audit. A small archive can contain files of any size."""
_MAX_TOTAL_BYTES = 2**32
"""Read from one archive: a manifest can name one large file many times."""
_MAX_LINE_BYTES = 2**24
_BLOCK_BYTES = 2**20
_MAX_FAILURES = 10_000
_UNREADABLE = (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error, lzma.LZMAError, OSError)
"""What reading a damaged archive raises."""
_ELICITED = "elicitation"
_NO_SIGNATURE: Mapping[str, str] = {
    Via.CATCH_UP: "it was fetched from Telnyx's list of deliveries, which has no signatures",
    Via.SERVER: "a server wrote it, so that Telnyx signed nothing",
}

_NEVER_VERIFIED = "nobody verified its signature when it arrived"
_NO_TEXT = "what was spoken is not stored, and Telnyx signed the whole"


class NotAnArchive(Exception):
    """The file cannot be read as an archive, or a recording cannot be read; the message says why."""


class NotAHead(Exception):
    """The head that was given is not one; the message says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not hold, or cannot be verified here."""

    what: str
    """The file, or the part of one."""
    why: str


@dataclass(slots=True)
class Report:
    """The result of a verification."""

    manifest: Manifest | None = None
    failures: list[Finding] = field(default_factory=list[Finding])
    """What does not hold."""
    unverifiable: list[Finding] = field(default_factory=list[Finding])
    """What cannot be verified with what is in the archive."""
    webhooks: int = 0
    """Webhooks whose signatures hold."""
    records: int = 0
    """Audit records that are shown and hold."""
    is_head_known: bool = False
    """Whether the chain leads to or through the head that was given."""

    def fail(self, what: str, why: str) -> None:
        """Note what does not hold. Raises `_TooManyFailures`."""
        self.failures.append(Finding(what, why))
        if len(self.failures) >= _MAX_FAILURES:
            self.failures.append(Finding("the archive", "so much does not hold that the rest was not verified"))
            raise _TooManyFailures


_NO_KEY = "no public key is given (--public-key)"


class _TooManyFailures(Exception):
    """The verification stops here."""


def verify(
    path: Path,
    verifier: SignatureVerifier | None,
    head: str | None,
    timeline: Timeline,
    recordings: Sequence[Path] = (),
) -> Report:
    """Verify everything in an archive. `head`: NUMBER:HASH, as `audit verify` printed it at some time.

    `verifier`: None reports that the webhooks are not verifiable. `recordings`: files whose hashes must be in the
    archive. Raises `NotAnArchive` if it or a recording cannot be read, and `NotAHead` if the head is not one.
    """
    known_head = parse_head(head) if head is not None else None
    if head is not None and known_head is None:
        raise NotAHead("it is not a head: it is written NUMBER:HASH, as audit verify prints it")
    try:
        archive = ZipFile(path)
    except (*_UNREADABLE, struct.error) as error:
        raise NotAnArchive(f"{path} cannot be read as an archive: {error}.") from None
    with archive:
        verification = _Verification(archive, verifier, known_head, timeline)
        with suppress(_TooManyFailures):
            verification.run(recordings)
    return verification.report


class _Verification:
    def __init__(
        self, archive: ZipFile, verifier: SignatureVerifier | None, known: tuple[int, str] | None, timeline: Timeline
    ) -> None:
        self._archive = archive
        self._verifier = verifier
        self._known = known
        self._timeline = timeline
        self.report = Report()
        self._events: list[StoredEvent] = []
        self._bytes_left = _MAX_TOTAL_BYTES
        self._links: list[ChainLink] = []
        """The audit records that are shown."""

    def run(self, recordings: Sequence[Path]) -> None:
        """Fill the report. Raises `NotAnArchive`, `_TooManyFailures`."""
        manifest = self._manifest()
        if manifest is None:
            return
        self.report.manifest = manifest
        self._check_names(manifest)
        for name, digest in manifest.files.items():
            if (actual := self._hash(name)) is not None and actual != digest:
                self.report.fail(name, "it was changed: its hash is not the one in the manifest")
        for entry in manifest.webhooks:
            self._check_webhook(entry)
        self._check_belonging(manifest)
        self._check_chain(manifest)
        self._check_approvals(manifest)
        self._check_timeline(manifest)
        self._check_recordings(manifest, recordings)

    def _manifest(self) -> Manifest | None:
        content = self._read(MANIFEST)
        try:
            return None if content is None else Manifest.model_validate_json(content)
        except ValidationError:
            self.report.fail(MANIFEST, f"it is not a manifest of the format {FORMAT!r}")
            return None

    def _read(self, name: str) -> bytes | None:
        """The content of a file. A file that is missing or cannot be read does not hold."""
        blocks = list(self._blocks(name))
        return None if None in blocks else b"".join(block for block in blocks if block is not None)

    def _hash(self, name: str) -> str | None:
        """The SHA-256 of a file, without keeping it."""
        digest = hashlib.sha256()
        for block in self._blocks(name):
            if block is None:
                return None
            digest.update(block)
        return digest.hexdigest()

    def _blocks(self, name: str) -> Iterator[bytes | None]:
        """A file in pieces; None: the rest cannot be read."""
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            self.report.fail(name, "it is missing")
            yield None
            return
        max_bytes = _MAX_AUDIT_BYTES if name == AUDIT else _MAX_FILE_BYTES
        if info.file_size > max_bytes:
            self.report.fail(name, f"it is larger than {max_bytes // 2**20} MiB")
            yield None
            return
        try:
            with self._archive.open(info) as file:
                while block := file.read(_BLOCK_BYTES):
                    self._bytes_left -= len(block)
                    if self._bytes_left < 0:
                        break
                    yield block
        except _UNREADABLE as error:
            self.report.fail(name, f"it cannot be read ({error})")
            yield None
        if self._bytes_left < 0:
            self.report.fail(name, f"the archive has more than {_MAX_TOTAL_BYTES // 2**30} GiB")
            raise _TooManyFailures

    def _check_names(self, manifest: Manifest) -> None:
        names = Counter(info.filename for info in self._archive.infolist())
        expected = {MANIFEST, *manifest.files, *(entry.file for entry in manifest.webhooks if not entry.withheld)}
        for name in sorted(name for name, number in names.items() if number > 1):
            self.report.fail(name, "it is in the archive more than once")
        for name in sorted(set(names) - expected):
            self.report.fail(name, "it is not in the manifest")
        for name in (TIMELINE, AUDIT, APPROVALS):
            if name not in manifest.files:
                self.report.fail(name, "the manifest does not name it")

    def _check_webhook(self, entry: WebhookEntry) -> None:
        place = f"{entry.file} ({entry.type} {entry.id})"
        if entry.withheld:
            self.report.unverifiable.append(Finding(place, "its body is withheld, because it contains a phone number"))
            return
        body = self._read(entry.file)
        if body is None:
            return
        if sha256(body) != entry.sha256:
            self.report.fail(place, "it was changed: its hash is not the one in the manifest")
        is_proved = self._check_signature(entry, place, body)
        try:
            event = parse_event(body, via=entry.via, verified=is_proved, received_at=entry.received_at)
        except NotAnEvent as problem:
            self.report.fail(place, f"it is not an event: {problem}")
            return
        if (event.id, event.type) != (entry.id, entry.type):
            self.report.fail(place, f"it is the event {event.type} {event.id}")
        self._events.append(stored(event, entry.received_at, len(self._events) + 1))

    def _check_signature(self, entry: WebhookEntry, place: str, body: bytes) -> bool:
        if entry.signature is None and entry.timestamp is None:
            is_withheld = entry.via is Via.WEBHOOK and f'"{NOT_STORED}"'.encode() in body
            why = _NO_TEXT if is_withheld else _NO_SIGNATURE.get(entry.via, _NEVER_VERIFIED)
            self.report.unverifiable.append(Finding(place, why))
            return False
        if self._verifier is None:
            self.report.unverifiable.append(Finding(place, _NO_KEY))
            return False
        try:
            self._verifier.verify(body, entry.signature, entry.timestamp)
        except BadSignature as bad:
            words = {"missing": "its signature is incomplete", "malformed": "its signature is not one"}
            self.report.fail(place, words.get(bad.reason, "its signature does not hold for this public key"))
            return False
        self.report.webhooks += 1
        return True

    def _check_belonging(self, manifest: Manifest) -> None:
        """Every event is about this conference, or about a call leg that was in it."""
        if any(entry.withheld for entry in manifest.webhooks):
            legs = None
        else:
            of_it = (event for event in self._events if event.conference_id == manifest.conference_id)
            legs = {event.call_control_id for event in of_it}
        for event in self._events:
            is_other = event.conference_id not in (None, manifest.conference_id)
            is_stray = event.conference_id is None and legs is not None and event.call_control_id not in legs
            if is_other or is_stray:
                of = "another conference" if is_other else "a call that was not in the conference"
                self.report.fail(f"{event.type} {event.id}", f"it is about {of}")

    def _check_chain(self, manifest: Manifest) -> None:
        number, last = manifest.audit.number_before, manifest.audit.hash_before
        self._compare_head(number, last)
        shown_records = 0
        for line in self._lines():
            shown_records += line.entry is not None
            place = f"{AUDIT}, record {line.number}"
            if line.number != number + 1:
                missing = f"{number + 1}" if line.number == number + 2 else f"{number + 1} to {line.number - 1}"
                gap = f"record {missing} is missing before it" if line.number > number else "it is out of order"
                self.report.fail(place, gap)
            digest = digest_of(line.entry) if line.entry is not None else line.entry_sha256 or ""
            if hash_of(last, line.number, line.at, digest) != line.hash:
                self.report.fail(place, "its hash does not match its content and the record before it")
            elif line.entry is not None:
                self.report.records += 1
            if line.entry is not None:
                self._keep(line, line.entry, place)
            if line.withheld:
                self.report.unverifiable.append(Finding(place, "it is withheld, because it contains a phone number"))
            number, last = line.number, line.hash
            self._compare_head(number, last)
        if f"{number}:{last}" != manifest.audit.head:
            self.report.fail(AUDIT, f"it ends with record {number}, and not with the head in the manifest")
        if shown_records != manifest.audit.shown:
            self.report.fail(AUDIT, f"it shows {shown_records} records, and the manifest says {manifest.audit.shown}")
        if self._known is not None and not self.report.is_head_known:
            self.report.fail(AUDIT, f"its chain does not contain the head {self._known[0]} that you gave")

    def _keep(self, line: AuditLine, entry: str, place: str) -> None:
        if _is_object(entry):
            self._links.append(ChainLink(line.number, line.at, entry, line.hash))
        else:
            self.report.fail(place, "its entry is not a JSON object")

    def _compare_head(self, number: int, hash_: str) -> None:
        self.report.is_head_known |= self._known == (number, hash_)

    def _audit_lines(self) -> Iterator[bytes]:
        partial_line = b""
        for block in self._blocks(AUDIT):
            *lines, partial_line = (partial_line + (block or b"")).split(b"\n")
            yield from lines
            if len(partial_line) > _MAX_LINE_BYTES:
                self.report.fail(AUDIT, f"it has a line of more than {_MAX_LINE_BYTES // 2**20} MiB")
                return
        if partial_line:
            yield partial_line

    def _lines(self) -> Iterator[AuditLine]:
        for place, line in enumerate(self._audit_lines(), 1):
            try:
                yield AuditLine.model_validate_json(line)
            except ValidationError:
                self.report.fail(f"{AUDIT}, line {place}", "it is not an audit record")

    def _check_approvals(self, manifest: Manifest) -> None:
        """Check that each answer that a person gave outside the client has its audit record."""
        try:
            approvals: list[dict[str, Any]] = json.loads(self._read(APPROVALS) or b"[]")
            answered = [str(item["code"]) for item in approvals if item["decided_by"] not in (None, _ELICITED)]
        except (ValueError, TypeError, KeyError, RecursionError):
            self.report.fail(APPROVALS, "it is not a list of approval requests")
            return
        records = [json.loads(link.text) for link in self._links]
        codes = {str(item.get("code")) for item in records if str(item.get("outcome")).endswith("by a person")}
        for code in answered:
            if code not in codes and not manifest.masked:
                self.report.fail(f"{APPROVALS}, {code}", "no audit record shows its answer")

    def _check_timeline(self, manifest: Manifest) -> None:
        content = self._read(TIMELINE)
        if content is None:
            return
        if manifest.masked:
            self.report.unverifiable.append(Finding(TIMELINE, "its phone numbers are masked"))
        elif not self.report.failures:  # else what it is compared with does not hold either
            at = manifest.exported_at.astimezone(UTC)
            if self._timeline(manifest.conference_id, self._events, self._links, at).encode() != content:
                self.report.fail(TIMELINE, "it does not say what the webhooks and audit records say")

    def _check_recordings(self, manifest: Manifest, recordings: Sequence[Path]) -> None:
        by_hash = {entry.sha256: entry for entry in manifest.recordings}
        checked: set[str] = set()
        for path in recordings:
            try:
                digest, _ = file_hash(path)
            except OSError as error:
                raise NotAnArchive(f"{path} cannot be read: {error.strerror or error}.") from None
            checked.add(digest)
            if digest not in by_hash:
                self.report.fail(str(path), "its hash is not in the archive")
        for digest, entry in by_hash.items():
            if digest not in checked:
                why = "only its hash is in the archive: give the file with --recording"
                self.report.unverifiable.append(Finding(f"recording {entry.name}", why))


def _is_object(text: str) -> bool:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and not is_too_deep(cast("object", value))

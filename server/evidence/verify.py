"""Proves an archive without the store: with Telnyx's public key, and a head of the audit that was kept elsewhere."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from pydantic import ValidationError

from ..events.envelope import NotAnEvent, parse_event
from ..events.event import StoredEvent, Via
from ..events.store.rows import stored
from ..guard.ledger import ChainLink
from ..guard.ledger.audit import digest_of, hash_of, parse_head
from ..webhooks.signature import BadSignature, SignatureVerifier
from .export import Timeline, file_hash
from .manifest import APPROVALS, AUDIT, FORMAT, MANIFEST, TIMELINE, AuditLine, Manifest, WebhookEntry, sha256

_MAX_FILE_BYTES = 2**30
_MAX_FILES = 1_000_000
_ELICITED = "elicitation"
_NO_SIGNATURE: Mapping[str, str] = {
    Via.CATCH_UP: "it was fetched from Telnyx's list of deliveries, which has no signatures",
    Via.SERVER: "a server wrote it, so that Telnyx signed nothing",
}


class NotAnArchive(Exception):
    """The file cannot be read as an archive; the message says why."""


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
        self.failures.append(Finding(what, why))


def verify(
    path: Path, verifier: SignatureVerifier, head: str | None, timeline: Timeline, recordings: Sequence[Path] = ()
) -> Report:
    """Verify everything in an archive. `head`: NUMBER:HASH, as `audit verify` printed it at some time.

    `recordings`: files whose hashes must be in the archive. Raises `NotAnArchive` if it cannot be read, `ValueError` if
    the head is not one, and `OSError` for a recording that cannot be read.
    """
    known = parse_head(head) if head is not None else None
    if head is not None and known is None:
        raise ValueError("it is not a head: it is written NUMBER:HASH, as audit verify prints it")
    try:
        with ZipFile(path) as archive:
            return _Verification(archive, verifier, known, timeline).run(recordings)
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise NotAnArchive(f"{path} cannot be read as an archive: {error}.") from None


class _Verification:
    def __init__(
        self, archive: ZipFile, verifier: SignatureVerifier, known: tuple[int, str] | None, timeline: Timeline
    ) -> None:
        self._archive = archive
        self._verifier = verifier
        self._known = known
        self._timeline = timeline
        self._report = Report()
        self._events: list[StoredEvent] = []
        self._links: list[ChainLink] = []
        """The audit records that are shown."""

    def run(self, recordings: Sequence[Path]) -> Report:
        manifest = self._manifest()
        if manifest is None:
            return self._report
        self._report.manifest = manifest
        self._check_names(manifest)
        for name, digest in manifest.files.items():
            if (content := self._read(name)) is not None and sha256(content) != digest:
                self._report.fail(name, "it was changed: its hash is not the one in the manifest")
        for entry in manifest.webhooks:
            self._check_webhook(entry)
        self._check_belonging(manifest)
        self._check_chain(manifest)
        self._check_approvals(manifest)
        self._check_timeline(manifest)
        self._check_recordings(manifest, recordings)
        return self._report

    def _manifest(self) -> Manifest | None:
        content = self._read(MANIFEST)
        try:
            return None if content is None else Manifest.model_validate_json(content)
        except ValidationError:
            self._report.fail(MANIFEST, f"it is not a manifest of the format {FORMAT!r}")
            return None

    def _read(self, name: str) -> bytes | None:
        """The content of a file. A file that is missing or cannot be read does not hold."""
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            self._report.fail(name, "it is missing")
            return None
        if info.file_size > _MAX_FILE_BYTES:
            self._report.fail(name, "it is larger than 1 GiB")
            return None
        try:
            return self._archive.read(info)
        except (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            self._report.fail(name, f"it cannot be read ({error})")
            return None

    def _check_names(self, manifest: Manifest) -> None:
        names = [info.filename for info in self._archive.infolist()][:_MAX_FILES]
        expected = {MANIFEST, *manifest.files, *(entry.file for entry in manifest.webhooks if not entry.withheld)}
        for name in sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
            self._report.fail(name, "it is in the archive more than once")
        for name in sorted(set(names) - expected):
            self._report.fail(name, "it is not in the manifest")
        for name in (TIMELINE, AUDIT, APPROVALS):
            if name not in manifest.files:
                self._report.fail(name, "the manifest does not name it")

    def _check_webhook(self, entry: WebhookEntry) -> None:
        what = f"{entry.file} ({entry.type} {entry.id})"
        if entry.withheld:
            self._report.unverifiable.append(Finding(what, "its body is withheld, because it contains a phone number"))
            return
        body = self._read(entry.file)
        if body is None:
            return
        if sha256(body) != entry.sha256:
            self._report.fail(what, "it was changed: its hash is not the one in the manifest")
        is_proved = self._check_signature(entry, what, body)
        try:
            event = parse_event(body, via=Via.WEBHOOK, verified=is_proved, received_at=entry.received_at)
        except NotAnEvent as problem:
            self._report.fail(what, f"it is not an event: {problem}")
            return
        if (event.id, event.type) != (entry.id, entry.type):
            self._report.fail(what, f"it is the event {event.type} {event.id}")
        self._events.append(stored(event, entry.received_at, len(self._events) + 1))

    def _check_signature(self, entry: WebhookEntry, what: str, body: bytes) -> bool:
        if entry.signature is None and entry.timestamp is None:
            why = _NO_SIGNATURE.get(entry.via, "nobody verified its signature when it arrived")
            self._report.unverifiable.append(Finding(what, why))
            return False
        try:
            self._verifier.verify(body, entry.signature, entry.timestamp)
        except BadSignature as bad:
            words = {"missing": "its signature is incomplete", "malformed": "its signature is not one"}
            self._report.fail(what, words.get(bad.reason, "its signature does not hold for this public key"))
            return False
        self._report.webhooks += 1
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
                self._report.fail(f"{event.type} {event.id}", f"it is about {of}")

    def _check_chain(self, manifest: Manifest) -> None:
        number, last = manifest.audit.number_before, manifest.audit.hash_before
        self._compare_head(number, last)
        for line in self._lines():
            what = f"{AUDIT}, record {line.number}"
            if line.number != number + 1:
                missing = f"{number + 1}" if line.number == number + 2 else f"{number + 1} to {line.number - 1}"
                gap = f"record {missing} is missing before it" if line.number > number else "it is out of order"
                self._report.fail(what, gap)
            digest = digest_of(line.entry) if line.entry is not None else line.entry_sha256 or ""
            if hash_of(last, line.number, line.at, digest) != line.hash:
                self._report.fail(what, "its hash does not match its content and the record before it")
            elif line.entry is not None:
                self._report.records += 1
            if line.entry is not None:
                self._links.append(ChainLink(line.number, line.at, line.entry, line.hash))
            if line.withheld:
                self._report.unverifiable.append(Finding(what, "it is withheld, because it contains a phone number"))
            number, last = line.number, line.hash
            self._compare_head(number, last)
        if f"{number}:{last}" != manifest.audit.head:
            self._report.fail(AUDIT, f"it ends with record {number}, and not with the head in the manifest")
        if len(self._links) != manifest.audit.shown:
            self._report.fail(
                AUDIT, f"it shows {len(self._links)} records, and the manifest says {manifest.audit.shown}"
            )
        if self._known is not None and not self._report.is_head_known:
            self._report.fail(AUDIT, f"its chain does not contain the head {self._known[0]} that you gave")

    def _compare_head(self, number: int, hash_: str) -> None:
        self._report.is_head_known |= self._known == (number, hash_)

    def _lines(self) -> Iterator[AuditLine]:
        content = self._read(AUDIT) or b""
        for place, line in enumerate(content.splitlines(), 1):
            try:
                yield AuditLine.model_validate_json(line)
            except ValidationError:
                self._report.fail(f"{AUDIT}, line {place}", "it is not an audit record")

    def _check_approvals(self, manifest: Manifest) -> None:
        """A person's answer outside the client has an audit record of its own."""
        try:
            approvals: list[dict[str, Any]] = json.loads(self._read(APPROVALS) or b"[]")
            answered = [one["code"] for one in approvals if one["decided_by"] not in (None, _ELICITED)]
        except (ValueError, TypeError, KeyError):
            self._report.fail(APPROVALS, "it is not a list of approval requests")
            return
        records = [json.loads(link.text) for link in self._links if link.text.startswith("{")]
        codes = {one.get("code") for one in records if str(one.get("outcome")).endswith("by a person")}
        for code in answered:
            if code not in codes and not manifest.masked:
                self._report.fail(f"{APPROVALS}, {code}", "no audit record shows its answer")

    def _check_timeline(self, manifest: Manifest) -> None:
        content = self._read(TIMELINE)
        if content is None:
            return
        if manifest.masked:
            self._report.unverifiable.append(Finding(TIMELINE, "its phone numbers are masked"))
        elif not self._report.failures:  # else what it is compared with does not hold either
            at = manifest.exported_at.astimezone(UTC)
            if self._timeline(manifest.conference_id, self._events, self._links, at).encode() != content:
                self._report.fail(TIMELINE, "it does not say what the webhooks and audit records say")

    def _check_recordings(self, manifest: Manifest, recordings: Sequence[Path]) -> None:
        known = {entry.sha256: entry for entry in manifest.recordings}
        checked: set[str] = set()
        for path in recordings:
            digest, _ = file_hash(path)
            checked.add(digest)
            if digest not in known:
                self._report.fail(str(path), "its hash is not in the archive")
        for digest, entry in known.items():
            if digest not in checked:
                why = "only its hash is in the archive: give the file with --recording"
                self._report.unverifiable.append(Finding(f"recording {entry.name}", why))

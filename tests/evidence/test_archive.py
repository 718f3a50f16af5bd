"""The archive of a conference: exported from the store of a server, and verified where there is none."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from zipfile import ZipFile

import anyio
import pytest
from anyio import to_thread
from click.testing import CliRunner

from support.command_line import run
from support.guarded_server import code_in, decided
from support.mcp import call, connected, refusal, text
from support.telnyx import open_room
from support.webhooks import body_of, eventually, free_port, has_all, ids, posting_telnyx, url_of, wait_until_listening
from telnyx_conferencing.server.cli.verify import verify
from telnyx_conferencing.server.events.envelope import parse_event
from telnyx_conferencing.server.events.event import Signature, Via
from telnyx_conferencing.server.events.store import Store
from telnyx_conferencing.server.sandbox.webhooks import Signer

Files = dict[str, bytes]
Change = Callable[[Files], None]


@dataclass
class Case:
    """Two conferences of a server, an archive of the first, and what is needed to verify it."""

    directory: Path
    rooms: list[str]
    public_key: str
    head: str

    @property
    def database(self) -> str:
        return url_of(self.directory / "events.db")

    @property
    def archive(self) -> Path:
        return self.directory / "first.zip"

    def export(self, conference: str, out: Path, *options: str) -> CompletedProcess[str]:
        return run("export", conference, "--output", str(out), "--database", self.database, *options)

    def verify(self, archive: Path, *options: str, key: str | None = None) -> CompletedProcess[str]:
        return run("verify", str(archive), "--public-key", key or self.public_key, *options)

    def result(self, archive: Path, *options: str, key: str | None = None) -> dict[str, Any]:
        """What `verify --json` prints, run in this process, which is quicker."""
        command = (str(archive), "--public-key", key or self.public_key, "--json", *options)
        ended = CliRunner().invoke(verify, command)
        found: dict[str, Any] = json.loads(ended.stdout)
        assert ended.exit_code == (0 if found["holds"] else 1)
        return found

    def changed(self, change: Change, path: Path) -> Path:
        """A copy of the archive after a change to its files."""
        with ZipFile(self.archive) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        change(files)
        with ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path

    def failures(self, change: Change, path: Path, *options: str) -> str:
        """What does not hold after a change, as text."""
        found = self.result(self.changed(change, path), *options)
        assert not found["holds"]
        return "\n".join(f"{failure['what']}: {failure['why']}" for failure in found["failures"])


async def practise(directory: Path) -> Case:
    """A server with signed webhooks, and two rooms. A person has approved the end of the first."""
    port, database = free_port(), directory / "events.db"
    with posting_telnyx(port) as telnyx:
        env = {**telnyx.env, "TELNYX_PUBLIC_KEY": telnyx.sandbox.public_key}
        options = ("--webhook-port", str(port), "--database", url_of(database))
        async with connected(*options, env=env) as client:
            await client.list_tools()
            await wait_until_listening(port)
            legs = [
                telnyx.request("POST", "/sandbox/calls", {"from": f"+1202555018{place}"})["data"]["call_control_id"]
                for place in range(4)
            ]
            first = await open_room(client, *legs[:2], name="Delivery 4711")
            await call(client, "hold_participants", conference_id=first, call_control_ids=[legs[1]])
            second = await open_room(client, *legs[2:], name="Review")
            terms = {"tool": "hangup_call", "limits": {"call_control_id": "*"}, "count": 2, "minutes": 10}
            await decided(database, code_in(text(await client.call_tool("request_grant", terms))))
            assert not (await client.call_tool("request_grant", terms)).is_error
            for leg in (legs[1], legs[3]):
                await call(client, "hangup_call", call_control_id=leg)
            asked = await refusal(client, "end_conference", conference_id=first)
            await decided(database, code_in(asked))
            await call(client, "end_conference", conference_id=first)
            await call(client, "wait_for_event", types=["conference.ended"], conference_id=first, timeout_secs=20)
            await call(client, "mute_participants", conference_id=second, call_control_ids=[legs[2]])
            await eventually(lambda: has_all(client, ids(telnyx.sandbox)))
        case = Case(directory, [first, second], telnyx.sandbox.public_key, "")
    exported = case.export("Delivery 4711", case.archive)
    assert (exported.returncode, exported.stderr) == (0, "")
    verified = json.loads(run("audit", "verify", "--json", "--database", case.database).stdout)
    case.head = verified["head"]
    assert f"Head: {case.head}" in exported.stdout
    return case


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return anyio.run(practise, tmp_path_factory.mktemp("evidence"))


def manifest_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    return json.loads(files["manifest.json"])


def with_manifest(files: Files, manifest: Mapping[str, Any]) -> None:
    files["manifest.json"] = json.dumps(manifest).encode()


def contents(path: Path) -> Files:
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_an_archive_has_every_webhook_the_audit_the_approval_and_the_timeline(case: Case) -> None:
    files = contents(case.archive)
    manifest = manifest_of(files)
    types = [entry["type"] for entry in manifest["webhooks"]]
    records = [json.loads(line) for line in files["audit.jsonl"].splitlines()]
    shown = [json.loads(record["entry"]) for record in records if "entry" in record]
    assert {"conference.created", "conference.participant.joined", "conference.ended", "call.initiated"} <= set(types)
    assert all(entry["signature"] and entry["timestamp"] for entry in manifest["webhooks"])
    done = [entry["tool"] for entry in shown if entry["outcome"] == "done"]
    assert [tool for tool in done if tool != "wait_for_event"] == [
        "create_conference",
        "join_conference",
        "hold_participants",
        "request_grant",
        "hangup_call",
        "end_conference",
    ]
    questions = [approval["question"] for approval in json.loads(files["approvals.json"])]
    assert len(questions) == 2
    assert any(question.startswith("End conference 'Delivery 4711'") for question in questions)
    outcomes = [entry["outcome"] for entry in shown]
    assert (outcomes.count("approved by a person"), outcomes.count("granted by a person")) == (2, 1)
    assert "Delivery 4711" in files["timeline.md"].decode()
    assert case.rooms[1] not in " ".join(content.decode() for content in files.values())


def test_an_archive_is_verified_without_the_store(case: Case, tmp_path: Path) -> None:
    alone = tmp_path / "case.zip"
    alone.write_bytes(case.archive.read_bytes())
    env = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    before = set(tmp_path.iterdir())
    ended = run("verify", str(alone), "--public-key", case.public_key, "--head", case.head, env=env)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Everything that can be verified here holds." in ended.stdout
    assert set(tmp_path.iterdir()) == before
    found = case.result(alone, "--head", case.head)
    assert found["head_checked"] is True
    assert found["webhooks"] == len(manifest_of(contents(alone))["webhooks"])
    assert (found["failures"], found["not_verifiable"]) == ([], [])


def test_without_a_head_the_output_says_what_is_not_proved(case: Case) -> None:
    assert "Without --head, all of them could have been rewritten" in case.verify(case.archive).stdout


def test_one_changed_byte_is_found_in_every_file(case: Case, tmp_path: Path) -> None:
    for name in contents(case.archive):

        def change(files: Files, name: str = name) -> None:
            files[name] = files[name].replace(b"e", b"f", 1)

        assert name.split("/")[0] in case.failures(change, tmp_path / "changed.zip", "--head", case.head)


def test_a_changed_webhook_is_named_even_if_the_manifest_is_changed_too(case: Case, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        manifest = manifest_of(files)
        entry = next(entry for entry in manifest["webhooks"] if entry["type"] == "conference.ended")
        files[entry["file"]] = files[entry["file"]].replace(b"conference.ended", b"conference.left!")
        entry |= {"sha256": sha256(files[entry["file"]]), "type": "conference.left!"}
        with_manifest(files, manifest)

    assert "its signature does not hold for this public key" in case.failures(change, tmp_path / "changed.zip")


def test_a_removed_audit_record_is_named_even_if_the_manifest_is_changed_too(case: Case, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        lines = files["audit.jsonl"].splitlines(keepends=True)
        removed = next(place for place, line in enumerate(lines) if b"hold_participants" in line)
        numbers.append(json.loads(lines[removed])["number"])
        del lines[removed]
        files["audit.jsonl"] = b"".join(lines)
        manifest = manifest_of(files)
        manifest["files"]["audit.jsonl"] = sha256(files["audit.jsonl"])
        manifest["audit"]["shown"] -= 1
        with_manifest(files, manifest)

    numbers: list[int] = []
    found = case.failures(change, tmp_path / "changed.zip", "--head", case.head)
    assert f"record {numbers[0]} is missing before it" in found


def test_a_rewritten_audit_is_found_with_the_head(case: Case, tmp_path: Path) -> None:
    """Without the head, a chain that is consistent in itself cannot be told from the real one."""

    def change(files: Files) -> None:
        manifest, lines = manifest_of(files), [json.loads(line) for line in files["audit.jsonl"].splitlines()]
        last = manifest["audit"]["hash_before"]
        for line in lines:
            if "entry" in line:
                line["entry"] = line["entry"].replace('"client"', '"cl1ent"')
            digest = sha256(line["entry"].encode()) if "entry" in line else line["entry_sha256"]
            last = line["hash"] = sha256(f"{last}\n{line['number']}\n{line['at']}\n{digest}".encode())
        files["audit.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        manifest["audit"]["head"] = f"{lines[-1]['number']}:{last}"
        manifest["files"]["audit.jsonl"] = sha256(files["audit.jsonl"])
        with_manifest(files, manifest)

    path = tmp_path / "changed.zip"
    assert "its chain does not contain the head" in case.failures(change, path, "--head", case.head)
    assert case.result(path)["holds"] is True


def test_a_webhook_of_another_conference_that_is_put_in_is_named(case: Case, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    assert case.export(case.rooms[1], other).returncode == 0
    other_archive = contents(other)

    def put_in(files: Files) -> None:
        entry = next(
            webhook for webhook in manifest_of(other_archive)["webhooks"] if webhook["type"] == "conference.created"
        )
        manifest = manifest_of(files)
        manifest["webhooks"].append({**entry, "file": "webhooks/999999.json"})
        files["webhooks/999999.json"] = other_archive[entry["file"]]
        with_manifest(files, manifest)

    def put_in_a_call(files: Files) -> None:
        entry = next(
            webhook for webhook in manifest_of(other_archive)["webhooks"] if webhook["type"] == "call.initiated"
        )
        manifest = manifest_of(files)
        manifest["webhooks"].append({**entry, "file": "webhooks/999999.json"})
        files["webhooks/999999.json"] = other_archive[entry["file"]]
        with_manifest(files, manifest)

    def only_the_file(files: Files) -> None:
        files["webhooks/999999.json"] = other_archive["webhooks/000001.json"]

    path = tmp_path / "changed.zip"
    assert "it is about another conference" in case.failures(put_in, path)
    assert "it is about a call that was not in the conference" in case.failures(put_in_a_call, path)
    assert case.failures(only_the_file, path) == "webhooks/999999.json: it is not in the manifest"


def test_with_a_wrong_key_no_webhook_holds(case: Case) -> None:
    found = case.result(case.archive, key=Signer().public_key)
    assert found["webhooks"] == 0
    whys = {failure["why"] for failure in found["failures"]}
    assert whys == {"its signature does not hold for this public key"}


def test_a_changed_timeline_is_named_even_if_the_manifest_is_changed_too(case: Case, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        files["timeline.md"] = files["timeline.md"].replace(b"joined", b"left")
        manifest = manifest_of(files)
        manifest["files"]["timeline.md"] = sha256(files["timeline.md"])
        with_manifest(files, manifest)

    found = case.failures(change, tmp_path / "changed.zip")
    assert found == "timeline.md: it does not say what the webhooks and audit records say"


def test_a_forged_approval_is_named(case: Case, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        files["approvals.json"] = files["approvals.json"].replace(b'"code": "', b'"code": "X')
        manifest = manifest_of(files)
        manifest["files"]["approvals.json"] = sha256(files["approvals.json"])
        with_manifest(files, manifest)

    assert "no audit record shows its answer" in case.failures(change, tmp_path / "changed.zip")


def test_a_masked_archive_has_no_number_and_says_what_it_cannot_prove(case: Case, tmp_path: Path) -> None:
    masked = tmp_path / "masked.zip"
    exported = case.export(case.rooms[0], masked, "--mask-numbers")
    files = contents(masked)
    assert (exported.returncode, "with phone numbers withheld" in exported.stdout) == (0, True)
    assert not any(b"+1202555" in content for content in files.values())
    found = case.result(masked, "--head", case.head)
    assert (found["holds"], found["head_checked"]) == (True, True)
    assert 0 < found["webhooks"] < len(manifest_of(files)["webhooks"])
    whys = {finding["why"] for finding in found["not_verifiable"]}
    assert "its body is withheld, because it contains a phone number" in whys
    assert "its phone numbers are masked" in whys
    printed = case.verify(masked)
    assert "Not verifiable here:" in printed.stdout


def test_a_recording_is_proved_by_its_hash(case: Case, tmp_path: Path) -> None:
    recording, other, archive = tmp_path / "call.mp3", tmp_path / "other.mp3", tmp_path / "case.zip"
    recording.write_bytes(b"sound")
    other.write_bytes(b"another sound")
    assert case.export(case.rooms[0], archive, "--recording", str(recording)).returncode == 0
    assert case.result(archive, "--recording", str(recording))["not_verifiable"] == []
    [unproved] = case.result(archive)["not_verifiable"]
    assert unproved["what"] == "recording call.mp3"
    [failure] = case.result(archive, "--recording", str(recording), "--recording", str(other))["failures"]
    assert failure == {"what": str(other), "why": "its hash is not in the archive"}
    ended = case.verify(archive, "--recording", "/proc/self/mem")
    assert (ended.returncode, "/proc/self/mem cannot be read: " in ended.stderr) == (1, True)


def test_only_its_owner_can_read_an_archive(case: Case) -> None:
    assert stat.S_IMODE(case.archive.stat().st_mode) == 0o600


def test_without_a_public_key_the_webhooks_are_not_verifiable_and_the_rest_is_verified(case: Case) -> None:
    found = case.result(case.archive, key=",")
    assert (found["holds"], found["webhooks"], found["records"] > 0) == (True, 0, True)
    whys = [finding["why"] for finding in found["not_verifiable"] if finding["what"].startswith("webhooks/")]
    assert whys
    assert any("no public key is given (--public-key)" in why for why in whys)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--public-key", "nonsense"), 2, "--public-key (TELNYX_PUBLIC_KEY): the public key 'nonsense' is"),
        (("--head", "12"), 2, "--head: it is not a head"),
    ],
)
def test_a_wrong_option_is_refused_in_one_sentence(case: Case, options: tuple[str, ...], code: int, words: str) -> None:
    ended = run(
        "verify", str(case.archive), *(("--public-key", case.public_key) if "--head" in options else ()), *options
    )
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr


def test_a_file_that_is_no_archive_is_refused_in_one_sentence(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    path.write_text("nonsense")
    ended = case.verify(path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "cannot be read as an archive" in ended.stderr


def test_an_unknown_conference_writes_no_archive(case: Case, tmp_path: Path) -> None:
    ended = case.export("No such room", tmp_path / "none.zip")
    assert ended.returncode == 1
    assert "The store has no event of a conference 'No such room'." in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
async def test_an_archive_holds_whose_speech_is_not_stored(tmp_path: Path) -> None:
    port, database = free_port(), tmp_path / "events.db"
    with posting_telnyx(port) as telnyx:
        env = {**telnyx.env, "TELNYX_PUBLIC_KEY": telnyx.sandbox.public_key}
        options = ("--webhook-port", str(port), "--database", url_of(database), "--approval", "never")
        async with connected(*options, env=env) as client:
            await client.list_tools()
            await wait_until_listening(port)
            calling = {"from": "+12025550180"}
            leg = telnyx.request("POST", "/sandbox/calls", calling)["data"]["call_control_id"]
            conference_id = await open_room(client, leg, name="Delivery 4711")
            joined = {"types": ["conference.participant.joined"], "conference_id": conference_id}
            await call(client, "wait_for_event", **joined, timeout_secs=20)
            everyone = {"call_control_id": "everyone", "conference_id": conference_id}
            await call(client, "start_transcription", **everyone)
            telnyx.request("POST", f"/sandbox/calls/{leg}/speak", {"text": "My name is Quackenbush"})
            telnyx.request("POST", "/sandbox/clock", {"advance_seconds": 1})
            await call(client, "wait_for_event", types=["call.transcription"], call_control_id=leg, timeout_secs=20)
        case = Case(tmp_path, [conference_id], telnyx.sandbox.public_key, "")
    exported = await to_thread.run_sync(lambda: case.export("Delivery 4711", case.archive))
    assert exported.returncode == 0, exported.stderr
    found = case.result(case.archive)["not_verifiable"]  # also of events that were fetched at the start, unsigned
    [withheld] = [finding for finding in found if "call.transcription" in finding["what"]]
    assert withheld["why"] == "what was spoken is not stored, and Telnyx signed the whole"


@pytest.mark.anyio
async def test_a_webhook_that_arrives_after_it_was_fetched_brings_its_signature(address: str) -> None:
    """Telnyx's list of deliveries has no signatures, and its JSON is not byte for byte what was posted."""
    body = body_of("one")
    now = datetime.now(UTC)
    fetched = parse_event(body, via=Via.CATCH_UP, verified=True, received_at=now)
    signature = Signature("c2lnbmF0dXJl", "1700000000")
    posted = parse_event(body, via=Via.WEBHOOK, verified=True, received_at=now, signature=signature)
    forged = parse_event(body, via=Via.WEBHOOK, verified=True, received_at=now, signature=Signature("b3RoZXI=", "1"))
    async with Store.open(address) as store:
        await store.add(fetched, b" " + body)
        assert await store.add(posted, body) is None
        assert await store.add(forged, body) is None
        [raw] = await store.raw_events([1])
    assert (raw.signature, raw.body, raw.via) == (signature, body, Via.WEBHOOK)


def reseal(files: Files, name: str, content: bytes) -> None:
    """Replace a file, and its hash in the manifest."""
    files[name] = content
    manifest = manifest_of(files)
    manifest["files"][name] = sha256(content)
    with_manifest(files, manifest)


def with_first_record(files: Files, **fields: Any) -> None:
    first, *others = files["audit.jsonl"].splitlines(keepends=True)
    record = json.dumps({**json.loads(first), **fields}).encode() + b"\n"
    reseal(files, "audit.jsonl", b"".join([record, *others]))


MALICIOUS: Sequence[tuple[Change, str]] = (
    (lambda files: with_first_record(files, at=10**30), "audit.jsonl, line 1: it is not an audit record"),
    (lambda files: with_first_record(files, number=-1), "audit.jsonl, line 1: it is not an audit record"),
    (lambda files: with_first_record(files, entry="{"), "its entry is not a JSON object"),
    (lambda files: with_first_record(files, entry="[" * 100_000), "its entry is not a JSON object"),
    (lambda files: with_first_record(files, entry="7"), "its entry is not a JSON object"),
    (lambda files: reseal(files, "audit.jsonl", b"\n" * 100_000), "that the rest was not verified"),
    (lambda files: reseal(files, "timeline.md", b" " * 2**26 + b" "), "timeline.md: it is larger than 64 MiB"),
    (lambda files: reseal(files, "approvals.json", b"[" * 100_000), "it is not a list of approval requests"),
    (
        lambda files: reseal(files, "approvals.json", b'[{"code": ["x"], "decided_by": "Anna"}]'),
        "no audit record shows its answer",
    ),
    (
        lambda files: with_manifest(files, manifest_of(files) | {"exported_at": "9999-12-31T23:59:59-23:59"}),
        "manifest.json: it is not a manifest",
    ),
    (lambda files: with_manifest(files, {"a": [[[[]]]]}), "manifest.json: it is not a manifest"),
)


@pytest.mark.parametrize("place", range(len(MALICIOUS)))
def test_malicious_contents_are_named_in_a_sentence(case: Case, tmp_path: Path, place: int) -> None:
    change, words = MALICIOUS[place]
    assert words in case.failures(change, tmp_path / "changed.zip")


def test_a_damaged_compressed_file_is_named(case: Case, tmp_path: Path) -> None:
    damaged, content = tmp_path / "damaged.zip", bytearray(case.archive.read_bytes())
    with ZipFile(case.archive) as archive:
        begin = archive.getinfo("timeline.md").header_offset + 30 + len("timeline.md")
    content[begin : begin + 20] = b"\xff" * 20
    damaged.write_bytes(content)
    [failure, *_] = case.result(damaged)["failures"]
    assert failure["what"] == "timeline.md"
    assert failure["why"].startswith("it cannot be read (")


def test_a_manifest_cannot_send_commands_to_the_terminal(case: Case, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        manifest = manifest_of(files)
        manifest["audit"]["head"] = "\x1b]0;evil\x07"
        with_manifest(files, manifest)

    ended = CliRunner().invoke(verify, (str(case.changed(change, tmp_path / "c.zip")), "--public-key", case.public_key))
    assert (ended.exit_code, "\x1b" in ended.stdout) == (1, False)

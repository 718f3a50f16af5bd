"""A policy file is watched: a good edit holds at once, a broken one keeps the policy before it and says so."""

import os
from io import BytesIO
from pathlib import Path

import pytest

from telnyx_conferencing.server.guard.policy import PolicyError, PolicySource, Rules, ToolRules
from telnyx_conferencing.tools import TOOLS
from telnyx_conferencing.tools.conferences import EndConference
from telnyx_conferencing.tools.queues import ListQueues

DENIES = "tools.deny = ['end_conference']\n"
DENIES_QUEUES = "tools.deny = ['*queue*']\n"
BROKEN = "tools.deny = ['end_conf"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(DENIES)
    return file


@pytest.fixture
def source(path: Path) -> PolicySource:
    return PolicySource(path, Rules())


def edit(path: Path, text: str | bytes) -> None:
    """Write a file in place, as at a later time."""
    before = path.stat() if path.exists() else None
    with open(path, "wb") as file:  # not by Path.open, which some tests replace
        file.write(text.encode() if isinstance(text, str) else text)
    if before is not None:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10_000_000))


def exists(source: PolicySource, tool: type = EndConference) -> bool:
    return tool in source.policy.allowed(TOOLS)


def test_the_file_and_the_command_line_hold_together(path: Path) -> None:
    source = PolicySource(path, Rules(tools=ToolRules(deny=["list_queues"])))
    assert not exists(source)
    assert not exists(source, ListQueues)
    edit(path, "")
    assert source.refresh()
    assert exists(source)
    assert not exists(source, ListQueues)


def test_without_a_file_the_command_line_applies() -> None:
    source = PolicySource(None, Rules(tools=ToolRules(read_only=True)))
    assert not exists(source)
    assert (source.refresh(), source.problem) == (False, "")


def test_an_empty_file_is_a_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.touch()
    assert PolicySource(file, Rules()).policy.allowed(TOOLS) == list(TOOLS)


def test_an_edit_holds_at_the_next_look(source: PolicySource, path: Path) -> None:
    before = source.policy
    edit(path, DENIES_QUEUES)
    assert source.refresh()
    assert exists(source)
    assert not exists(source, ListQueues)
    assert source.policy is not before


def test_an_unchanged_file_is_not_read_again(source: PolicySource, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        pytest.fail("it was read")

    monkeypatch.setattr(Path, "open", read)
    before = source.policy
    assert not source.refresh()
    assert source.policy is before


def test_an_edit_that_says_the_same_changes_nothing(source: PolicySource, path: Path) -> None:
    before = source.policy
    edit(path, f"# the same\n{DENIES}")
    assert not source.refresh()
    assert source.policy is before


def test_a_file_put_in_its_place_holds(source: PolicySource, path: Path) -> None:
    other = path.with_name("new.toml")
    other.write_text("tools.deny = ['list_queues'   ]\n"[: len(DENIES)])
    edited = path.stat()
    os.utime(other, ns=(edited.st_atime_ns, edited.st_mtime_ns))
    other.replace(path)
    assert source.refresh()
    assert not exists(source, ListQueues)


def test_a_link_to_another_file_is_another_file(tmp_path: Path) -> None:
    for name, text in {"one": DENIES, "two": DENIES_QUEUES}.items():
        (tmp_path / name).write_text(text)
    link = tmp_path / "policy.toml"
    link.symlink_to(tmp_path / "one")
    source = PolicySource(link, Rules())
    link.unlink()
    link.symlink_to(tmp_path / "two")
    assert source.refresh()
    assert exists(source)


BAD = {
    BROKEN: "At line 1, where it ends, it is not TOML: ",
    "[tols]": "There is no 'tols' in a policy (did you mean tools?); ",
    b"\xff\xfe": "It is not UTF-8 at byte 0.",
    "#" * (2**20 + 1): "It is larger than 1 MiB.",
}


@pytest.mark.parametrize(("text", "why"), BAD.items(), ids=["half", "unknown", "bytes", "large"])
def test_a_broken_edit_keeps_the_policy_and_reports_the_problem(
    source: PolicySource, path: Path, text: str | bytes, why: str
) -> None:
    before = source.policy
    edit(path, text)
    assert not source.refresh()
    assert source.policy is before
    assert source.problem.startswith(f"{path}: {why}")
    assert not source.refresh()
    assert source.problem


def test_a_broken_edit_is_healed_by_the_next(source: PolicySource, path: Path) -> None:
    edit(path, BROKEN)
    source.refresh()
    edit(path, DENIES_QUEUES)
    assert source.refresh()
    assert source.problem == ""
    assert exists(source)


def test_an_edit_taken_back_leaves_no_problem(source: PolicySource, path: Path) -> None:
    before = source.policy
    edit(path, BROKEN)
    source.refresh()
    edit(path, DENIES)
    assert not source.refresh()
    assert source.problem == ""
    assert source.policy is before


def test_a_file_that_changes_while_it_is_read_is_read_again(
    source: PolicySource, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(path, BROKEN)

    def half(*_: object) -> BytesIO:
        """What an editor had written when the file was opened; the rest follows at once."""
        edit(path, DENIES_QUEUES)
        return BytesIO(BROKEN.encode())

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", half)
        source.refresh()
    assert source.problem
    assert source.refresh()
    assert source.problem == ""
    assert exists(source)


def test_a_deleted_file_keeps_the_policy_until_it_is_back(source: PolicySource, path: Path) -> None:
    before = source.policy
    aside = path.rename(path.with_name("aside"))
    assert not source.refresh()
    assert source.policy is before
    assert source.problem == f"{path}: It cannot be found (No such file or directory)."
    aside.rename(path)
    assert not source.refresh()
    assert source.problem == ""


def test_a_directory_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="It is not a file"):
        PolicySource(tmp_path, Rules())


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PolicyError, match="It is not a file"):
        PolicySource(tmp_path / "pipe", Rules())


@pytest.mark.parametrize("text", [BROKEN, "[tols]"])
def test_a_server_does_not_start_on_a_broken_file(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(PolicyError) as problem:
        PolicySource(path, Rules())
    assert str(problem.value).startswith(f"{path}: ")


def test_an_unreadable_file_is_an_error_until_it_can_be_read(
    source: PolicySource, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(path, DENIES_QUEUES)

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", forbidden)
        assert not source.refresh()
        assert source.problem == f"{path}: It cannot be read (Permission denied)."
    path.chmod(0o600)
    os.utime(path, ns=(0, path.stat().st_mtime_ns))
    assert source.refresh()
    assert source.problem == ""


def test_a_file_from_windows_is_read(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + DENIES.replace("\n", "\r\n").encode())
    assert not exists(PolicySource(path, Rules()))

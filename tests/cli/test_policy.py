"""`policy check`: what a policy file allows, or what is wrong in it."""

from pathlib import Path

from support.command_line import run


def test_a_policy_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("[tools]\nread_only = true\n")
    ended = run("policy", "check", str(file))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "not available (this server is read-only): create_conference" in ended.stdout


def test_a_wrong_policy_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("[tools]\nallowed = []\n")
    ended = run("policy", "check", str(file))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"telnyx-conferencing: {file}: ")
    assert "'allowed'" in ended.stderr


def test_a_missing_policy_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    ended = run("policy", "check", str(tmp_path / "none.toml"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "none.toml: It cannot be found" in ended.stderr
    assert "\x1b" not in run("policy", "check", str(tmp_path / "\x1b[31m.toml")).stderr

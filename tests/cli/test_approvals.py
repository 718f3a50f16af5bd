"""`approvals`: requests that wait for a person, and that only a person can approve."""

import json
import os
import pty
import signal
import subprocess
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from support.command_line import run
from support.commands import forked
from support.ledgers import QUESTION, approval_request, leave_question, use_ledger
from support.mcp_stdio import PATIENCE, environment
from support.terminal import CTRL_C, CTRL_D, ENTER, Terminal, at_terminal
from support.webhooks import url_of
from telnyx_conferencing.server.guard.ledger import Ledger, PendingApproval, State

HOSTILE = "End 'x\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\n\rApproved'?"
UNSEEN = ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e")
APPROVE = "Approve? [y/N]: "
OFFER = "Approve? [y = yes, n = no, Enter = decide later]: "


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def approvals(database: Path, *arguments: str) -> tuple[str, ...]:
    return ("approvals", *arguments, "--database", url_of(database))


def pending_codes(database: Path) -> list[str]:
    """The codes that wait."""
    return [request.code for request in use_ledger(database, Ledger.pending)]


def take_decision(database: Path) -> PendingApproval:
    """The decision that the agent's repeated call uses up."""
    decided = use_ledger(database, Ledger.take, approval_request())
    assert isinstance(decided, PendingApproval)
    return decided


def test_no_waiting_request_is_reported(database: Path) -> None:
    ended = run(*approvals(database))
    new = f"{url_of(database)} is a new store: no server has used it yet.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "No approval request is waiting.\n", new)
    ended = run(*approvals(database, "--json"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_each_request_is_listed_in_full_with_its_code_and_its_client(database: Path) -> None:
    long = f"Play {'a very long tune ' * 100}?"
    first = leave_question(database)
    second = leave_question(
        database, approval_request(long, tool="play_audio", risk="disruptive", asked_by="bot"), timedelta(hours=2)
    )
    lines = run(*approvals(database)).stdout.splitlines()
    assert lines[0].startswith(f"{first.code}  4:")
    assert lines[0].endswith(" left  destructive  end_conference  requested by 'claude-code 2.1'")
    assert lines[1].strip() == QUESTION
    assert lines[2].startswith(f"{second.code}  1:59:")
    assert lines[2].endswith(" left  disruptive  play_audio  requested by 'bot'")
    assert lines[3].strip() == long
    assert f"approvals approve {first.code} --database {url_of(database)}" in lines[-1]


def test_json_has_every_field_one_request_per_line(database: Path) -> None:
    request = leave_question(database)
    [line] = run(*approvals(database, "--json")).stdout.splitlines()
    fields = json.loads(line)
    assert 0 < fields.pop("seconds_left") <= 300
    assert fields == {
        "code": request.code,
        "tool": "end_conference",
        "risk": "destructive",
        "question": QUESTION,
        "asked_by": "claude-code 2.1",
        "identity": None,
        "asked_at": request.asked_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "expires_at": request.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_text_that_callers_chose_cannot_control_the_terminal(database: Path, arguments: list[str]) -> None:
    leave_question(database, approval_request(HOSTILE, asked_by=HOSTILE, tool=HOSTILE, risk=HOSTILE))
    with at_terminal(*approvals(database, *arguments)) as terminal:
        code, shown = terminal.ended()
    assert code == 0
    assert "owned" in shown
    assert not [piece for piece in UNSEEN if piece in shown]


def test_text_that_callers_chose_cannot_control_the_terminal_while_answering(database: Path) -> None:
    request = leave_question(database, approval_request(HOSTILE, asked_by=HOSTILE))
    with at_terminal(*approvals(database, "approve", request.code)) as terminal:
        shown = terminal.until(APPROVE)
        terminal.type(f"y{ENTER}")
        assert terminal.ended()[0] == 0
    shown += run(*approvals(database, "reject", request.code)).stderr
    assert shown.count("owned") == 3
    assert not [piece for piece in UNSEEN if piece in shown]
    assert "\nApproved" not in shown


def test_a_typed_yes_allows_the_call_once(database: Path) -> None:
    request = leave_question(database)
    with at_terminal(*approvals(database, "approve", request.code, "--reason", "all said bye")) as terminal:
        shown = terminal.until(APPROVE)
        terminal.type(f"y{ENTER}")
        code, output = terminal.ended()
    assert QUESTION in shown
    assert "exactly this call" in shown
    assert code == 0
    assert f"Approved {request.code}" in output
    met = take_decision(database)
    assert (met.state, met.reason) == (State.SPENT, "all said bye")
    assert (met.decided_by or "").endswith(" at a terminal")
    assert "@" in (met.decided_by or "")
    assert use_ledger(database, Ledger.take, approval_request()) is None
    [record] = use_ledger(database, Ledger.newest, 10)
    assert record.entry == {
        "outcome": "approved by a person",
        "tool": "end_conference",
        "code": request.code,
        "by": met.decided_by,
        "reason": "all said bye",
    }


@pytest.mark.parametrize(
    ("typed", "ends_with"), [(f"n{ENTER}", 1), (ENTER, 1), (f"maybe{ENTER}no{ENTER}", 1), (CTRL_C, 130), (CTRL_D, 130)]
)
def test_any_other_answer_leaves_the_request_open(database: Path, typed: str, ends_with: int) -> None:
    request = leave_question(database)
    with at_terminal(*approvals(database, "approve", request.code)) as terminal:
        terminal.until(APPROVE)
        terminal.type(typed)
        code, output = terminal.ended()
    assert code == ends_with
    assert "Traceback" not in output
    assert pending_codes(database) == [request.code]


def test_text_typed_before_the_prompt_does_not_answer_it(database: Path) -> None:
    request = leave_question(database)
    with at_terminal(*approvals(database, "approve", request.code), typed_before=f"y{ENTER}") as terminal:
        terminal.until(APPROVE)
        terminal.type(f"n{ENTER}")
        assert terminal.ended()[0] == 1
    assert pending_codes(database) == [request.code]


@pytest.mark.parametrize("terminals", [set[str](), {"stdin"}, {"stdout"}])
def test_only_a_person_at_a_terminal_can_approve(database: Path, terminals: set[str]) -> None:
    request = leave_question(database)
    ours, theirs = pty.openpty()
    os.write(ours, b"y\ry\r")
    command = forked(*approvals(database, "approve", request.code))
    with subprocess.Popen(
        command,
        stdin=theirs if "stdin" in terminals else subprocess.DEVNULL,
        stdout=theirs if "stdout" in terminals else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment({}),
    ) as process:
        output = process.communicate(timeout=PATIENCE)[1]
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 1
    assert "Approving needs a person at a terminal" in output
    assert "an agent that can run commands" in output
    assert pending_codes(database) == [request.code]


def test_anyone_can_reject(database: Path) -> None:
    request = leave_question(database)
    ended = run(*approvals(database, "reject", request.code, "--reason", "not\x1b[2J now"))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"Rejected {request.code}" in ended.stdout
    met = take_decision(database)
    assert (met.state, met.reason) == (State.REJECTED, "not [2J now")
    assert "terminal" not in (met.decided_by or "")


def test_a_code_is_accepted_in_any_usual_spelling(database: Path) -> None:
    request = leave_question(database)
    written = request.code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert run(*approvals(database, "reject", written)).returncode == 0
    assert pending_codes(database) == []


def test_an_unknown_code_is_one_sentence_and_exit_code_1(database: Path) -> None:
    leave_question(database)
    ended = run(*approvals(database, "reject", "zzzz\x1bzzzz"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "telnyx-conferencing: There is no request ZZZZ-ZZZZ. `telnyx-conferencing approvals` lists those that wait.\n"
    )
    with at_terminal(*approvals(database, "approve", "nope")) as terminal:
        code, output = terminal.ended()
    assert code == 1
    assert "There is no request N0PE." in output


def test_an_expired_request_cannot_be_answered(database: Path) -> None:
    request = leave_question(database, lasts=timedelta(microseconds=1))
    assert "No approval request is waiting" in run(*approvals(database)).stdout
    ended = run(*approvals(database, "reject", request.code))
    assert ended.returncode == 1
    assert f"{request.code} is expired already" in ended.stderr


def test_a_decision_is_valid_for_the_lifetime_that_the_server_chose(database: Path) -> None:
    request = leave_question(database, lasts=timedelta(hours=1))
    run(*approvals(database, "reject", request.code))
    met = take_decision(database)
    assert met.decided_at
    assert met.expires_at - met.decided_at == timedelta(hours=1)


def test_the_second_of_two_answers_learns_of_the_first(database: Path) -> None:
    request = leave_question(database)
    with ExitStack() as stack:
        terminals = [stack.enter_context(at_terminal(*approvals(database, "approve", request.code))) for _ in range(2)]
        for terminal in terminals:
            terminal.until(APPROVE)
        for terminal in terminals:
            terminal.type(f"y{ENTER}")
        ends = sorted(terminal.ended() for terminal in terminals)
    assert [code for code, _ in ends] == [0, 1]
    assert f"{request.code} is approved already" in ends[1][1]
    assert len(use_ledger(database, Ledger.newest, 10)) == 1


def test_only_one_of_many_rejections_at_once_counts(database: Path) -> None:
    request = leave_question(database)
    command = forked(*approvals(database, "reject", request.code))
    several = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert sorted(process.wait(PATIENCE) for process in several) == [0, 1, 1, 1]


def watch_command(database: Path) -> tuple[str, ...]:
    return approvals(database, "watch", "--every", "0.1")


def wait_for_offer(terminal: Terminal, request: PendingApproval) -> None:
    """Wait until a question is offered for an answer."""
    shown = terminal.until(OFFER)
    assert request.code in shown
    assert request.question in shown


def test_watch_prints_each_request_and_takes_its_answer(database: Path) -> None:
    with at_terminal(*watch_command(database)) as terminal:
        terminal.until("Press Ctrl-C to stop.")
        first, second = leave_question(database), leave_question(database, approval_request("Mute everyone?"))
        wait_for_offer(terminal, first)
        terminal.type(f"y{ENTER}")
        terminal.until("Reason (optional): ")
        terminal.type(f"they said bye{ENTER}")
        terminal.until(f"Approved {first.code}")
        wait_for_offer(terminal, second)
        terminal.type(f"what{ENTER}")
        terminal.until(OFFER)
        terminal.type(f"NO{ENTER}")
        terminal.until("Reason (optional): ")
        terminal.type(ENTER)
        terminal.until(f"Rejected {second.code}")
        third = leave_question(database, approval_request("Skip this?"))
        wait_for_offer(terminal, third)
        terminal.type(ENTER)
        terminal.until(f"{third.code} stays open.")
        terminal.type(CTRL_C)
        code, output = terminal.ended()
    assert (code, third.code in output) == (130, False)
    assert pending_codes(database) == [third.code]
    met = take_decision(database)
    assert (met.state, met.reason) == (State.SPENT, "they said bye")
    assert (met.decided_by or "").endswith(" at a terminal")


def test_watch_continues_after_another_person_answered_first(database: Path) -> None:
    first = leave_question(database)
    with at_terminal(*watch_command(database)) as terminal:
        wait_for_offer(terminal, first)
        run(*approvals(database, "reject", first.code))
        terminal.type(f"y{ENTER}")
        terminal.until("Reason (optional): ")
        terminal.type(ENTER)
        terminal.until(f"{first.code} is rejected already")
        wait_for_offer(terminal, leave_question(database, approval_request("And this?")))
        terminal.type(CTRL_D)
        assert terminal.ended()[0] == 130
    assert take_decision(database).state is State.REJECTED


@pytest.mark.parametrize(("arguments", "lines"), [([], 2), (["--json"], 1)])
def test_watch_through_a_pipe_prints_requests_and_takes_no_answers(
    database: Path, arguments: list[str], lines: int
) -> None:
    first = leave_question(database)
    with subprocess.Popen(
        forked(*watch_command(database), *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment({}),
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("y\ny\n")
        process.stdin.flush()
        seen = [process.stdout.readline() for _ in range(lines)]
        second = leave_question(database, approval_request("Another?"))
        seen += [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGINT)
        _, output = process.communicate(timeout=PATIENCE)
    shown = "".join(seen)
    assert shown.index(first.code) < shown.index(second.code)
    assert (process.returncode, output.strip()) == (130, "")
    assert pending_codes(database) == [first.code, second.code]


def test_database_before_the_subcommand_applies_to_the_subcommand(database: Path) -> None:
    request = leave_question(database)
    assert run("approvals", "--database", url_of(database), "reject", request.code).returncode == 0
    assert pending_codes(database) == []


def test_an_unusable_store_is_one_sentence_and_exit_code_2() -> None:
    ended = run("approvals", "--database", "sqlite:////no/such/place/events.db")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("telnyx-conferencing: The directory /no/such/place does not exist.")

"""What stands in the files for deploying: held against the code, since nothing here can start a container or a unit."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
import yaml

from support.commands import COMMAND
from support.mcp_http import site
from support.nginx import program, write_config
from support.webhooks import NOWHERE
from telnyx_conferencing.server.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = ROOT / "deploy" / "telnyx-conferencing.service"
EXPOSURE = "20"
"""What `systemd-analyze security` may find at most, of 100."""
SECRETS = ("TELNYX_API_KEY", "TELNYX_CONFERENCING_STATE_KEYS", "PGPASSWORD")

Service = Mapping[str, Any]


def composition() -> Mapping[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def services() -> Mapping[str, Service]:
    return composition()["services"]


def settings_named(text: str) -> set[str]:
    return set(re.findall(rf"{PREFIX}[A-Z_]+", text))


@pytest.mark.parametrize("path", ["Dockerfile", "compose.yaml", "deploy/example.env", f"deploy/{UNIT.name}"])
def test_every_setting_that_is_named_exists(path: str) -> None:
    exist = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert settings_named((ROOT / path).read_text()) - exist == set()


# The image


def copied_paths() -> Iterator[str]:
    """What the image is built from."""
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        yield from (source.rstrip("/") for source in sources)


def test_the_image_is_built_from_exactly_the_files_of_the_package() -> None:
    _, *allowed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("**")]
    assert {line.removeprefix("!") for line in allowed} == set(copied_paths())
    packaged = {"tools", "prompts", "server", "pyproject.toml", "README.md", "LICENSE"}
    assert packaged <= set(copied_paths())
    assert all((ROOT / source).exists() for source in copied_paths())


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    [user] = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert all(int(number) > 1000 for number in user)


@pytest.mark.anyio
async def test_the_image_knows_whether_its_server_is_healthy(tmp_path: Path) -> None:
    [check] = re.findall(r"HEALTHCHECK.*?CMD (\[.+?\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    _, *arguments = cast("list[str]", json.loads(check))
    async with site(home=tmp_path, env=NOWHERE) as server:
        command = [sys.executable, *(argument.replace("8484", str(server.port)) for argument in arguments)]
        assert (await anyio.run_process(command, check=False)).returncode == 0
    assert (await anyio.run_process(command, check=False)).returncode != 0


# The composition


@pytest.mark.parametrize("name", services())
def test_no_service_has_more_rights_than_it_needs(name: str) -> None:
    service = services()[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", services())
def test_every_service_starts_once_what_it_needs_is_healthy(name: str) -> None:
    for needed, how in services()[name].get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in services()[needed] or services()[needed].get("build") == "."


def test_only_replicas_reach_the_database_which_reaches_nothing() -> None:
    assert composition()["networks"]["store"] == {"internal": True}
    reach = {name for name, service in services().items() if "store" in service["networks"]}
    assert reach == {"replica-1", "replica-2", "postgres"}
    assert services()["postgres"]["networks"] == ["store"]


def test_secrets_come_from_the_environment_and_stand_in_no_file() -> None:
    example = dict(
        line.split("=", 1) for line in (ROOT / "deploy" / "example.env").read_text().splitlines() if line[0] != "#"
    )
    assert {name: example[name] for name in SECRETS} == dict.fromkeys(SECRETS, "")
    for name in ("replica-1", "replica-2"):
        given: Mapping[str, str] = services()[name]["environment"]
        assert all(given[secret].startswith(f"${{{secret}:?") for secret in SECRETS)
        asked = {found for value in given.values() for found in re.findall(r"\$\{(\w+)", value)}
        assert asked <= set(example)


# The proxy


@pytest.mark.parametrize("sticky", [False, True])
def test_nginx_reads_its_configuration(needs_nginx: None, tmp_path: Path, sticky: bool) -> None:
    found = program()
    assert found
    configuration = write_config(tmp_path, ["127.0.0.1:8484", "127.0.0.2:8484"], 8080, sticky=sticky)
    done = subprocess.run(
        [found, "-t", "-c", str(configuration), "-p", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# The unit


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/telnyx-conferencing/bin/telnyx-conferencing", COMMAND))
    done = systemd_analyze("verify", "--man=no", str(here))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_systemd_unit_restricts_the_process() -> None:
    done = systemd_analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT))
    assert done.returncode == 0, done.stdout

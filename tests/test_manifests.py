"""What tells hosts and registries of this server is what the code says."""

import os
import re

import pytest

from support import manifests
from support.manifests import COPIES, FILES, ROOT, text


@pytest.mark.parametrize("path", [*FILES, *COPIES])
def test_every_manifest_is_current(path: str) -> None:
    if os.environ.get("UPDATE_SNAPSHOTS"):
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text(path))
    assert (ROOT / path).read_text() == text(path), "run UPDATE_SNAPSHOTS=1 make test"


def test_the_readme_has_the_registrys_mark_and_cursors_link() -> None:
    readme = (ROOT / "README.md").read_text()
    assert f"<!-- mcp-name: {manifests.REGISTRY_NAME} -->" in readme
    assert f"({manifests.cursor()})" in readme


def test_the_registrys_own_rules_are_kept() -> None:
    said = manifests.registry()
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", said["name"])
    assert 1 <= len(said["description"]) <= 100
    [package] = said["packages"]
    assert package["version"] == said["version"] != "latest"
    formats = {variable.get("format", "string") for variable in package["environmentVariables"]}
    assert formats <= {"string", "number", "boolean", "filepath"}
    secret = [
        environment_variable["name"]
        for environment_variable in package["environmentVariables"]
        if environment_variable.get("isSecret")
    ]
    assert secret == ["TELNYX_API_KEY", "TELNYX_CONFERENCING_STATE_KEYS", "TELNYX_CONFERENCING_ALERT_SECRET"]

"""Where the event store is kept, and how a URL that cannot be used is refused."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.stored_events import add_all, series, url
from telnyx_conferencing.server.events.event import EventFilter
from telnyx_conferencing.server.events.store import Store, StoreError, default_url

pytestmark = pytest.mark.anyio


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes_in(directory: Path) -> dict[str, int]:
    return {path.name: mode(path) for path in directory.iterdir()}


async def refusal(address: str) -> str:
    """The error when this is opened."""
    with pytest.raises(StoreError) as refused:
        async with Store.open(address):
            pass
    return str(refused.value)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "telnyx-conferencing"


linux = pytest.mark.skipif(sys.platform != "linux", reason="where user data lies differs by system")


@linux
async def test_the_default_store_is_in_the_users_data_directory_and_readable_by_that_user_alone(data: Path) -> None:
    before = os.umask(0)
    try:
        async with Store.open(default_url()) as store:
            await add_all(store, series(3))
            assert mode(data) == 0o700
            assert set(modes_in(data).values()) == {0o600}
    finally:
        os.umask(before)
    assert modes_in(data) == {"events.db": 0o600}


@linux
def test_a_data_directory_that_others_may_read_becomes_private(data: Path) -> None:
    data.mkdir(mode=0o755)
    default_url()
    assert mode(data) == 0o700


@linux
def test_a_data_directory_that_cannot_be_created_is_an_error_that_names_the_option(data: Path) -> None:
    data.write_text("in the way")
    with pytest.raises(StoreError, match="--database"):
        default_url()


async def test_a_url_that_does_not_name_a_file_is_refused() -> None:
    for address in ("", "events.db", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "sqlite://a/b?c=d"):
        assert "sqlite:///" in await refusal(address), address


async def test_a_path_may_contain_spaces_percent_signs_and_letters(tmp_path: Path) -> None:
    directory = tmp_path / "Zoë's 100% files"
    directory.mkdir()
    async with Store.open(url(directory / "events.db").replace("%", "%25").replace(" ", "%20")):
        assert (directory / "events.db").exists()


async def test_the_error_for_a_missing_directory_names_it(tmp_path: Path) -> None:
    assert f"{tmp_path / 'nowhere'} does not exist" in await refusal(url(tmp_path / "nowhere" / "events.db"))


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "is a directory" in await refusal(url(tmp_path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
async def test_a_read_only_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.touch(mode=0o400)
    assert "permission denied" in await refusal(url(path))


async def test_a_file_that_is_not_a_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but a user's notes " * 100)
    assert "not a database" in await refusal(url(path))
    assert path.read_text().startswith("not a database")


async def test_another_programs_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    assert "another program" in await refusal(url(path))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Store.open(url(path)) as store:
        await add_all(store, series(100))
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)
    assert "damaged" in await refusal(url(path))


async def test_damage_that_is_found_by_a_search_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Store.open(url(path)) as store:
        await add_all(store, series(3000))
    third = path.stat().st_size // 4096 // 3 * 4096  # the schema is in the first third
    with path.open("r+b") as file:
        file.seek(third)
        file.write(b"\xff" * third)
    async with Store.open(url(path)) as store:
        with pytest.raises(StoreError, match="damaged"):
            await store.find(EventFilter(), limit=3000)


async def test_a_store_keeps_its_events_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Store.open(url(path)) as store:
        added = await add_all(store, series(5))
    async with Store.open(url(path)) as store:
        assert await store.find(EventFilter(), limit=10, newest_first=False) == added
        assert await store.latest_number() == 5


@pytest.mark.slow
def test_importing_the_server_does_not_load_the_driver_of_postgresql() -> None:
    code = "import sys, telnyx_conferencing.server.events.store, telnyx_conferencing.server.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "psycopg" not in done.stdout.split()

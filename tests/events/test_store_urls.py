"""Where the event store is kept, what it does about a place it cannot use, and what it loads."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.older_store import put_back
from support.stored_events import add_all, series, url
from telnyx_conferencing.server.database.schema import KNOWN
from telnyx_conferencing.server.events.event import EventFilter
from telnyx_conferencing.server.events.store import Store, StoreError, default_url

pytestmark = pytest.mark.anyio


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes_in(directory: Path) -> dict[str, int]:
    return {path.name: mode(path) for path in directory.iterdir()}


async def refusal(address: str) -> str:
    """What is said instead of opening this."""
    with pytest.raises(StoreError) as refused:
        async with Store.open(address):
            pass
    said = str(refused.value)
    assert said.endswith(".")
    assert "Traceback" not in said
    return said


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "telnyx-conferencing"


linux = pytest.mark.skipif(sys.platform != "linux", reason="where user data lies differs by system")


@linux
async def test_by_default_it_is_in_the_users_data_directory_for_this_user_alone(data: Path) -> None:
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
def test_a_data_directory_that_others_may_read_is_closed_to_them(data: Path) -> None:
    data.mkdir(mode=0o755)
    default_url()
    assert mode(data) == 0o700


@linux
def test_a_data_directory_that_cannot_be_made_is_refused_in_words(data: Path) -> None:
    data.write_text("in the way")
    with pytest.raises(StoreError, match="--database"):
        default_url()


@pytest.mark.parametrize(
    "address",
    ["", "events.db", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "sqlite://a/b?c=d"],
)
async def test_an_address_that_names_no_file_is_refused(address: str) -> None:
    assert "sqlite:///" in await refusal(address)


async def test_a_path_with_a_space_a_percent_sign_and_letters_is_taken(tmp_path: Path) -> None:
    directory = tmp_path / "Zoë's 100% files"
    directory.mkdir()
    async with Store.open(url(directory / "events.db").replace("%", "%25").replace(" ", "%20")):
        assert (directory / "events.db").exists()


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'nowhere'} does not exist" in await refusal(url(tmp_path / "nowhere" / "events.db"))


async def test_a_directory_is_not_a_store(tmp_path: Path) -> None:
    assert "is a directory" in await refusal(url(tmp_path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
async def test_a_file_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.touch(mode=0o400)
    assert "permission denied" in await refusal(url(path))


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but somebody's notes " * 100)
    assert "not a database" in await refusal(url(path))
    assert path.read_text().startswith("not a database")


async def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
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


async def test_damage_found_later_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Store.open(url(path)) as store:
        await add_all(store, series(3000))
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 80 * 4096)
    async with Store.open(url(path)) as store:
        with pytest.raises(StoreError, match="damaged"):
            await store.find(EventFilter(), limit=3000)


async def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Store.open(url(path)):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE event_store_version SET version_num = '9999'")
    assert "newer version" in await refusal(url(path))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM event_store_version").fetchall() == [("9999",)]


async def test_a_store_is_as_it_was_when_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Store.open(url(path)) as store:
        added = await add_all(store, series(5))
    async with Store.open(url(path)) as store:
        assert await store.find(EventFilter(), limit=10, newest_first=False) == added
        assert await store.latest_number() == 5


def loaded(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


OPEN = """
import anyio
from telnyx_conferencing.server.events.store import Store
async def main():
    async with Store.open({url!r}):
        pass
anyio.run(main)
"""


async def test_importing_the_store_and_the_server_loads_no_database_library() -> None:
    modules = loaded("import telnyx_conferencing.server.events.store, telnyx_conferencing.server.app")
    assert not {"sqlalchemy", "alembic", "aiosqlite"} & modules


async def test_alembic_is_loaded_only_when_tables_must_change(tmp_path: Path) -> None:
    address = url(tmp_path / "events.db")
    code = OPEN.format(url=address)
    assert "alembic" not in loaded(code)
    await put_back(address, KNOWN[-2])
    assert "alembic" in loaded(code)
    assert "alembic" not in loaded(code)

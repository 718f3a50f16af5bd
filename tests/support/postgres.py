"""A throw-away PostgreSQL cluster for the tests, on a loopback port."""

import fcntl
import os
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import psycopg
from anyio.from_thread import start_blocking_portal

from support.webhooks import free_port
from telnyx_conferencing.server.database import open_database

USER = "tester"
PASSWORD = "c@nary/p:ss%word"
"""Must be percent-encoded in a URL, and must appear in no output."""
SHARED = "TESTS_POSTGRESQL"
"""The environment variable that names the directory of the cluster that all workers share."""
TIMEOUT_S = 30.0

_CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = '64MB'
"""
_TEMPLATE = "store"


def programs() -> Path | None:
    """Where PostgreSQL's programs are, of the newest version there is; None: nowhere."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return installed[-1].parent if installed else None


def unprivileged() -> str | None:
    """The user to run it as, since it does not run as root. None: the current user."""
    if os.geteuid() != 0:
        return None
    users = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


class Cluster:
    """A PostgreSQL in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Makes nothing yet; call `make`, or `start` if it is made already."""
        self.directory = directory
        self._data = directory / "data"
        self._port = directory / "port"

    def make(self) -> None:
        """Create the cluster, and start it."""
        user = unprivileged()
        if user is not None:
            shutil.chown(self.directory, user)
        secret = self.directory / "secret"
        secret.write_text(PASSWORD)
        made = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", f"--username={USER}", f"--pwfile={secret}")
        secret.chmod(0o644)
        self._run("initdb", "-D", str(self._data), *made)
        self._port.write_text(str(free_port()))
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"{_CONFIGURATION}port = {self.port}\n")
        self.start()

    def start(self) -> None:
        """Return once it takes connections."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self.directory / "log"), "start")

    def stop(self, how: str = "fast") -> None:
        """Stop it and close every connection. `immediate`: as after a kill of its process."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", how, "stop")

    @property
    def is_running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    @property
    def port(self) -> int:
        return int(self._port.read_text())

    def url(self, name: str = "postgres", password: str = PASSWORD) -> str:
        """The URL of a database."""
        return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str, name: str = "postgres") -> None:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(statement.encode())

    def empty(self) -> str:
        """The URL of a new database without tables."""
        return self._new("template1")

    def store(self) -> str:
        """The URL of a new store."""
        return self._new(_TEMPLATE)

    def _new(self, template: str) -> str:
        name = f"t{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def prepare(self) -> None:
        """Make the store that new ones are copied from."""
        self.execute(f"CREATE DATABASE {_TEMPLATE}")

        async def opened() -> None:
            async with open_database(self.url(_TEMPLATE)):
                pass

        with start_blocking_portal() as portal:
            portal.call(opened)

    def _run(self, program: str, *arguments: str) -> None:
        found = programs()
        assert found
        command: Sequence[str] = (str(found / program), *arguments)
        done = subprocess.run(
            command, user=unprivileged(), cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")


@contextmanager
def cluster() -> Generator[Cluster]:
    """A cluster for one test alone, which may stop it."""
    with _directory() as directory:
        made = Cluster(directory)
        made.make()
        made.prepare()
        try:
            yield made
        finally:
            if made.is_running:
                made.stop("immediate")


def shared_cluster() -> Cluster:
    """The cluster that all workers share, made by the first that needs it."""
    found = Cluster(Path(os.environ[SHARED]))
    with (found.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.is_running:
            found.make()
            found.prepare()
    return found


@contextmanager
def share_cluster() -> Generator[None]:
    """Have a place for the cluster that is shared, and end it afterwards."""
    with _directory() as directory:
        os.environ[SHARED] = str(directory)
        try:
            yield
        finally:
            if (found := Cluster(directory)).is_running:
                found.stop("immediate")


@contextmanager
def _directory() -> Generator[Path]:
    directory = Path(mkdtemp(prefix="tests-postgresql-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)

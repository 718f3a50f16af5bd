"""Fixtures for every test."""

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support import nginx
from support.fuzzing import load_profile
from support.npm import install_packages
from support.postgres import Cluster, programs, share_cluster, shared_cluster
from support.skipping import skip_without
from support.webhooks import url_of

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))
_SLOW_IMPORTS = ("frameworks", "test_api_fuzz.py")
_whole_run = ExitStack()


def _is_fast(config: pytest.Config) -> bool:
    return config.option.markexpr == "not slow"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out slow tests of packages that take longer to import than a fast test takes."""
    return True if _is_fast(config) and collection_path.name in _SLOW_IMPORTS else None


def pytest_configure(config: pytest.Config) -> None:
    load_profile(fast=_is_fast(config))
    if not hasattr(config, "workerinput"):  # the main process ends what its workers share
        _whole_run.enter_context(share_cluster())
        os.environ["XDG_STATE_HOME"] = _whole_run.enter_context(TemporaryDirectory(prefix="state-"))


def pytest_unconfigure() -> None:
    _whole_run.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[pytest.param("2025-11-25", marks=pytest.mark.slow), "2026-07-28"])
def era(request: pytest.FixtureRequest) -> str:
    """Each protocol version in turn. A test that needs both in the fast run too is parametrized with `ERAS` itself."""
    return request.param


@pytest.fixture(scope="session")
def needs_postgresql() -> None:
    if programs() is None:
        skip_without("PostgreSQL is not installed: apt-get install postgresql")


@pytest.fixture(scope="session")
def needs_nginx() -> None:
    if nginx.program() is None:
        skip_without("nginx is not installed: apt-get install nginx-light")


@pytest.fixture(scope="session")
def postgres(needs_postgresql: None) -> Cluster:
    """The PostgreSQL that all tests share."""
    return shared_cluster()


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of the test's own, on each kind of database in turn."""
    return new_store(request, tmp_path)


@pytest.fixture(params=DATABASES)
def empty_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same before anything was made there."""
    if request.param == "sqlite":
        return url_of(tmp_path / "events.db")
    postgres: Cluster = request.getfixturevalue("postgres")
    return postgres.empty()


@pytest.fixture(scope="module", params=DATABASES)
def module_address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same for all tests of a module."""
    return new_store(request, tmp_path_factory.mktemp("store"))


def new_store(request: pytest.FixtureRequest, directory: Path) -> str:
    if request.param == "sqlite":
        return url_of(directory / "events.db")
    postgres: Cluster = request.getfixturevalue("postgres")
    return postgres.store()


@pytest.fixture(scope="session")
def packages() -> Path:
    """The directory of the packages that the board is built and checked with."""
    return install_packages()


@pytest.fixture(scope="session")
def axe(packages: Path) -> str:
    """The accessibility check, as a script."""
    return (packages / "axe-core" / "axe.min.js").read_text("utf-8")

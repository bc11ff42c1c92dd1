"""Real databases: every test here runs on SQLite and on MariaDB."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config import keys
from orchestrator.engine import Engine
from orchestrator.models.base import database as proxy
from orchestrator.store import database, schema
from tests.conftest import require
from tests.support import mariadb
from tests.support.bench import Bench, an_app
from tests.support.executors import RecordingExecutor
from tests.support.fresh import FreshMaria, FreshSqlite


@pytest.fixture(scope="session")
def maria_server() -> Iterator[mariadb.MariaServer]:
    """Yield a MariaDB server of the tests' own."""
    require(mariadb.missing())
    with mariadb.server() as server:
        yield server


@pytest.fixture(scope="session")
def fresh_sqlite(tmp_path_factory: pytest.TempPathFactory) -> FreshSqlite:
    """Return what makes databases of SQLite."""
    return FreshSqlite(tmp_path_factory.mktemp("schema") / "tenantry.db", _upgrade)


@pytest.fixture(scope="session")
def fresh_maria(maria_server: mariadb.MariaServer) -> FreshMaria:
    """Return what makes the database of MariaDB."""
    return FreshMaria(maria_server, "tenantry", _upgrade)


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database that has the schema and nothing else."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("fresh_sqlite").url(tmp_path / "tenantry.db"))
    return str(request.getfixturevalue("fresh_maria").url())


def _upgrade(url: str) -> None:
    with opened(url):
        pass


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with a sealing key; making one takes as long as a test."""
    folder = tmp_path_factory.mktemp("home")
    keys.ensure_private_key(folder)
    return folder


@pytest.fixture
def db(database_url: str) -> Iterator[str]:
    """Yield the URL of a database with the schema, connected."""
    with opened(database_url):
        yield database_url


@contextlib.contextmanager
def opened(url: str) -> Iterator[None]:
    """Connect to a database and give it the schema."""
    database.connect(url)
    schema.upgrade()
    yield
    if not proxy.is_closed():
        proxy.close()
    close_all = getattr(proxy.obj, "close_all", None)
    if close_all:
        close_all()


@pytest.fixture
def app(db: str, home: Path) -> Engine:
    """Return an application over the test's database."""
    return an_app(db, home)


@pytest.fixture
def bench(app: Engine) -> Iterator[Bench]:
    """Yield a worker with an executor that succeeds at once."""
    made = Bench(app, RecordingExecutor())
    yield made
    made.worker.drain(5)

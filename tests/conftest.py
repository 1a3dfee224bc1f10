"""What every test may ask for: real PostgreSQL, clean, and fast to get.

- `connection`: one connection inside a transaction that is rolled back; for SQL that need not commit.
- `database`: a `Database` whose commits are real; every table is emptied before the test.
- `fresh_database_url`: a database of the test's own, for tests that start processes.
- `node`: Node with the client libraries that users have; skips where it cannot be had.
- `stripe`: a stand-in for Stripe over HTTP, built from its API description; skips likewise.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import Database
from tests.node import Node, Unavailable, install
from tests.postgres import GIVEN_SERVER, Emptier, TestServer
from tests.running_order import in_running_order
from tests.stripe_standin.description import description
from tests.stripe_standin.server import Standin, stripe_standin

_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the run, of however many processes, one folder."""
    # The default renders tracebacks with every local variable, which takes a second each.
    plain = (structlog.processors.add_log_level, structlog.processors.format_exc_info)
    structlog.configure(processors=[*plain, structlog.processors.JSONRenderer()])
    given = getattr(config, "workerinput", {}).get("ordertide_folder")
    config.stash[_FOLDER] = Path(given or tempfile.mkdtemp(prefix="ordertide-test-"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let a process of several take the long files first; alone, one goes from folder to folder."""
    if hasattr(config, "workerinput"):
        items[:] = in_running_order(items)


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: those that start servers or wait for time leave theirs idle."""
    return (os.cpu_count() or 1) + 1


def pytest_configure_node(node: object) -> None:
    """Tell a worker process (of xdist) which folder the run has."""
    node.workerinput["ordertide_folder"] = str(node.config.stash[_FOLDER])  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder, and what the run made on a server that outlives it."""
    if hasattr(config, "workerinput"):  # whoever began the run clears up
        return
    if GIVEN_SERVER in os.environ:
        asyncio.run(TestServer(config.stash[_FOLDER]).drop_all())
    shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[TestServer]:
    """The server of this run."""
    server = TestServer(pytestconfig.stash[_FOLDER])
    yield server
    server.release()


@pytest.fixture(scope="session")
async def _own_url(postgres: TestServer) -> AsyncIterator[str]:
    url = await postgres.clone()
    yield url
    await postgres.drop(url)


@pytest.fixture(scope="session")
async def _own_database(_own_url: str) -> AsyncIterator[Database]:
    database = Database(_own_url)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def emptier(_own_url: str) -> AsyncIterator[Emptier]:
    """Empties the database of this test process."""
    emptier = Emptier(_own_url)
    yield emptier
    await emptier.close()


@pytest.fixture
async def database_url(_own_url: str, emptier: Emptier) -> str:
    """The database of this test process, emptied."""
    await emptier.empty()
    return _own_url


@pytest.fixture
async def database(_own_database: Database, database_url: str) -> Database:
    """This process's database, emptied; what the test commits is really committed."""
    return _own_database


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that is rolled back after the test."""
    async with database.engine.connect() as connection:
        await connection.begin()
        yield connection
        await connection.rollback()


@pytest.fixture
async def fresh_database_url(postgres: TestServer) -> AsyncIterator[str]:
    """A migrated, empty database that nobody else uses, dropped afterwards."""
    url = await postgres.clone()
    yield url
    await postgres.drop(url)


@pytest.fixture
async def stripe() -> AsyncIterator[Standin]:
    """A stand-in for Stripe; skips where its API description cannot be had."""
    try:
        await asyncio.to_thread(description)
    except Unavailable as reason:
        pytest.skip(f"Stripe's description cannot be had: {reason}")
    async with stripe_standin() as standin:
        yield standin


@pytest.fixture(scope="session")
def node() -> Node:
    """Node, with the libraries of clients/typescript and our helper built."""
    try:
        return install()
    except Unavailable as reason:
        pytest.skip(f"clients on Node cannot be tried: {reason}")

"""The embedded PostgreSQL as real processes meet it: shared, killed, left behind, in awkward places."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import asyncpg
import psutil
import pytest

from persistence.embedded import EmbeddedServer, EmbeddedServerError
from persistence.embedded_cluster import Cluster
from persistence.embedded_install import service_identity
from tests.processes import living, postgres_in, postmaster_of, wait_until

_SETTINGS = {"fsync": "off", "shared_buffers": "16MB"}

# A user of the server in a process of its own: says its address, works until its input ends.
_USER = """
import sys
from pathlib import Path
from persistence.embedded import EmbeddedServer
server = EmbeddedServer.acquire(Path(sys.argv[1]), {"fsync": "off", "shared_buffers": "16MB"})
print(server.url, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that only its owner may enter, as `mktemp -d` makes them; nothing runs in it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ordertide-home-"))
    yield folder
    wait_until(lambda: not postgres_in(folder), "a process of the server is left")
    shutil.rmtree(folder)


@pytest.fixture
def stranger() -> Iterator[int]:
    """The number of a living process of the user PostgreSQL runs as; it ignores those of others."""
    process = subprocess.Popen(["cat"], cwd="/", stdin=subprocess.PIPE, **service_identity())
    yield process.pid
    process.kill()
    process.communicate()


def test_data_stays_from_one_start_to_the_next(home: Path) -> None:
    with EmbeddedServer.acquire(home, _SETTINGS) as server:
        _value(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")

    assert postgres_in(home) == []
    with EmbeddedServer.acquire(home) as server:
        assert _value(server.url, "SELECT answer FROM kept") == 42


def test_it_is_durable_and_deaf_to_the_network(home: Path) -> None:
    with EmbeddedServer.acquire(home, {"shared_buffers": "16MB"}) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert _value(server.url, f"SHOW {setting}") == "on"
        assert _value(server.url, "SHOW listen_addresses") == ""


def test_processes_share_it_and_the_last_one_stops_it(home: Path) -> None:
    with _User(home) as first, _User(home) as second:
        assert first.url == second.url
        postmaster = postmaster_of(home)

        first.leave()
        assert _value(second.url, "SELECT 1") == 1
        assert postmaster_of(home) == postmaster

        second.leave()
        assert postgres_in(home) == []


def test_many_processes_may_start_it_at_once(home: Path) -> None:
    users = [_User(home) for _ in range(6)]

    assert len({user.url for user in users}) == 1
    assert len(_keepers(home)) == 1
    for user in users:
        assert _value(user.url, "SELECT 1") == 1
        user.leave()


def test_a_killed_user_neither_takes_it_from_the_others_nor_leaves_it_for_ever(home: Path) -> None:
    with _User(home) as first, _User(home) as second:
        assert first.url == second.url
        postmaster = postmaster_of(home)

        first.kill()
        time.sleep(0.5)
        assert _value(second.url, "SELECT 1") == 1
        assert postmaster_of(home) == postmaster

        second.kill()
        wait_until(lambda: not postgres_in(home), "the server outlives its last user")


def test_a_killed_postmaster_comes_back_with_everything_committed(home: Path) -> None:
    with EmbeddedServer.acquire(home) as server:
        _value(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        killed = postmaster_of(home)

        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: postmaster_of(home) not in {0, killed}, "nobody started it again")
        server.ensure_alive()

        assert _value(server.url, "SELECT answer FROM kept") == 42


def test_several_processes_survive_the_death_of_the_keeper(home: Path) -> None:
    with EmbeddedServer.acquire(home, _SETTINGS) as server, _User(home) as other:
        assert other.url == server.url
        _value(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        (keeper,) = _keepers(home)

        keeper.kill()
        wait_until(lambda: not postgres_in(home), "the server outlives its keeper")
        server.ensure_alive()
        server.ensure_alive()

        assert len(_keepers(home)) == 1
        assert _value(other.url, "SELECT answer FROM kept") == 42


def test_whoever_started_a_keeper_that_died_finds_the_one_that_another_started(home: Path) -> None:
    with EmbeddedServer.acquire(home, _SETTINGS) as starter, EmbeddedServer.acquire(home) as other:
        _keepers(home)[0].kill()
        wait_until(lambda: not postgres_in(home), "the server outlives its keeper")
        other.ensure_alive()
        os.kill(postmaster_of(home), signal.SIGKILL)

        starter.ensure_alive()

        assert _value(starter.url, "SELECT 1") == 1


def test_a_keeper_that_dies_while_somebody_waits_for_it_is_replaced(home: Path) -> None:
    with EmbeddedServer.acquire(home, _SETTINGS) as server, ThreadPoolExecutor(1) as threads:
        (keeper,) = _keepers(home)
        keeper.suspend()
        os.kill(postmaster_of(home), signal.SIGKILL)
        waiting = threads.submit(server.ensure_alive)
        time.sleep(1)
        assert not waiting.done()

        keeper.kill()
        waiting.result(timeout=60)

        assert _value(server.url, "SELECT 1") == 1


def test_a_keeper_that_is_told_to_stop_lets_the_users_finish(home: Path) -> None:
    with _User(home) as user:
        url = user.url
        (keeper,) = _keepers(home)
        keeper.terminate()
        time.sleep(1.5)
        assert _value(url, "SELECT 1") == 1

        user.leave()
        wait_until(lambda: not _keepers(home), "the keeper outlives its users")


@pytest.mark.parametrize("of", ["ended", "living"])
def test_what_a_killed_server_left_is_no_hindrance(home: Path, stranger: int, of: str) -> None:
    EmbeddedServer.acquire(home, _SETTINGS).release()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    number = stranger if of == "living" else ended.pid
    cluster = Cluster(home / "postgres")
    cluster.socket_folder.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(cluster.socket))
    said = f"{number}\n{cluster.data}\n1700000000\n5432\n{cluster.socket_folder}\n"
    cluster.socket.with_name(f"{cluster.socket.name}.lock").write_text(said)
    (cluster.data / "postmaster.pid").write_text(f"{said}\n  1234567  9\nready\n")

    with EmbeddedServer.acquire(home) as server:
        assert _value(server.url, "SELECT 1") == 1
        assert psutil.pid_exists(number) == (of == "living"), "a stranger was killed"


def test_a_path_longer_than_any_socket_may_have(home: Path) -> None:
    long = home / ("a long name with spaces, and 'quotes' " * 3) / ("deeper " * 10)

    with EmbeddedServer.acquire(long, _SETTINGS) as server:
        assert len(str(long)) > 150
        assert _value(server.url, "SELECT 1") == 1


def test_no_permission_of_a_folder_above_changes(home: Path) -> None:
    with EmbeddedServer.acquire(home / "inside", _SETTINGS):
        assert home.stat().st_mode & 0o777 == 0o700


def test_a_making_that_was_cut_short_is_begun_again(home: Path) -> None:
    unfinished = home / "postgres" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    with EmbeddedServer.acquire(home, _SETTINGS) as server:
        assert _value(server.url, "SELECT 1") == 1


def test_data_of_another_version_are_refused_with_what_to_do(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")

    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 9.*dump"):
        EmbeddedServer.acquire(home)


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    EmbeddedServer.acquire(home, _SETTINGS).release()
    with (home / "postgres" / "data" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")

    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        EmbeddedServer.acquire(home)


class _User:
    """A process that uses the server of a home."""

    def __init__(self, home: Path) -> None:
        self._url = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Wait until the process has its address, and return it."""
        if not self._url:
            assert self._process.stdout is not None
            self._url = self._process.stdout.readline().strip()
            assert self._url, "the process did not get a server"
        return self._url

    def leave(self) -> None:
        """End in good order."""
        self._process.communicate(timeout=60)

    def kill(self) -> None:
        """End as by `kill -9`."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def _keepers(home: Path) -> list[psutil.Process]:
    words = {"persistence.embedded_keeper", str(home / "postgres")}
    return living(lambda one: words <= set(one.cmdline()))


def _value(url: str, statement: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())

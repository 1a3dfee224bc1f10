"""`ordertide serve` with nothing set but a home: it brings its own PostgreSQL and takes it away again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest

from bench._environment import child_environment
from tests.processes import living, postgres_in, postmaster_of, wait_until
from tests.server import free_port

_ORDERTIDE = str(Path(sys.executable).with_name("ordertide"))


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of its own, removed with all that was made in it."""
    folder = Path(tempfile.mkdtemp(prefix="ordertide-home-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_no_process_behind(home: Path, workers: int) -> None:
    with _Serving(home, workers) as serving:
        assert postgres_in(home)

        assert serving.interrupt() == 0

        assert postgres_in(home) == []
        # Python's own resource tracker notices a moment later that it is not needed any more.
        wait_until(lambda: not serving.processes(), "a process outlives the server")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_server_leaves_no_process_behind_and_starts_again(home: Path, workers: int) -> None:
    with _Serving(home, workers) as serving:
        serving.kill()
        wait_until(lambda: not postgres_in(home), "PostgreSQL outlives the server")
        wait_until(lambda: not serving.processes(), "a worker outlives the server")

        with _Serving(home, workers, serving.port):
            pass


def test_a_killed_database_comes_back_under_a_running_server(home: Path) -> None:
    with _Serving(home) as serving:
        killed = postmaster_of(home)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: postmaster_of(home) not in {0, killed}, "nobody started it again")

        wait_until(serving.is_ready, "the server does not find its database again")


class _Serving:
    """`ordertide serve` on a free port, ready, until the block ends."""

    def __init__(self, home: Path, workers: int = 1, port: int = 0) -> None:
        self.port = port or free_port()
        self._mark = f"{home.name}-{self.port}"
        self._log = home / "serve.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [_ORDERTIDE, "serve", "--port", str(self.port), "--workers", str(workers)],
                env={**child_environment(home=str(home), mark=self._mark), "PYTHONFAULTHANDLER": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own to send Ctrl-C to, as a terminal does
            )

    def __enter__(self) -> Self:
        wait_until(self.is_ready, "the server does not get ready", seconds=60)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.interrupt()

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        assert self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit status; of what does not end, fail with what it is doing."""
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            return self._process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            for one in self.processes():
                # Python's own say where each of their threads is, and end.
                if "postgres" not in one.name():
                    one.send_signal(signal.SIGABRT)
                    one.wait(timeout=5)
            pytest.fail(f"it does not end:\n{self._log.read_text()}")

    def kill(self) -> None:
        """Let the process that was started die without a word."""
        self._process.kill()
        self._process.wait()

    def processes(self) -> list[psutil.Process]:
        """The living processes that came of it, known by their environment."""
        return living(lambda one: one.environ().get("ORDERTIDE_MARK") == self._mark)

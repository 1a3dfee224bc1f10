"""The demo as a person meets it: it sets itself up, lives, and leaves nothing behind."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from bench._environment import child_environment

_ORDERTIDE = str(Path(sys.executable).with_name("ordertide"))
_SECONDS_TO_LIVE = 240
_SECONDS_TO_STOP = 60


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of its own, in a place short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="ordertide-demo-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """A running `ordertide demo` and what it has printed."""

    def __init__(self, home: Path, *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.printed = ""
        self.home = home
        self.process = subprocess.Popen(
            [_ORDERTIDE, "demo", "--port", str(self.port), *arguments],
            env=child_environment(home=str(home)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read on until what was printed has `pattern`."""
        assert self.process.stdout is not None
        end = time.monotonic() + _SECONDS_TO_LIVE
        while time.monotonic() < end and self.process.poll() is None:
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                self.printed += os.read(self.process.stdout.fileno(), 65_536).decode()
            if found := re.search(pattern, self.printed):
                return found
        raise AssertionError(f"no {pattern!r} in:\n{self.printed}")

    def family(self) -> list[psutil.Process]:
        """Everything that runs because of the demo: itself, the server, PostgreSQL and its keeper."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        for one in psutil.process_iter(["cmdline"]):
            if str(self.home) in " ".join(one.info["cmdline"] or ()):
                found.append(one)
        return found

    def orders(self, token: str) -> int:
        """Ask the API how many orders there are, up to 50."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": "{ orders(first: 50) { edges { node { id } } } }"},
            headers={"authorization": f"Bearer {token}"},
            timeout=30,
        ).json()
        return len(answer["data"]["orders"]["edges"])


@pytest.mark.slow
def test_it_lives_delivers_parcels_and_leaves_no_process_behind(home: Path) -> None:
    demo = Demo(home, "--speed", "1000")
    token = demo.read_until(r'"Bearer (ordertide_app_[^"]+)"')[1]
    placed = int(demo.read_until(r"\| ([1-9]\d*) in all \| [1-9]\d* events")[1])
    demo.read_until(r"\| [1-9]\d* delivered")
    family = demo.family()

    assert demo.orders(token) >= min(placed, 50)
    assert len(family) > 3  # the server, the keeper, PostgreSQL and its backends
    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(_SECONDS_TO_STOP) == 0
    assert psutil.wait_procs(family, timeout=_SECONDS_TO_STOP)[1] == []
    assert "failed:" not in demo.printed


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_it_ends_its_server_too(home: Path, how: signal.Signals) -> None:
    demo = Demo(home, "--no-replay")
    demo.read_until("staff token")
    family = demo.family()
    demo.process.send_signal(how)

    assert demo.process.wait(_SECONDS_TO_STOP) == (0 if how is signal.SIGHUP else -signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=_SECONDS_TO_STOP)[1] == []


def test_a_taken_port_is_one_line_and_nothing_starts(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [_ORDERTIDE, "demo", "--port", str(port)],
            env=child_environment(home=str(home)),
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "PORT=" in done.stderr
    assert list(home.iterdir()) == []

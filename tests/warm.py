"""`ordertide` processes, forked off one that has imported the product (`tests/warm_start.py`).

They are processes like any other, except that they show nothing of how the installed command is found and
imported. The tests of the demo, of taken ports and of `serve --workers` start that command itself.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).parents[1]


LONGEST_SECONDS = 120.0
"""How long anything here is waited for where nobody says: a test that waits for ever names nobody."""


class Forked:
    """A running `ordertide`, to be used as a `subprocess.Popen`."""

    def __init__(self, told: socket.socket) -> None:
        """Learn its number; raises TimeoutError where nobody tells it."""
        self.returncode: int | None = None
        told.settimeout(LONGEST_SECONDS)
        self._told = told.makefile("rb")
        self._socket = told
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """Return how it ended, None while it has not."""
        if self.returncode is None and select.select([self._socket], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ended and return how; raises subprocess.TimeoutExpired, after LONGEST_SECONDS too."""
        seconds = LONGEST_SECONDS if timeout is None else timeout
        if self.returncode is None:
            if not select.select([self._socket], [], [], seconds)[0]:
                raise subprocess.TimeoutExpired("ordertide", seconds)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Let it die."""
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        self.returncode = int(self._told.readline())
        self._told.close()
        self._socket.close()


class _Starter:
    """The process that forks; begun when first asked for, it ends with ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def start(self, request: Mapping[str, object], files: Sequence[int]) -> Forked:
        with self._lock:
            if self._control is None:
                self._control = self._begin()
            ours, theirs = socket.socketpair()
            with theirs:
                socket.send_fds(self._control, [b"+"], [theirs.fileno(), *files])
            ours.sendall(json.dumps(request).encode())
            ours.shutdown(socket.SHUT_WR)
            return Forked(ours)

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            subprocess.Popen(
                [sys.executable, "-m", "tests.warm_start", str(theirs.fileno())],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        return ours


_STARTER = _Starter()


def start(arguments: Sequence[str], environment: Mapping[str, str], out: IO[str], err: IO[str]) -> Forked:
    """Start `ordertide` with these arguments and this environment alone."""
    request = {"arguments": list(arguments), "environment": dict(environment), "folder": str(Path.cwd())}
    with Path(os.devnull).open() as nothing:
        return _STARTER.start(request, [one.fileno() for one in (nothing, out, err)])


def run(
    arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run `ordertide` to its end, as `subprocess.run` does."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = start(arguments, environment, out, err)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read())
    return subprocess.CompletedProcess(["ordertide", *arguments], code, *said)

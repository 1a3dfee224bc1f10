"""ASGI servers in this process: ours as `ordertide serve` has it, uvicorn as it comes, and hypercorn."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from hypercorn.asyncio import serve
from hypercorn.config import Config

from realtime.sockets import LiveHttpProtocol, LiveWebSocketProtocol, PortableWebSocketProtocol

PATIENCE_SECONDS = 10.0

UVICORN = {
    "fast path": {"http": LiveHttpProtocol, "ws": LiveWebSocketProtocol},
    "portable path": {"http": LiveHttpProtocol, "ws": PortableWebSocketProtocol},
    "plain uvicorn": {"http": "h11", "ws": "websockets-sansio"},
}
HYPERCORN = "hypercorn"


@dataclass(frozen=True)
class Running:
    """A server that runs; `stop` stops it as SIGTERM does."""

    address: tuple[str, int]
    stop: Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def running(app: Any, how: str, *, small_buffers: bool = False) -> AsyncIterator[Running]:
    """Serve `app` on a free port; with `small_buffers` the system keeps little of what nobody reads."""
    listener = socket.create_server(("127.0.0.1", 0))
    if small_buffers:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    start = _hypercorn if how == HYPERCORN else _uvicorn
    running = await start(app, how, listener)
    try:
        yield running
    finally:
        await running.stop()


async def _uvicorn(app: Any, how: str, listener: socket.socket) -> Running:
    configuration = uvicorn.Config(
        app,
        **UVICORN[how],  # type: ignore[arg-type] # each is of its own type
        ws_max_size=65_536,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(configuration)
    serving = asyncio.create_task(server.serve(sockets=[listener]))

    async def stop() -> None:
        server.should_exit = True
        await serving

    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if server.started:
                return Running(listener.getsockname(), stop)
            await asyncio.sleep(0.01)


async def _hypercorn(app: Any, how: str, listener: socket.socket) -> Running:
    del how
    configuration = Config()
    # It closes what it is given.
    configuration.bind = [f"fd://{listener.dup().detach()}"]
    configuration.graceful_timeout = 0.2
    configuration.websocket_max_message_size = 65_536
    configuration.errorlog = None
    told = asyncio.Event()
    serving = asyncio.create_task(serve(app, configuration, shutdown_trigger=told.wait))

    async def stop() -> None:
        told.set()
        await serving
        listener.close()

    return Running(listener.getsockname(), stop)

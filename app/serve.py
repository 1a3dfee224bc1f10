"""`ordertide serve`: the port, the processes behind it, and how they start and stop."""

import gc
import multiprocessing.connection
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.bootstrap import serving
from app.config import PREFIX, ConfigurationError, Settings, load_settings
from app.logs import configure_logs
from persistence.embedded import EmbeddedServerError
from realtime.sockets import LiveHttpProtocol, LiveWebSocketProtocol, PortableWebSocketProtocol

log = structlog.get_logger(__name__)

_BACKLOG = 2048
_SECONDS_TO_ANSWER = 60
_SECONDS_TO_DRAIN = 15
_WEBSOCKET_MESSAGE_BYTES = 65_536


class PortTaken(Exception):
    """Somebody else listens there; the message says what to do."""


def serve(settings: Settings, workers: int) -> None:
    """Serve until told to stop (SIGINT, SIGTERM); raises PortTaken.

    Ends the program with exit status 3, after its log has said why, when the server does not start.
    """
    listener = listen(settings.host, settings.port)
    configuration = uvicorn.Config(
        "app.serve:create_app",
        factory=True,
        workers=workers,
        loop="uvloop",
        http=LiveHttpProtocol,
        ws=LiveWebSocketProtocol if settings.live_fast_path else PortableWebSocketProtocol,
        ws_max_size=_WEBSOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_SECONDS_TO_DRAIN,
        # A process answers only once it has imported the product, which takes its time on a busy machine:
        # with uvicorn's own 5 s it is killed and begun again, for ever.
        timeout_worker_healthcheck=_SECONDS_TO_ANSWER,
    )
    # The processes read their settings from the environment; what the command line said is put there.
    os.environ[f"{PREFIX}HOST"] = settings.host
    os.environ[f"{PREFIX}ROLE"] = settings.role
    os.environ[f"{PREFIX}PORT"] = str(listener.getsockname()[1])
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn handles both while it runs, then sends itself what it got: by then all is done.
        signal.signal(number, lambda *_: None)
    if workers > 1:
        supervisor = Multiprocess(configuration, sockets=[listener])
        supervisor.run()
        # It returns as if it had been told to stop, but leaves the process that failed in its list.
        if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
            sys.exit(STARTUP_FAILURE)
    else:
        server = uvicorn.Server(configuration)
        server.run(sockets=[listener])
        if server.lifespan.should_exit:  # what runs beside it ended by itself, or did not close
            sys.exit(1)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}): "
            "choose another with --port, or PORT= for make run"
        ) from None
    listener.set_inheritable(True)
    return listener


def create_app() -> ASGIApp:
    """Return the ASGI application of one server process, from the environment's settings."""
    _end_with_parent()
    settings = load_settings()
    configure_logs(settings.log_level)
    return _Server(settings)


def _end_with_parent() -> None:
    """Let a worker process die with the process that it came from, which cannot say so when it is killed.

    It would go on to serve, hold the port, and keep the embedded database.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


class _Server:
    """The outermost application: everything starts and stops with the server's lifespan."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self._started():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except (ConfigurationError, EmbeddedServerError) as error:
            # What the user can put right, and no defect to trace; uvicorn would not say it.
            log.error("server_failed", phase=phase, reason=str(error))  # noqa: TRY400
            await send({"type": f"lifespan.{phase}.failed"})
            raise
        except Exception:
            log.exception("server_failed", phase=phase)
            await send({"type": f"lifespan.{phase}.failed"})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[Any]:
        async with serving(self._settings) as self._app:
            # What start-up leaves behind never dies: the collector need not visit it.
            gc.collect()
            gc.freeze()
            yield

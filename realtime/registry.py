"""Every live connection of a process, whatever its transport: who may come, stay, and when all must go."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.types import Scope

from realtime.admission import Admissions
from realtime.messages import Close
from realtime.metrics import CONNECTIONS
from realtime.operations import CredentialsRefused, GraphQL, Unavailable, Viewer

log = structlog.get_logger(__name__)

_DRAIN_BATCH = 200
_DRAIN_PAUSE_SECONDS = 0.1
_DRAIN_SECONDS = 5.0
_LOOK_SECONDS = 1.0
# Few enough to leave the database to others, and many where one statement tells of all.
_RECHECKED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long and how much; times in seconds.

    `stalled` is how long a client may take nothing of what may not be dropped. Credentials are looked
    at again every `recheck`, so that revoked ones do not live on in an open connection. `heartbeat` is
    the pause after which a silent event stream says that it lives.
    """

    init_timeout: float = 10.0
    stalled: float = 10.0
    recheck: float = 30.0
    heartbeat: float = 12.0
    operations: int = 100
    connections_per_viewer: int = 1_000
    connections_per_address: int = 1_000


class LiveConnection(Protocol):
    """A connection, as far as the registry looks after it."""

    viewer: Viewer | None
    credentials: str | None
    scope: Scope

    @property
    def stalled_for(self) -> float:
        """For how many seconds the client has taken nothing of what may not be dropped."""
        ...

    def close(self, code: Close, reason: str) -> None:
        """End the connection; nothing is sent from here on."""
        ...

    async def finish(self, seconds: float) -> None:
        """Wait for what is being answered."""
        ...


class Registry:
    """Knows the open connections of one process."""

    def __init__(self, graphql: GraphQL, limits: ConnectionLimits | None = None) -> None:
        """Take who knows credentials, and the limits of connections."""
        self.limits = limits or ConnectionLimits()
        self.admissions = Admissions(self.limits.connections_per_viewer, self.limits.connections_per_address)
        self._graphql = graphql
        self._connections: dict[LiveConnection, None] = {}
        self._draining: asyncio.Task[None] | None = None
        self._recheck_now = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether everybody is being sent away."""
        return self._draining is not None

    def __len__(self) -> int:
        return len(self._connections)

    @contextmanager
    def holding(self, connection: LiveConnection) -> Iterator[None]:
        """Look after a connection for as long as the block lasts."""
        self._connections[connection] = None
        CONNECTIONS.inc()
        try:
            yield
        finally:
            del self._connections[connection]
            CONNECTIONS.dec()
            if connection.viewer is not None:
                self.admissions.dismiss(connection.viewer)

    async def watch(self) -> None:
        """Look after the connections until canceled: who has stalled, whose credentials have changed."""
        loop = asyncio.get_running_loop()
        limits = self.limits
        pause = min(_LOOK_SECONDS, limits.stalled / 4, limits.recheck / 4)
        recheck_at = loop.time() + limits.recheck
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._recheck_now.wait()
            for connection in list(self._connections):
                if connection.stalled_for > limits.stalled:
                    connection.close(Close.RESUME, "resume")
            if loop.time() >= recheck_at or self._recheck_now.is_set():
                self._recheck_now.clear()
                done = await self.recheck()
                recheck_at = loop.time() + (limits.recheck if done else pause)

    async def recheck(self) -> bool:
        """Look at every credential in use again, once each; say whether all could be told."""
        users: dict[str, list[LiveConnection]] = {}
        for connection in self._connections:
            if connection.credentials is not None and connection.viewer is not None:
                users.setdefault(connection.credentials, []).append(connection)
        told: list[bool] = []
        each = list(users.items())
        for start in range(0, len(each), _RECHECKED_AT_ONCE):
            some = each[start : start + _RECHECKED_AT_ONCE]
            told += await asyncio.gather(*(self._recheck(*one) for one in some))
        return all(told)

    def revoke(self, name: str) -> None:
        """End every connection of a viewer, or that rests on something, that is worth nothing any more."""
        for connection in list(self._connections):
            viewer = connection.viewer
            if viewer is not None and (viewer.key == name or name in viewer.rests_on):
                connection.close(Close.FORBIDDEN, "Forbidden: the token is not valid, or no longer")

    def recheck_soon(self) -> None:
        """Look at every credential again without waiting for it: a revocation may have been missed."""
        self._recheck_now.set()

    def drain(self) -> None:
        """Begin to send everybody away, to come back to another process; returns at once."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    async def _recheck(self, credentials: str, connections: list[LiveConnection]) -> bool:
        try:
            now = await self._graphql.authenticate_again(credentials, connections[0].scope)
        except CredentialsRefused as refused:
            for connection in connections:
                connection.close(Close.FORBIDDEN, f"Forbidden: {refused}")
            return True
        except Unavailable:
            return False
        for connection in connections:
            if connection.viewer is not None and connection.viewer.grant != now.grant:
                connection.close(Close.RESTART, "permissions have changed, connect again")
        return True

    async def _drain(self) -> None:
        """Close in batches, so that clients do not all come back in the same moment."""
        waiting = list(self._connections)
        log.info("live_connections_draining", connections=len(waiting))
        rounds = max(1, int(_DRAIN_SECONDS / _DRAIN_PAUSE_SECONDS))
        batch = max(_DRAIN_BATCH, -(-len(waiting) // rounds))
        async with asyncio.TaskGroup() as group:
            for start in range(0, len(waiting), batch):
                for connection in waiting[start : start + batch]:
                    group.create_task(self._let_go(connection))
                await asyncio.sleep(_DRAIN_PAUSE_SECONDS)

    async def _let_go(self, connection: LiveConnection) -> None:
        """Let what is being answered be answered, then close."""
        with suppress(asyncio.CancelledError):
            await connection.finish(_DRAIN_SECONDS)
        connection.close(Close.RESTART, "Service Restart")

"""Two servers that share the embedded PostgreSQL of one home, all of which may be killed and come again."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from persistence.embedded import EmbeddedServer
from tests.processes import postmaster_of, wait_until
from tests.server import Server, app_token, free_port, running_server

SHOP = """mutation {
    locationCreate(input: { code: "MAIN", name: "Main" }) { userErrors { message } }
    channelCreate(input: { slug: "web", name: "Web", currency: "EUR" }) { userErrors { message } }
    productCreate(input: { name: "Mug", variants: [
        { sku: "MUG", prices: [{ channel: "web", price: { amount: "9.50", currency: "EUR" } }] }] }) {
        userErrors { message } }
    stockAdjust(input: { variant: { sku: "MUG" }, locationCode: "MAIN", delta: 100000, reason: RECEIVED,
        idempotencyKey: "received" }) { userErrors { message } } }"""
UNITS = 100_000
"""Mugs in the shop: more than anybody buys."""
DATABASE_DOWN = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it stops, or starts up and still recovers
)
"""What looking behind the API raises while PostgreSQL is dead, dies or comes again."""


@dataclass
class Ensemble:
    """Two servers at fixed addresses that can die and come again, and their PostgreSQL."""

    home: Path
    database_url: str
    ports: tuple[int, int]
    settings: Mapping[str, str]
    token: str = ""
    outages: list[tuple[float, float]] = field(default_factory=list)
    running: dict[int, tuple[Server, AbstractContextManager[Server]]] = field(default_factory=dict)

    def start(self, port: int) -> Server:
        """Start the server of a port, and wait until it is ready."""
        settings = {**self.settings, "home": str(self.home), "log_level": "warning"}
        one = running_server("", self.token, self.home, port=str(port), **settings)
        server = one.__enter__()
        self.running[port] = (server, one)
        return server

    def kill_server(self, port: int) -> None:
        """Let a server die, and start it again."""
        server, one = self.running.pop(port)
        server.kill()
        one.__exit__(None, None, None)
        self.start(port)

    def kill_postgres(self) -> None:
        """Let PostgreSQL die; the servers bring it back."""
        began = time.time()
        postmaster = postmaster_of(self.home)
        os.kill(postmaster, signal.SIGKILL)
        wait_until(
            lambda: postmaster_of(self.home) not in {0, postmaster},
            "PostgreSQL does not come back",
            seconds=60,
        )
        wait_until(self._all_ready, "a server does not find its database again", seconds=60)
        self.outages.append((began, time.time()))

    def stop(self) -> None:
        """Stop what runs."""
        for _, one in self.running.values():
            one.__exit__(None, None, None)

    def sql(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Look behind the API."""

        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.database_url)
            try:
                return list(await connection.fetch(statement, *values))
            finally:
                await connection.close()

        return asyncio.run(run())

    def _all_ready(self) -> bool:
        try:
            return all(
                httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == httpx.codes.OK
                for port in self.running
            )
        except httpx.TransportError:
            return False


@contextmanager
def running_ensemble(settings: Mapping[str, str], *, by_port: bool = False) -> Iterator[Ensemble]:
    """Run two servers with a shop that has more mugs than anybody buys.

    With `by_port` the text PORT in a setting becomes the first server's.
    """
    home = Path(tempfile.mkdtemp(prefix="ordertide-home-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        postgres = stack.enter_context(EmbeddedServer.acquire(home))
        ports = (free_port(), free_port())
        if by_port:
            settings = {name: value.replace("PORT", str(ports[0])) for name, value in settings.items()}
        ensemble = Ensemble(home, postgres.url, ports, settings)
        stack.callback(ensemble.stop)
        first = ensemble.start(ports[0])
        first.token = ensemble.token = asyncio.run(app_token(postgres.url))
        made = first.graphql(SHOP)["data"]
        assert all(payload["userErrors"] == [] for payload in made.values())
        ensemble.start(ports[1])
        yield ensemble

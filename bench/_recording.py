"""The statements a flow sends to PostgreSQL, recorded once and sent again by a bare driver.

A recording is what the product's own code sent: the same SQL, the same parameters, BEGIN and COMMIT
included. Sent again, every id that the flow had made (and every idempotency key) is a new one, so
that the statements do the same work each time.
"""

import asyncio
import gc
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import asyncpg
from asyncpg.connection import Connection
from asyncpg.prepared_stmt import PreparedStatement

from api.context import RequestContext
from api.execution import Engine
from api.root import build_schema
from bench._http import Operation
from domain.inventory import HoldPolicy
from persistence.database import SERVER_SETTINGS, Database
from providers.payments.sandbox import SandboxPayments
from realtime.operations import OperationRequest
from services.access import ANONYMOUS, Actor
from services.context import Environment, ServiceContext
from services.tokens import TokenSigner

Statement = tuple[str, tuple[Any, ...]]
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")
"""An id within any text, with dashes or without: keys sent to payment providers have none."""
_SEND = "_Connection__execute"
_SEND_PREPARED = "_PreparedStatement__bind_execute"
_WARM_UP_SECONDS = 0.5
_WARM_UP_ROUNDS = 40
_SPARE = 3
"""How many times the rounds that a warm-up foretells are prepared, for it is slower than what follows."""
_KNOWN_IN = ("channels", "locations", "products", "variants", "delivery_rates", "carts", "cart_lines")


class InProcess:
    """The product's own code over a database, without a server: what is asked here can be recorded."""

    def __init__(self, url: str, actor: Actor = ANONYMOUS) -> None:
        """Prepare to ask as somebody; nothing connects before it is used."""
        self._actor = actor
        self.database = Database(url, pool_size=2)
        self._engine = Engine(build_schema())
        self._environment = Environment(
            self.database,
            TokenSigner("a key that only a benchmark uses, 32+"),
            HoldPolicy(900, 7200),
            payment_providers={"sandbox": SandboxPayments(self.database.engine)},
        )

    async def call(self, operation: Operation, **variables: Any) -> Any:
        """Ask and return the field's value; anything but success ends the benchmark."""
        context = RequestContext.of(ServiceContext(self._environment, self._actor, "bench"))
        prepared = self._engine.prepare(OperationRequest(operation.document, None, variables), "bench")
        answer = await self._engine.execute(prepared, context)
        assert "errors" not in answer, answer
        payload = answer["data"][operation.field]
        assert payload, answer
        assert not payload.get("userErrors"), payload
        return payload


@dataclass(frozen=True, slots=True)
class Recording:
    """Statements in their order, and the ids they may keep when they are sent again."""

    statements: tuple[Statement, ...]
    known: frozenset[str]

    def renewed(self, about: Mapping[UUID, UUID] | None = None) -> list[Statement]:
        """Return the statements with a new id for each that the flow had made.

        `about` says which of the ids that it found stand for which others now.
        """
        fresh: dict[UUID, UUID] = dict(about or {})

        def one(found: UUID) -> UUID:
            return found if str(found) in self.known else fresh.setdefault(found, uuid4())

        def in_text(match: re.Match[str]) -> str:
            new = one(UUID(match[0]))
            return str(new) if match[1] else new.hex

        def renew(value: Any) -> Any:
            if isinstance(value, UUID):
                return one(UUID(str(value)))  # asyncpg's own kind compares, but is not the same class
            if isinstance(value, str):
                return UUID_TEXT.sub(in_text, value)
            return [renew(item) for item in value] if isinstance(value, list | tuple) else value

        return [(sql, tuple(renew(value) for value in values)) for sql, values in self.statements]


async def record(product: InProcess, flow: Callable[[], Awaitable[object]]) -> Recording:
    """Run `flow` once and return what it sent."""
    async with product.database.read() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        found = await driver.fetch(" UNION ALL ".join(f"SELECT id FROM {table}" for table in _KNOWN_IN))
    with _recording() as sent:
        await flow()
    return Recording(tuple(sent), frozenset(str(row[0]) for row in found))


async def replay(url: str, flows: list[list[Recording]], seconds: float) -> float:
    """Send each list of recordings, one after the other, over a connection of its own, again and again.

    Returns recordings a second. What is sent is made before the clock starts: the time of making it
    is no part of what the machine can do.
    """
    connections = [await asyncpg.connect(url, server_settings=SERVER_SETTINGS) for _ in flows]
    try:
        rounds = [_rounds(flow, _WARM_UP_ROUNDS) for flow in flows]
        foretold = await _race(connections, rounds, _WARM_UP_SECONDS) / sum(map(len, flows))
        rounds = [_rounds(flow, ceil(_SPARE * foretold * seconds) + 1) for flow in flows]
        return await _timed(connections, rounds, seconds)
    finally:
        for connection in connections:
            await connection.close()


Rounds = list[list[Statement]]
"""What one connection sends: the statements of each recording, in their order."""


async def send_once(url: str, rounds: list[Rounds]) -> float:
    """Send rounds that can be sent but once, each list over a connection of its own.

    Returns how many a second. A tenth of them goes before the clock starts: every statement is prepared then.
    What one has left when another is through goes after the clock has stopped.
    """
    connections = [await asyncpg.connect(url, server_settings=SERVER_SETTINGS) for _ in rounds]
    try:
        first = [one[: len(one) // 10 + 1] for one in rounds]
        await _race(connections, first, float("inf"))
        rest = [iter(one[len(done) :]) for one, done in zip(rounds, first, strict=True)]
        rate = await _timed(connections, rest, float("inf"))
        for connection, left in zip(connections, rest, strict=True):
            for statements in left:
                await _send(connection, statements)
        return rate
    finally:
        for connection in connections:
            await connection.close()


async def _timed(
    connections: list[Any], rounds: Sequence[Iterable[list[Statement]]], seconds: float
) -> float:
    gc.collect()
    gc.freeze()  # so that no collection goes through all of it while the clock runs
    try:
        return await _race(connections, rounds, seconds)
    finally:
        gc.unfreeze()


def _rounds(flow: list[Recording], count: int) -> Rounds:
    return [recording.renewed() for _ in range(count) for recording in flow]


async def _race(connections: list[Any], rounds: Sequence[Iterable[list[Statement]]], seconds: float) -> float:
    """Let all connections send until the time is over, or one of them has nothing more to send.

    Of iterators no more is taken than is sent.
    """
    started = time.perf_counter()
    end = started + seconds
    over = False

    async def send(connection: Any, mine: Iterable[list[Statement]]) -> int:
        nonlocal over
        done, waiting = 0, iter(mine)
        while not over and time.perf_counter() < end:
            statements = next(waiting, None)
            if statements is None:
                over = True
                return done
            done += await _send(connection, statements)
        return done

    sent = await asyncio.gather(*(send(*one) for one in zip(connections, rounds, strict=True)))
    return sum(sent) / (time.perf_counter() - started)


async def _send(connection: Any, statements: list[Statement]) -> bool:
    """Send one recording; say whether it went through.

    Where the machine is slow, the server's sweep may take a payment of ours for a lost one and place its
    order: then that recording is given up, and not counted.
    """
    try:
        for sql, values in statements:
            # The driver prepares a statement once and keeps it.
            await (connection.fetch(sql, *values) if values else connection.execute(sql))
    except asyncpg.UniqueViolationError:
        await connection.execute("ROLLBACK")
        return False
    return True


@contextmanager
def _recording() -> Iterator[list[Statement]]:
    """Collect what asyncpg sends, on whichever of its ways: with parameters, prepared, or bare."""
    sent: list[Statement] = []
    send = getattr(Connection, _SEND)
    send_prepared = getattr(PreparedStatement, _SEND_PREPARED)
    send_bare = Connection.execute

    async def recorded(self: Any, query: str, values: Any, *rest: Any, **options: Any) -> Any:
        if not options.get("ignore_custom_codec"):  # the driver's own questions about types
            sent.append((query, tuple(values)))
        return await send(self, query, values, *rest, **options)

    async def recorded_prepared(self: Any, values: Any, *rest: Any) -> Any:
        sent.append((self.get_query(), tuple(values)))
        return await send_prepared(self, values, *rest)

    async def recorded_bare(self: Any, query: str, *values: Any, **options: Any) -> Any:
        if not values:  # with parameters it goes on through the first way
            sent.append((query, ()))
        return await send_bare(self, query, *values, **options)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Connection, _SEND, recorded))
        stack.enter_context(patch.object(PreparedStatement, _SEND_PREPARED, recorded_prepared))
        stack.enter_context(patch.object(Connection, "execute", recorded_bare))
        yield sent

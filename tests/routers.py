"""A process that places carts and routes again what may move, as one of several servers would.

It says "ready", waits for a file, does it all at once, and prints how many orders it placed and moved:

    python -m tests.routers '{"database_url": "postgresql://...", "tokens": ["..."], "go": "/tmp/go"}'
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from persistence.database import Database
from services import reroutes, routing_batches
from services.access import SYSTEM
from services.order_placement import place
from tests.checkouts import till

_AT_ONCE = 4


@dataclass(frozen=True)
class Plan:
    """Whose carts are placed where, and the file without which nobody begins."""

    database_url: str
    tokens: Sequence[str]
    go: str


async def work(plan: Plan) -> None:
    """Place all carts, a few at once, while parts are routed again and new orders decided together."""
    database = Database(plan.database_url)
    turns = asyncio.Semaphore(_AT_ONCE)
    placed = moved = 0

    async def order(token: str) -> None:
        nonlocal placed
        async with turns:
            done = await place(till(database), token, "sandbox", "ok", token[-64:])
            placed += done.order is not None

    async def route() -> None:
        nonlocal moved
        for _ in range(len(plan.tokens) // _AT_ONCE):
            moved += await reroutes.reroute_due(till(database, SYSTEM))
            moved += await routing_batches.decide_new(till(database, SYSTEM))

    try:
        print(json.dumps("ready"), flush=True)
        # The file is made by another process.
        while not await asyncio.to_thread(Path(plan.go).exists):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.gather(*(order(token) for token in plan.tokens), route())
    finally:
        await database.close()
    print(json.dumps({"placed": placed, "moved": moved}), flush=True)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(work(Plan(**json.loads(sys.argv[1]))))

"""Readiness is looked at once for everybody who asks, and once a second at most."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.requests import Request

from api.health import Health

REQUEST = Request({"type": "http"})


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Database:
    """A check that counts how often it is asked, and can be made to wait or to fail."""

    def __init__(self) -> None:
        self.asked = 0
        self.problem: str | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> str | None:
        self.asked += 1
        await self.answers.wait()
        return self.problem


async def ask(health: Health) -> tuple[int, Any]:
    """Return status and body of /readyz."""
    answer = await health.readyz(REQUEST)
    return answer.status_code, orjson.loads(answer.body)


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


async def test_what_was_found_is_told_for_a_second(clock: Clock) -> None:
    database = Database()
    health = Health({"database": database}, clock)

    assert {(await ask(health))[0] for _ in range(100)} == {200}
    assert database.asked == 1

    database.problem = "not reachable"
    clock.now += 0.9
    assert (await ask(health))[0] == 200
    clock.now += 0.2
    assert await ask(health) == (503, {"status": "unready", "checks": {"database": "not reachable"}})
    database.problem = None
    clock.now += 1.1
    assert await ask(health) == (200, {"status": "ok", "checks": {"database": "ok"}})
    assert database.asked == 3


async def test_who_asks_meanwhile_waits_for_the_same_look_even_when_the_first_leaves(clock: Clock) -> None:
    database = Database()
    database.answers.clear()
    health = Health({"database": database}, clock)

    asking = [asyncio.create_task(ask(health)) for _ in range(50)]
    await asyncio.sleep(0)
    asking.pop(0).cancel()
    clock.now += 5
    await asyncio.sleep(0)
    database.answers.set()

    assert {status for status, _ in await asyncio.gather(*asking)} == {200}
    assert database.asked == 1

"""Turns: so many at a time, owners in turn, none lost."""

import asyncio

from realtime.turns import Turns


async def pause() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_for_many_turns_waits_for_themselves() -> None:
    turns = Turns(1)
    order: list[str] = []

    async def work(owner: str) -> None:
        await turns.take(owner)
        order.append(owner)
        await asyncio.sleep(0)
        turns.give_back()

    async with asyncio.TaskGroup() as group:
        for owner in ("greedy", "greedy", "greedy", "greedy", "modest", "other"):
            group.create_task(work(owner))

    assert order == ["greedy", "greedy", "modest", "other", "greedy", "greedy"]


async def test_so_many_have_a_turn_at_a_time() -> None:
    turns = Turns(2)
    working = most = 0

    async def work(owner: int) -> None:
        nonlocal working, most
        await turns.take(owner)
        working += 1
        most = max(most, working)
        await asyncio.sleep(0)
        working -= 1
        turns.give_back()

    async with asyncio.TaskGroup() as group:
        for owner in range(9):
            group.create_task(work(owner))

    assert most == 2


async def test_who_gives_up_waiting_loses_nobody_a_turn() -> None:
    turns = Turns(1)
    await turns.take("first")
    waiting = [asyncio.create_task(turns.take(owner)) for owner in ("second", "third", "fourth")]
    await pause()
    waiting[0].cancel()  # While it waits.
    turns.give_back()
    waiting[1].cancel()  # When it has its turn, and does not know yet.
    await pause()
    assert waiting[2].done()
    turns.give_back()
    await asyncio.wait_for(turns.take("fifth"), 1)

"""Readers on a ring: what they get, when they fall, how they end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from persistence.event_feed import Page
from realtime.cursors import Cursor, CursorExpired, Discontinued
from realtime.events import FeedEvent, Filter, Keys, at_place
from realtime.readers import Latest, Subscription
from realtime.ring import Ring

EPOCH = uuid4()
ORDER, OTHER = uuid4(), uuid4()


async def no_pages(after: int, wanted: Filter) -> Page:
    raise AssertionError("the ring covers everything these tests ask for")


def event(sequence: int, aggregate: str = "order", aggregate_id: UUID = ORDER, sku: str = "A") -> FeedEvent:
    cursor = str(Cursor(EPOCH, sequence))
    now = datetime.now(UTC)
    return FeedEvent(sequence, cursor, "Made", aggregate, aggregate_id, 1, None, {"sku": sku}, now)


def subscription(
    ring: Ring,
    after: int | None = None,
    limit: int = 100,
    caught_up: Callable[[str], bool] | None = None,
    **chosen: Any,
) -> Subscription:
    cursor = None if after is None else str(Cursor(EPOCH, after))
    return Subscription(ring, no_pages, Filter(**chosen), cursor, limit=limit, caught_up=caught_up)


async def take(reader: Subscription | Latest, count: int) -> list[int]:
    return [(await anext(reader)).sequence for _ in range(count)]


async def test_a_cursor_past_retention_is_refused_though_the_ring_reaches_back() -> None:
    ring = Ring(EPOCH, 0, size=10)
    for sequence in range(1, 6):
        ring.append(event(sequence))
    ring.pruned = 3
    assert await take(subscription(ring, after=3), 2) == [4, 5]
    with pytest.raises(CursorExpired):
        await take(subscription(ring, after=2), 1)


async def test_follows_live_only_what_it_wants() -> None:
    ring = Ring(EPOCH, 0, size=10)
    by_id = subscription(ring, aggregate_id=ORDER)
    by_stream = subscription(ring, aggregate="order")
    by_sku = Latest(ring, Keys([("stock", "B")]), lambda e: e.sequence)
    everything = subscription(ring)

    ring.append(event(1))
    ring.append(event(2, aggregate_id=OTHER))
    ring.append(event(3, "stock", OTHER, sku="B"))
    ring.append(event(4))

    assert await take(by_id, 2) == [1, 4]
    assert await take(by_stream, 3) == [1, 2, 4]
    assert await take(by_sku, 1) == [3]
    assert await take(everything, 4) == [1, 2, 3, 4]


async def test_replays_the_ring_after_a_cursor_then_goes_live() -> None:
    ring = Ring(EPOCH, 0, size=10)
    for sequence in (1, 2, 3):
        ring.append(event(sequence))
    reader = subscription(ring, after=1)

    assert await take(reader, 2) == [2, 3]
    ring.append(event(4))
    assert await take(reader, 1) == [4]


async def test_a_replay_may_be_longer_than_the_limit_of_live_events() -> None:
    ring = Ring(EPOCH, 0, size=10)
    for sequence in range(1, 11):
        ring.append(event(sequence))

    assert await take(subscription(ring, after=0, limit=2), 10) == list(range(1, 11))


async def test_who_falls_behind_goes_back_to_the_table() -> None:
    ring = Ring(EPOCH, 0, size=10)
    reader = subscription(ring, limit=3)
    for sequence in range(1, 6):
        ring.append(event(sequence))

    assert await take(reader, 5) == [1, 2, 3, 4, 5]
    await reader.aclose()


async def test_who_has_everything_is_told_once_with_the_heads_cursor() -> None:
    ring = Ring(EPOCH, 0, size=10)
    for sequence in (1, 2):
        ring.append(event(sequence))
    told: list[str] = []

    def taken(cursor: str) -> bool:
        told.append(cursor)
        return True

    reader = subscription(ring, after=0, caught_up=taken)

    assert await take(reader, 2) == [1, 2]
    assert told == []
    waiting = asyncio.create_task(anext(reader))
    await asyncio.sleep(0)
    assert told == [str(Cursor(EPOCH, 2))]
    ring.append(event(3))
    await waiting
    waiting = asyncio.create_task(anext(reader))
    await asyncio.sleep(0)
    assert len(told) == 1
    waiting.cancel()
    await reader.aclose()


async def test_a_discontinued_feed_ends_every_reader() -> None:
    ring = Ring(EPOCH, 0, size=10)
    readers: list[Subscription | Latest] = [
        subscription(ring),
        Latest(ring, Filter(), lambda e: e.payload["sku"]),
    ]

    ring.reset(EPOCH, 50, 0)

    for reader in readers:
        with pytest.raises(Discontinued):
            await anext(reader)


async def test_closing_ends_who_waits() -> None:
    ring = Ring(EPOCH, 0, size=10)
    reader = subscription(ring)
    waiting = asyncio.create_task(anext(reader, None))
    await asyncio.sleep(0)

    await reader.aclose()

    assert await waiting is None
    ring.append(event(1))
    assert await anext(reader, None) is None


async def test_latest_keeps_only_the_newest_of_each_key_and_starves_none() -> None:
    ring = Ring(EPOCH, 0, size=10)
    reader = Latest(ring, Filter(aggregate="stock"), lambda e: e.payload["sku"])

    ring.append(event(1, "stock", OTHER, "A"))
    ring.append(event(2, "stock", OTHER, "B"))
    ring.append(event(3, "stock", OTHER, "A"))
    ring.append(event(4, "order"))

    assert await take(reader, 2) == [3, 2]
    ring.append(event(5, "stock", OTHER, "B"))
    assert await take(reader, 1) == [5]
    await reader.aclose()
    assert await anext(reader, None) is None


def test_the_ring_refuses_gaps() -> None:
    ring = Ring(EPOCH, 7, size=10)

    with pytest.raises(ValueError, match="does not follow"):
        ring.append(event(9))
    with pytest.raises(ValueError, match="does not reach back"):
        ring.join(subscription(ring), 6)


async def test_who_follows_a_place_is_not_even_offered_what_happens_elsewhere() -> None:
    ring = Ring(EPOCH, 0, size=10)
    offered: list[int] = []
    here, elsewhere = str(uuid4()), str(uuid4())
    Latest(ring, Keys([at_place("stock", here)]), lambda told: offered.append(told.sequence))
    for sequence, place in enumerate([elsewhere, here, elsewhere], start=1):
        made = event(sequence, "stock")
        ring.append(replace(made, payload={"sku": "A", "locationId": place}))
    assert offered == [2]

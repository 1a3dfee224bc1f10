"""Asking carriers for many labels: each is leased as its turn comes, and one that breaks stops no other."""

import asyncio
from collections.abc import Sequence
from typing import Any

from domain.carrier_ports import Label, LabelRequest
from domain.labels import Correction, LabelOutcome
from domain.shipments import LabelState
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from services import label_calls, labels
from tests.cart_flows import run_sql
from tests.labeled import desk, packed_parcels, parcel


async def test_a_label_is_leased_when_its_turn_comes_however_many_are_asked_for(database: Database) -> None:
    _, ids = await packed_parcels(database, *[1] * 20)
    more = (await packed_parcels(database, 1))[1]

    class Stuck(SandboxCarrier):
        async def buy_label(self, key: str, request: LabelRequest) -> Label:
            await asyncio.Event().wait()
            raise AssertionError(key)

    stuck = desk(database, carriers={"sandbox": Stuck(database.engine)}, carrier_time_limit_seconds=60)
    asking = asyncio.create_task(label_calls.buy(stuck, [*ids, *more]))
    leased: Sequence[Any] = []
    for _ in range(200):
        leased = await run_sql(database, "SELECT id FROM shipments WHERE label_next_attempt_at IS NOT NULL")
        if leased:
            break
        await asyncio.sleep(0.02)
    asking.cancel()

    assert {row.id for row in leased} == set(ids)


async def test_a_carrier_that_breaks_for_one_label_keeps_no_other_waiting(database: Database) -> None:
    order_id, (broken, whole) = await packed_parcels(database, 1, 1)

    class Breaks(SandboxCarrier):
        async def buy_label(self, key: str, request: LabelRequest) -> Label:
            if key.startswith(str(broken)):
                raise KeyError(key)
            return await super().buy_label(key, request)

    await label_calls.buy_due(desk(database, carriers={"sandbox": Breaks(database.engine)}))

    states = [(await parcel(database, order_id, one)).label_state for one in (broken, whole)]
    assert states == [LabelState.REQUESTED, LabelState.PURCHASED]


class Slow(SandboxCarrier):
    """The sandbox, which sells when it is told to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.engine)
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()
        self.sold = 0

    async def buy_label(self, key: str, request: LabelRequest) -> Label:
        """Sell the label, in time."""
        self.sold += 1
        self.asked.set()
        await self.goes_on.wait()
        return await super().buy_label(key, request)


async def test_who_asks_for_a_label_that_is_being_bought_is_told_what_becomes(
    database: Database,
) -> None:
    _, ids = await packed_parcels(database, 1, 1)
    slow = Slow(database)
    here = desk(database, carriers={"sandbox": slow})
    hurried = desk(database, carriers={"sandbox": slow}, carrier_time_limit_seconds=0.1)
    buying = asyncio.create_task(label_calls.buy_due(here))
    await slow.asked.wait()

    early = await labels.purchase_many(hurried, ids, "early")
    waiting = asyncio.create_task(labels.purchase(here, ids[0], Correction(), None, "late"))
    await asyncio.sleep(0)
    slow.goes_on.set()
    late = await waiting
    await buying

    assert [one.outcome for one in early] == [LabelOutcome.PENDING] * 2
    assert all(one.error is None and one.asked_again_at is not None for one in early)
    assert (late.outcome, late.asked_again_at, slow.sold) == (LabelOutcome.PURCHASED, None, 2)

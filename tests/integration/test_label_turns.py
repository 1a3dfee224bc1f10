"""Carriers are asked for labels each in its own turns."""

import asyncio
from uuid import UUID

from domain.carrier_ports import Label, LabelRequest
from domain.shipments import LabelState
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from services import label_calls
from tests.cart_flows import run_sql
from tests.labeled import carriers_of, desk, packed_parcels, parcel

_BY_OURSELVES = """
    UPDATE shipments SET provider = 'table_rate',
           label_next_attempt_at = CASE WHEN id = :later THEN now() + interval '1 hour' END
     WHERE id = ANY (:ids)
"""
_DUE = "UPDATE shipments SET label_next_attempt_at = NULL WHERE id = :id"


class Late(SandboxCarrier):
    """The sandbox, which answers nobody before it is told to go on."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.engine)
        self.goes_on = asyncio.Event()

    async def buy_label(self, key: str, request: LabelRequest) -> Label:
        """Sell the label, some time."""
        await self.goes_on.wait()
        return await super().buy_label(key, request)


async def test_a_carrier_that_hangs_keeps_no_label_of_another_waiting(database: Database) -> None:
    order_id, (theirs, own, packed_later) = await packed_parcels(database, 1, 1, 1)
    await run_sql(database, _BY_OURSELVES, ids=[own, packed_later], later=packed_later)
    hanging = Late(database)
    sweep = asyncio.create_task(
        label_calls.buy_due(desk(database, carriers={**carriers_of(database), "sandbox": hanging}))
    )

    async def bought(shipment_id: UUID) -> None:
        while True:
            if (await parcel(database, order_id, shipment_id)).label_state is LabelState.PURCHASED:
                return
            await asyncio.sleep(0.02)

    async with asyncio.timeout(10):
        await bought(own)
        await run_sql(database, _DUE, id=packed_later)
        await bought(packed_later)
        assert not sweep.done()
        hanging.goes_on.set()
        assert await sweep == 3
        await bought(theirs)

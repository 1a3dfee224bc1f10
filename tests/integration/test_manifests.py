"""Manifests: a carrier's parcels are listed once, leave together, and the carrier is told once."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from domain.carrier_ports import CarrierRefused, CarrierUnavailable, LabelFormat
from domain.carrier_ports import Manifest as CarriersManifest
from domain.kernel.errors import InvalidInput, NotFound
from domain.manifests import CarrierClosing, Manifest, ManifestStatus
from domain.orders import OrderStatus
from domain.shipments import ShipmentStatus
from persistence.database import Database
from services import manifests, shipment_changes
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, make_stocked_shop
from tests.payments import staff
from tests.shipping import check_units, order_of, pack, part_at, parts_of, placed_order
from tests.statements import count_statements
from tests.stocked import assert_explained


async def packed(database: Database, shop: Shop, count: int) -> list[tuple[UUID, UUID]]:
    """Place and pack orders of one unit; returns (order id, shipment id) of each."""
    made: list[tuple[UUID, UUID]] = []
    for _ in range(count):
        order = await placed_order(database, shop=shop, quantity=1)
        sent = await pack(staff(database), await part_at(database, order.id), 1)
        made.append((order.id, sent.shipments[0].id))
    return made


async def test_parcels_are_listed_once_and_leave_when_the_manifest_is_closed(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    context, code = staff(database), shop.locations[0].code
    made = await packed(database, shop, 3)
    outcomes = await asyncio.gather(
        *(manifests.create(context, code, "Test Post", None, str(uuid4())) for _ in range(3)),
        return_exceptions=True,
    )
    listed = [one for one in outcomes if isinstance(one, Manifest)]
    assert all(isinstance(one, Manifest | InvalidInput) for one in outcomes), outcomes
    parcels = [parcel.shipment_id for one in listed for parcel in one.parcels]
    assert sorted(parcels) == sorted(shipment for _, shipment in made)
    for one in listed:
        closed = await manifests.close(context, one.id)
        assert (closed.status, closed.closing) == (ManifestStatus.CLOSED, CarrierClosing.NONE)
        assert (await manifests.close(context, one.id)).version == closed.version
    for order_id, _ in made:
        assert (await order_of(database, order_id)).status is OrderStatus.COMPLETED
    told = [kind for kind, _ in await events(database, listed[0].id)]
    assert told == ["ManifestCreated", "ManifestClosed"]
    await check_units(database)
    await assert_explained(database)


async def test_a_parcel_that_may_not_leave_stays_with_the_reason_and_the_others_leave(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 10)
    context = staff(database)
    made = await packed(database, shop, 2)
    with count_statements(database) as statements:
        listed = await manifests.create(context, shop.locations[0].code, "Test Post", None, "key")
    assert len(statements) <= 8, statements
    assert (await manifests.create(context, shop.locations[0].code, "Test Post", None, "key")).id == listed.id
    canceled = made[0][1]
    await shipment_changes.cancel(context, canceled, None, str(uuid4()))
    with count_statements(database) as statements:
        closed = await manifests.close(context, listed.id)
    # Eight for the one that leaves, as many for the one that may not.
    assert len(statements) <= 26, statements
    assert {one.shipment_id: one.error is None for one in closed.parcels} == {
        canceled: False,
        made[1][1]: True,
    }
    [left] = (await parts_of(database, made[1][0])).shipments
    assert left.status is ShipmentStatus.PRE_TRANSIT
    with pytest.raises(NotFound):
        await manifests.close(context, uuid4())
    with pytest.raises(InvalidInput, match="no parcel"):
        await manifests.create(context, shop.locations[0].code, "Nobody", None, "other")


class Desk:
    """A carrier's desk that closes the day out; `down` times it does not answer."""

    def __init__(self, down: int = 0, *, refuses: bool = False) -> None:
        self.down, self.refuses = down, refuses
        self.told: list[tuple[str, list[str]]] = []

    async def close_out(self, key: str, references: Sequence[str]) -> CarriersManifest:
        self.told.append((key, list(references)))
        if self.refuses:
            raise CarrierRefused("CLOSED_ALREADY", "the day is closed")
        if self.down:
            self.down -= 1
            raise CarrierUnavailable
        return CarriersManifest("M-1", b"%PDF", LabelFormat.PDF)


@pytest.mark.parametrize("refuses", [False, True])
async def test_the_carrier_is_told_after_the_parcels_left_and_again_until_it_answers(
    database: Database, refuses: bool
) -> None:
    shop = await make_stocked_shop(database, 10)
    [(_, shipment_id)] = await packed(database, shop, 1)
    await run_sql(
        database,
        "UPDATE shipments SET provider = 'desk', provider_reference = :id WHERE CAST(id AS text) = :id",
        id=str(shipment_id),
    )
    desk = Desk(0 if refuses else 2, refuses=refuses)
    context = staff(database, carriers={"desk": desk})
    listed = await manifests.create(context, shop.locations[0].code, "Test Post", "desk", "key")
    closed = await manifests.close(context, listed.id)
    if refuses:
        assert closed.closing is CarrierClosing.FAILED
        assert closed.message == "CLOSED_ALREADY: the day is closed"
        return
    assert closed.closing is CarrierClosing.REQUESTED
    assert [await manifests.settle(context) for _ in range(3)] == [1, 1, 0]
    after = await manifests.get(context, listed.id)
    assert after is not None
    assert (after.closing, after.reference) == (CarrierClosing.DONE, "M-1")
    assert desk.told == [(f"manifest-{listed.id}", [str(shipment_id)])] * 3

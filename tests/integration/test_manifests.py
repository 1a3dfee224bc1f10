"""Manifests: a carrier's parcels are listed once, leave together, and the carrier is told once."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.scalars import encode_id
from domain.carrier_ports import CarrierRefused, CarrierUnavailable, LabelFormat
from domain.carrier_ports import Manifest as CarriersManifest
from domain.kernel.errors import InvalidInput, NotFound
from domain.manifests import CarrierClosing, Manifest, ManifestStatus
from domain.orders import OrderStatus
from domain.shipments import ShipmentStatus
from persistence.database import Database
from services import manifests, shipment_changes
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, make_stocked_shop
from tests.factories import data_of, execute, make_app
from tests.payments import staff
from tests.shipping import check_units, order_of, pack, part_at, parts_of, placed_order
from tests.statements import count_statements
from tests.stocked import assert_explained

DESK_STAFF = make_app(Permission.WAREHOUSE_WRITE, Permission.STOCK_READ)


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
    with pytest.raises(InvalidInput, match="handed over, or is on a manifest"):
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
    assert after.document_id is not None
    assert await manifests.document(context, after.document_id) == (LabelFormat.PDF, b"%PDF")
    assert desk.told == [(f"manifest-{listed.id}", [str(shipment_id)])] * 3


LIST = """query ($filter: ManifestFilter, $first: Int, $after: String) {
    manifests(filter: $filter, first: $first, after: $after) {
        edges { cursor node { id documentUrl location { code } parcels { orderNumber } } }
        pageInfo { hasNextPage endCursor } } }"""


async def listed(database: Database, **narrowed: Any) -> Any:
    paging: dict[str, Any] = {name: narrowed.pop(name) for name in ("first", "after") if name in narrowed}
    return (await data_of(database, LIST, {"filter": narrowed} | paging, DESK_STAFF))["manifests"]


async def test_manifests_are_listed_newest_first_and_by_what_staff_look_for(database: Database) -> None:
    here, there = [await make_stocked_shop(database, 10) for _ in range(2)]
    context, made = staff(database), []
    for shop in (here, there, here):
        await packed(database, shop, 1)
        one = await manifests.create(context, shop.locations[0].code, "Test Post", None, str(uuid4()))
        made.append(encode_id("Manifest", one.id))
        if len(made) == 3:
            await manifests.close(context, one.id)

    def ids(found: Any) -> list[int]:
        return [made.index(edge["node"]["id"]) for edge in found["edges"]]

    with count_statements(database) as statements:
        page = await listed(database, first=2)
    assert len(statements) <= 3, statements
    assert (ids(page), page["pageInfo"]["hasNextPage"]) == ([2, 1], True)
    assert [len(edge["node"]["parcels"]) for edge in page["edges"]] == [1, 1]
    assert page["edges"][1]["node"]["location"] == {"code": there.locations[0].code}
    assert ids(await listed(database, first=2, after=page["pageInfo"]["endCursor"])) == [0]
    assert ids(await listed(database, locationCode=here.locations[0].code)) == [2, 0]
    assert ids(await listed(database, status=["OPEN"])) == [1, 0]
    assert ids(await listed(database, carrier="Nobody")) == []
    assert ids(await listed(database, createdBefore="2020-01-01T00:00:00Z")) == []
    assert len(ids(await listed(database, createdFrom="2020-01-01T00:00:00Z", carrier="Test Post"))) == 3
    for wrong in ({"filter": {"locationCode": "NOWHERE"}}, {"after": "nonsense"}):
        assert (await execute(database, LIST, wrong, DESK_STAFF)).errors
    refused = await execute(database, LIST, {}, make_app(Permission.FULFILLMENT_READ))
    assert refused.errors is not None

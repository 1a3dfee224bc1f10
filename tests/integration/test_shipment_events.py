"""shipmentUpdated: a phone follows the parcels of an order by its token.

The feature that sends parcels is still to come: what it will write, rows and events of the order that
name them, is written here as it will do it, in one transaction.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.scalars import encode_id
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.orders import Order
from domain.shipments import ShipmentStatus
from persistence import event_log, order_parts
from persistence.database import Database
from persistence.tables.shipments import shipment_lines, shipments
from services import orders
from services.access import ANONYMOUS, Actor, Permission
from services.orders import OrderRef
from services.payment_attempts import Placed
from tests.checkouts import make_stocked_shop, order_now, till
from tests.factories import make_app
from tests.live import following, live
from tests.statements import count_statements

FOLLOW = """subscription ($ref: OrderRef!, $id: ID, $after: String) {
    shipmentUpdated(ref: $ref, id: $id, after: $after) {
        cursor kind version shipment { id status carrier lines { sku quantity } } } }"""


@dataclass(frozen=True)
class Parcel:
    """A parcel of an order, as the coming feature will send it."""

    database: Database
    order: Order
    id: UUID

    @property
    def global_id(self) -> str:
        return encode_id("Shipment", self.id)

    async def move(self, status: ShipmentStatus) -> None:
        """Let the carrier tell where it is."""
        async with self.database.transaction() as connection:
            changed = update(shipments).where(shipments.c.id == self.id)
            await connection.execute(changed.values(status=status.value))
            await self.tell(connection, "ShipmentUpdated")

    async def tell(self, connection: AsyncConnection, kind: str) -> None:
        """Append an event of the order that names the parcel."""
        facts = {"number": self.order.number, "shipmentId": str(self.id)}
        now = datetime.now(UTC)
        event = Event(kind, "order", self.order.id, 2, now, self.order.channel_id, facts)
        await event_log.append(connection, "test", [event])


async def send(database: Database, placed: Placed) -> Parcel:
    """Send a unit of each line of an order."""
    assert placed.order is not None
    parcel = Parcel(database, placed.order, new_id())
    row = {"id": parcel.id, "order_id": placed.order.id, "status": "LABEL_CREATED", "carrier": "Post"}
    async with database.transaction() as connection:
        await connection.execute(insert(shipments), row)
        lines = (await order_parts.lines_of(connection, [placed.order.id]))[placed.order.id]
        await connection.execute(
            insert(shipment_lines),
            [
                {"shipment_id": parcel.id, "order_line_id": line.id, "sku": line.sku, "quantity": 1}
                for line in lines
            ],
        )
        await parcel.tell(connection, "ShipmentCreated")
    return parcel


def seen(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["kind"], one["shipment"]["id"], one["shipment"]["status"]) for one in events]


async def test_a_phone_follows_every_parcel_of_its_order_and_nothing_else(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    mine, other = await order_now(database, shop, 2), await order_now(database, shop, 1)
    variables = {"ref": {"token": mine.order_token}}
    async with live(database) as feed, following(database, feed, FOLLOW, variables, ANONYMOUS) as answers:
        await send(database, other)
        parcel = await send(database, mine)
        [created] = await answers.events(1)
        assert created["shipment"] == {
            "id": parcel.global_id,
            "status": "LABEL_CREATED",
            "carrier": "Post",
            "lines": [{"sku": shop.variant.sku, "quantity": 1}],
        }
        await parcel.move(ShipmentStatus.OUT_FOR_DELIVERY)
        second = await send(database, mine)
        assert seen(await answers.events(2)) == [
            ("ShipmentUpdated", parcel.global_id, "OUT_FOR_DELIVERY"),
            ("ShipmentCreated", second.global_id, "LABEL_CREATED"),
        ]
        await orders.cancel(till(database), OrderRef(token=mine.order_token), "x", None, "key")
        [canceled] = await answers.events(1)
        assert seen([canceled]) == [("ShipmentCanceled", second.global_id, "CANCELED")]
        assert await answers.silent_for(0.3), "what happens to the order is no event of a parcel"


async def test_one_parcel_is_followed_by_its_id_and_resumed_without_a_gap(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    placed = await order_now(database, shop, 2)
    assert placed.order is not None
    parcel, another = await send(database, placed), await send(database, placed)
    staff = make_app(Permission.ORDERS_READ)
    variables = {"ref": {"number": placed.order.number}, "id": parcel.global_id}
    async with live(database) as feed:
        async with following(database, feed, FOLLOW, variables, staff) as answers:
            await another.move(ShipmentStatus.IN_TRANSIT)
            await parcel.move(ShipmentStatus.IN_TRANSIT)
            [event] = await answers.events(1)
        assert seen([event]) == [("ShipmentUpdated", parcel.global_id, "IN_TRANSIT")]
        await parcel.move(ShipmentStatus.OUT_FOR_DELIVERY)
        await another.move(ShipmentStatus.DELIVERED)
        await parcel.move(ShipmentStatus.DELIVERED)
        later = {**variables, "after": event["cursor"]}
        async with following(database, feed, FOLLOW, later, staff) as answers:
            missed = await answers.events(2)
            assert await answers.silent_for(0.3)
    assert seen(missed) == [("ShipmentUpdated", parcel.global_id, "DELIVERED")] * 2, "as it is by then"


async def test_two_statements_an_event_one_of_them_looks_at_the_token_again(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    placed = await order_now(database, shop, 1)
    parcel = await send(database, placed)
    variables = {"ref": {"token": placed.order_token}}
    async with live(database) as feed, following(database, feed, FOLLOW, variables, ANONYMOUS) as answers:
        with count_statements(database) as statements:
            await parcel.move(ShipmentStatus.IN_TRANSIT)
            await answers.events(1)
        assert len([sent for sent in statements if "FROM orders o" in sent]) == 2, statements
        async with database.transaction() as connection:
            await connection.exec_driver_sql("UPDATE orders SET token_generation = 2")
        await parcel.move(ShipmentStatus.DELIVERED)
        [error] = (await answers.next())["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert await answers.next() is None


async def test_what_is_not_theirs_does_not_exist(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    mine, other = await order_now(database, shop, 1), await order_now(database, shop, 1)
    assert mine.order is not None
    parcel = await send(database, other)
    token = {"token": mine.order_token}
    refusals: list[tuple[Actor, dict[str, Any], list[str]]] = [
        (ANONYMOUS, {"ref": token, "id": parcel.global_id}, ["id"]),
        (ANONYMOUS, {"ref": token, "id": encode_id("Shipment", new_id())}, ["id"]),
        (ANONYMOUS, {"ref": token, "id": encode_id("Order", mine.order.id)}, ["id"]),
        (ANONYMOUS, {"ref": {"number": mine.order.number}}, ["ref"]),
        (make_app(Permission.STOCK_READ), {"ref": {"number": mine.order.number}}, ["ref"]),
        (ANONYMOUS, {"ref": {"token": "x"}}, ["ref"]),
    ]
    async with live(database) as feed:
        for actor, variables, path in refusals:
            async with following(database, feed, FOLLOW, variables, actor) as answers:
                [error] = (await answers.next())["errors"]
            assert error["extensions"]["code"] == "BAD_USER_INPUT", error
            assert error["extensions"]["argument"] == path, error

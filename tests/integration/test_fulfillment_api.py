"""Fulfilment as clients see it: one mutation a step, typed errors that name the field, lists for staff."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.scalars import encode_id
from persistence.database import Database
from services.access import Permission
from tests.checkouts import make_stocked_shop
from tests.factories import data_of, execute, make_app
from tests.payments import staff
from tests.shipping import fulfill, part_at, placed_order
from tests.statements import count_statements

STAFF = make_app(Permission.FULFILLMENT_READ, Permission.FULFILLMENT_WRITE)
ERRORS = "userErrors { code path message ... on IllegalTransitionError { current allowed } }"
PART = "id status work location { code } lines { id sku quantity quantityShipped quantityShort }"
FULFILL = f"""mutation ($input: FulfillmentOrderFulfillInput!) {{ fulfillmentOrderFulfill(input: $input) {{
    shipment {{ id status carrier service trackingNumber trackingUrl shippedAt lines {{ sku quantity }} }}
    fulfillmentOrder {{ {PART} }} order {{ status paymentStatus fulfillmentStatus version }} {ERRORS} }} }}"""
CREATE = f"""mutation ($input: ShipmentCreateInput!) {{ shipmentCreate(input: $input) {{
    shipments {{ id status lines {{ quantity }} }} fulfillmentOrder {{ status work }} {ERRORS} }} }}"""
HAND_OVER_ALL = f"""mutation ($input: ShipmentsHandOverInput!) {{ shipmentsHandOver(input: $input) {{
    results {{ id shipment {{ status }} order {{ status }} {ERRORS} }} {ERRORS} }} }}"""
LIST = f"""query ($filter: FulfillmentOrderFilter, $first: Int, $after: String) {{
    fulfillmentOrders(filter: $filter, first: $first, after: $after) {{
        edges {{ cursor createdAt node {{ {PART} }} order {{ number }} }}
        pageInfo {{ hasNextPage endCursor }} }} }}"""


async def part_id(database: Database, order_id: UUID, at: int = 0) -> str:
    return encode_id("FulfillmentOrder", (await part_at(database, order_id, at)).id)


async def call(database: Database, document: str, **given: Any) -> dict[str, Any]:
    """Send a mutation with a key of its own; returns its payload."""
    given = {"idempotencyKey": str(uuid4()), **given}
    data = await data_of(database, document, {"input": given}, STAFF, **staff_changes(database))
    [payload] = data.values()
    return dict(payload)


def staff_changes(database: Database) -> dict[str, Any]:
    return {"payment_providers": staff(database).environment.payment_providers}


async def test_a_part_is_sent_by_one_mutation(database: Database) -> None:
    order = await placed_order(database)
    named = await part_id(database, order.id)
    sent = await call(
        database,
        FULFILL,
        id=named,
        carrier="Test Post",
        service="Standard",
        trackingNumber="1Z",
        trackingUrl="https://post.example/1Z",
        weightGrams=700,
        box="S",
    )
    assert sent["userErrors"] == []
    assert sent["shipment"]["status"] == "PRE_TRANSIT"
    assert sent["shipment"]["lines"] == [{"sku": sent["fulfillmentOrder"]["lines"][0]["sku"], "quantity": 2}]
    assert sent["fulfillmentOrder"]["status"] == "CLOSED"
    assert sent["order"] == {
        "status": "COMPLETED",
        "paymentStatus": "PAID",
        "fulfillmentStatus": "FULFILLED",
        "version": 4,
    }
    again = await call(database, FULFILL, id=named, carrier="Test Post")
    [error] = again["userErrors"]
    assert (error["code"], error["path"], error["current"]) == ("ILLEGAL_TRANSITION", ["id"], "COMPLETED")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"carrier": " "}, ["carrier"]),
        ({"weightGrams": 0}, ["weightGrams"]),
        ({"trackingUrl": "ftp://x"}, ["trackingUrl"]),
        ({"lines": []}, ["lines"]),
        ({"idempotencyKey": " "}, ["idempotencyKey"]),
        ({"expectedVersion": 9}, ["expectedVersion"]),
        ({"id": encode_id("FulfillmentOrder", uuid4())}, ["id"]),
        ({"id": encode_id("Order", uuid4())}, ["id"]),
    ],
)
async def test_bad_input_names_its_field(database: Database, given: dict[str, Any], path: list[str]) -> None:
    order = await placed_order(database)
    asked = {"id": await part_id(database, order.id), "carrier": "Test Post", **given}
    refused = await call(database, FULFILL, **asked)
    assert [error["path"] for error in refused["userErrors"]] == [path]
    assert refused["shipment"] is None


async def test_parcels_are_packed_then_handed_over_together(database: Database) -> None:
    order = await placed_order(database, quantity=3)
    part = await part_at(database, order.id)
    line = encode_id("FulfillmentOrderLine", part.lines[0].id)
    parcels = [{"lines": [{"id": line, "quantity": units}], "box": "S"} for units in (1, 2)]
    named = encode_id("FulfillmentOrder", part.id)
    packed = await call(
        database, CREATE, fulfillmentOrderId=named, parcels=parcels, carrier="Test Post", provider="nobody"
    )
    assert [error["path"] for error in packed["userErrors"]] == [["provider"]]
    packed = await call(database, CREATE, fulfillmentOrderId=named, parcels=parcels, carrier="Test Post")
    assert packed["userErrors"] == []
    assert packed["fulfillmentOrder"] == {"status": "IN_PROGRESS", "work": "LABELED"}
    ids = [shipment["id"] for shipment in packed["shipments"]]
    unknown = encode_id("Shipment", uuid4())
    done = await call(database, HAND_OVER_ALL, ids=[*ids, unknown])
    assert [(one["id"], one["shipment"] and one["shipment"]["status"]) for one in done["results"]] == [
        (ids[0], "PRE_TRANSIT"),
        (ids[1], "PRE_TRANSIT"),
        (unknown, None),
    ]
    assert done["results"][2]["userErrors"][0]["code"] == "NOT_FOUND"
    assert done["results"][0]["order"] == {"status": "COMPLETED"}
    nothing = await call(database, HAND_OVER_ALL, ids=[ids[0], ids[0]])
    assert [error["path"] for error in nothing["userErrors"]] == [["ids"]]


async def test_what_is_done_with_a_part_before_it_is_sent(database: Database) -> None:
    shop = await make_stocked_shop(database, 6, 9)
    order = await placed_order(database, shop=shop, quantity=4)
    named = await part_id(database, order.id)
    line = encode_id("FulfillmentOrderLine", (await part_at(database, order.id)).lines[0].id)
    answer = f"fulfillmentOrder {{ id status }} fulfillmentOrders {{ id }} order {{ version }} {ERRORS}"

    def mutation(name: str) -> str:
        kind = name[0].upper() + name[1:]
        return f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ {answer} }} }}"

    two = [{"id": line, "quantity": 2}]
    divided = await call(database, mutation("fulfillmentOrderSplit"), id=named, lines=two)
    ids = [part["id"] for part in divided["fulfillmentOrders"]]
    assert ids[0] == named
    merged = await call(database, mutation("fulfillmentOrderMerge"), ids=ids)
    assert merged["fulfillmentOrder"] == {"id": named, "status": "OPEN"}
    moved = await call(
        database, mutation("fulfillmentOrderMove"), id=named, locationCode=shop.locations[1].code
    )
    assert moved["userErrors"] == []
    soon = await call(
        database,
        mutation("fulfillmentOrderReschedule"),
        id=named,
        scheduledFor="2999-01-01T00:00:00Z",
    )
    assert soon["fulfillmentOrder"]["status"] == "SCHEDULED"
    await call(database, mutation("fulfillmentOrderReschedule"), id=named)
    started = await call(database, mutation("fulfillmentOrderStart"), id=named)
    assert started["fulfillmentOrder"]["status"] == "IN_PROGRESS"
    given = {"id": named, "reason": "broken"}
    part = await call(database, mutation("fulfillmentOrderIncomplete"), **given, lines=two, lost=True)
    assert part["fulfillmentOrder"] == {"id": named, "status": "IN_PROGRESS"}
    canceled = await call(database, mutation("fulfillmentOrderCancel"), **given)
    assert canceled["fulfillmentOrder"] == {"id": named, "status": "CANCELED"}
    over = await call(database, mutation("fulfillmentOrderCancel"), **given)
    assert over["userErrors"][0]["current"] == "CANCELED"
    twice = await call(database, mutation("fulfillmentOrderSplit"), id=named, lines=[*two, *two])
    assert twice["userErrors"][0]["path"] == ["lines", "1", "id"]


async def test_staff_list_what_locations_have_to_send(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    orders = [await placed_order(database, shop=shop) for _ in range(4)]
    await fulfill(staff(database), await part_at(database, orders[0].id))
    wanted = {"locationCode": shop.locations[0].code, "status": ["OPEN"], "work": ["ALLOCATED"]}
    with count_statements(database) as statements:
        page = await data_of(database, LIST, {"filter": wanted, "first": 2}, STAFF)
    assert len(statements) <= 4, statements
    found = page["fulfillmentOrders"]
    assert [edge["order"]["number"] for edge in found["edges"]] == [order.number for order in orders[1:3]]
    assert found["edges"][0]["node"]["location"] == {"code": shop.locations[0].code}
    assert found["pageInfo"]["hasNextPage"] is True
    after = found["pageInfo"]["endCursor"]
    page = await data_of(database, LIST, {"filter": wanted, "first": 2, "after": after}, STAFF)
    assert [edge["order"]["number"] for edge in page["fulfillmentOrders"]["edges"]] == [orders[3].number]
    for narrowed, count in (
        ({"status": ["CLOSED"]}, 1),
        ({"holds": ["INVENTORY_OUT_OF_STOCK"]}, 0),
        ({"createdFrom": "2999-01-01T00:00:00Z"}, 0),
        ({}, 4),
    ):
        page = await data_of(database, LIST, {"filter": narrowed}, STAFF)
        assert len(page["fulfillmentOrders"]["edges"]) == count, narrowed


async def test_who_may_not_sees_and_sends_nothing(database: Database) -> None:
    order = await placed_order(database)
    reader = make_app(Permission.FULFILLMENT_READ, Permission.ORDERS_WRITE)
    given = {"id": await part_id(database, order.id), "carrier": "X", "idempotencyKey": "key"}
    refused = await execute(database, FULFILL, {"input": given}, reader)
    assert refused.errors is not None
    assert "fulfillment.write" in str(refused.errors[0])
    refused = await execute(database, LIST, {}, make_app(Permission.ORDERS_READ))
    assert refused.errors is not None
    with pytest.raises(AssertionError):
        await data_of(database, LIST, {"filter": {"locationCode": "nowhere"}}, STAFF)

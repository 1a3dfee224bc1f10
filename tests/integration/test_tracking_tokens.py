"""Tokens of parcels: staff take one away, and who follows by it is told no more."""

from typing import Any

from api.scalars import encode_id
from domain.shipments import ShipmentStatus
from persistence.database import Database
from services.access import ANONYMOUS, Permission
from tests.checkouts import events
from tests.factories import data_of, execute, make_app, unique
from tests.live import following, live
from tests.statements import count_statements
from tests.tracked import carrier_desk, now_at, said, sent_parcel, tell, tracking_token

SHIPMENT = "query ($token: String!) { shipment(trackingToken: $token) { status } }"
FOLLOW = "subscription ($token: String!) { shipmentUpdated(trackingToken: $token) { kind } }"
FOLLOW_ORDER = "subscription ($order: ID!) { shipmentUpdated(ref: { id: $order }) { kind } }"
ROTATE = """mutation ($input: ShipmentTokenRotateInput!) { shipmentTokenRotate(input: $input) {
    shipment { trackingToken } userErrors { code path } } }"""
CLERK = make_app(Permission.FULFILLMENT_WRITE)


async def rotate(database: Database, **wanted: Any) -> dict[str, Any]:
    given = {"input": {"idempotencyKey": unique("k"), **wanted}}
    return dict((await data_of(database, ROTATE, given, CLERK))["shipmentTokenRotate"])


async def test_a_token_that_was_taken_away_shows_nothing_and_its_live_followers_end_at_once(
    database: Database,
) -> None:
    shipment, other = await sent_parcel(database), await sent_parcel(database)
    old, kept = tracking_token(shipment.id), tracking_token(other.id)
    wanted = {"id": encode_id("Shipment", shipment.id), "idempotencyKey": unique("k")}
    order = {"order": encode_id("Order", shipment.order_id)}
    async with (
        live(database) as feed,
        following(database, feed, FOLLOW, {"token": old}, ANONYMOUS) as revoked,
        following(database, feed, FOLLOW, {"token": kept}, ANONYMOUS) as others,
        following(database, feed, FOLLOW_ORDER, order) as staff,
    ):
        done, again = await rotate(database, **wanted), await rotate(database, **wanted)
        ended = await revoked.next()
        context = carrier_desk(database)
        await tell(context, said(shipment, ShipmentStatus.IN_TRANSIT, "e1"))
        await tell(context, said(other, ShipmentStatus.IN_TRANSIT, "e2"))
        assert [one["kind"] for one in await others.events(1)] == ["ShipmentInTransit"]
        told = [one["kind"] for one in await staff.events(2)]
        assert await revoked.next() is None

    assert done == again
    assert [error["extensions"]["code"] for error in ended["errors"]] == ["BAD_USER_INPUT"]
    assert "no shipment has this token" in ended["errors"][0]["message"]
    assert told == ["ShipmentTokenRotated", "ShipmentInTransit"]
    assert (await execute(database, SHIPMENT, {"token": old}, ANONYMOUS)).data == {"shipment": None}
    shown = await data_of(database, SHIPMENT, {"token": done["shipment"]["trackingToken"]}, ANONYMOUS)
    assert shown == {"shipment": {"status": "IN_TRANSIT"}}


async def test_only_who_may_change_parcels_takes_a_token_away(database: Database) -> None:
    shipment = await sent_parcel(database)
    wanted = {"id": encode_id("Shipment", shipment.id), "idempotencyKey": unique("k")}

    for actor in (ANONYMOUS, make_app(Permission.FULFILLMENT_READ)):
        assert (await execute(database, ROTATE, {"input": wanted}, actor)).errors is not None
    unknown = await rotate(database, id=encode_id("Shipment", shipment.order_id))
    stale = await rotate(database, id=wanted["id"], expectedVersion=1)

    assert unknown["userErrors"] == [{"code": "NOT_FOUND", "path": ["id"]}]
    assert [one["code"] for one in stale["userErrors"]] == ["VERSION_CONFLICT"]
    assert (await now_at(database, shipment)).token_generation == 1


async def test_how_many_statements_a_new_token_takes(database: Database) -> None:
    shipment = await sent_parcel(database)
    with count_statements(database) as statements:
        await rotate(database, id=encode_id("Shipment", shipment.id))

    # BEGIN, the key, the order, the token, the trail, the event with the answer, COMMIT.
    assert len(statements) == 7, statements
    assert (await events(database, shipment.order_id))[-1][0] == "ShipmentTokenRotated"

"""Tracking: what a carrier tells moves the parcel, its order and those who follow it, once and in order."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.scalars import encode_id
from domain.shipments import Shipment, ShipmentStatus
from persistence import tracking as rows
from persistence.database import Database
from providers.carriers.sandbox_desk import CarrierDesk
from providers.carriers.sandbox_tracking import tracking_callbacks
from providers.sandbox_delivery import sign
from services import shipment_changes, tracking
from services.access import ANONYMOUS, Permission
from tests.callbacks import hooked
from tests.cart_flows import run_sql
from tests.checkouts import events
from tests.clocks import StoppedClock
from tests.factories import data_of, execute, make_app, unique
from tests.live import following, live
from tests.shipping import check_units, order_of, placed_order
from tests.statements import count_statements
from tests.tracked import (
    SECRET,
    carrier_desk,
    labeled_parcel,
    now_at,
    said,
    sent_parcel,
    tell,
    tracking_token,
)

S = ShipmentStatus
JOURNEY = [S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.FAILED_ATTEMPT, S.OUT_FOR_DELIVERY, S.DELIVERED]
SHIPMENT = """query ($token: String!) { shipment(trackingToken: $token) {
    status position isLate deliveredAt trackingToken history { status place description } } }"""
FOLLOW = """subscription ($token: String!, $after: String) {
    shipmentUpdated(trackingToken: $token, after: $after) { cursor kind shipment { status position } } }"""
ADD = """mutation ($input: ShipmentTrackingEventAddInput!) { shipmentTrackingEventAdd(input: $input) {
    shipment { status position history { status place } } userErrors { code path } } }"""
PROBLEMS = """{ shipmentProblems { edges { node { problems shipment { id } order { number } } } } }"""


async def callbacks_of(database: Database, shipment: Shipment, *journey: ShipmentStatus) -> list[Any]:
    """Let all of a journey happen at the carrier; returns what it calls back with."""
    desk = CarrierDesk(database.engine)
    for status in journey:
        await desk.advance(shipment.tracking_number or "", status.value, place=f"at {status.value}")
    return [one for one in await tracking_callbacks(database.engine) if one.status != "LABEL_CREATED"]


async def post(client: httpx.AsyncClient, callback: Any) -> int:
    """Post a callback as the carrier does."""
    body = callback.body()
    headers = sign(SECRET, callback.id, body, datetime.now(UTC))
    return (await client.post("/hooks/carriers/sandbox", content=body, headers=headers)).status_code


@pytest.mark.parametrize("seed", range(4))
async def test_callbacks_in_any_order_and_number_end_alike(database: Database, seed: int) -> None:
    shipment = await sent_parcel(database)
    told = await callbacks_of(database, shipment, *JOURNEY)
    mixed = told + random.Random(seed).choices(told, k=4)
    random.Random(seed).shuffle(mixed)
    context = carrier_desk(database)

    async with hooked(database, carriers=context.environment.carriers) as client:
        for callback in mixed:
            assert await post(client, callback) == 200
            await tracking.apply_due(context)

    after = await now_at(database, shipment)
    assert (after.status, after.delivered_at) == (S.DELIVERED, told[-1].occurred_at)
    assert after.position == "at DELIVERED"
    order = await order_of(database, shipment.order_id)
    assert order.fulfillment_status.value == "DELIVERED"
    kinds = [kind for kind, _ in await events(database, order.id)]
    assert kinds.count("ShipmentDelivered") == 1
    rows = await run_sql(database, "SELECT count(*) AS events FROM tracking_events WHERE state = 'APPLIED'")
    assert rows[0].events == len(told)


async def test_each_step_is_told_once_and_in_order_though_all_came_at_once(database: Database) -> None:
    shipment = await sent_parcel(database)
    told = await callbacks_of(database, shipment, *JOURNEY)
    context = carrier_desk(database)
    async with hooked(database, carriers=context.environment.carriers) as client:
        assert set(await asyncio.gather(*(post(client, one) for one in reversed(told)))) == {200}

    await asyncio.gather(*(tracking.apply_due(context) for _ in range(3)))

    kinds = [kind for kind, _ in await events(database, shipment.order_id) if kind.startswith("Shipment")]
    assert kinds[-5:] == [
        "ShipmentInTransit",
        "ShipmentOutForDelivery",
        "ShipmentFailedAttempt",
        "ShipmentOutForDelivery",
        "ShipmentDelivered",
    ]


async def test_a_callback_that_is_not_the_carriers_is_refused(database: Database) -> None:
    shipment = await sent_parcel(database)
    (told,) = await callbacks_of(database, shipment, S.IN_TRANSIT)
    async with hooked(database, carriers=carrier_desk(database).environment.carriers) as client:
        body = told.body()
        bad = sign(b"somebody else's secret, as long", told.id, body, datetime.now(UTC))
        refused = await client.post("/hooks/carriers/sandbox", content=body, headers=bad)
        unknown = await client.post("/hooks/carriers/nobody", content=body, headers=bad)

    assert (refused.status_code, unknown.status_code) == (401, 404)
    assert await run_sql(database, "SELECT FROM tracking_events") == []


async def test_a_parcel_that_the_carrier_has_left_though_nobody_said_so(database: Database) -> None:
    shipment = await labeled_parcel(database)
    context = carrier_desk(database)

    await tell(context, said(shipment, S.IN_TRANSIT, "e1", place="Bonn"))

    after = await now_at(database, shipment)
    assert (after.status, after.position, after.shipped_at is not None) == (S.IN_TRANSIT, "Bonn", True)
    kinds = [kind for kind, _ in await events(database, shipment.order_id)]
    assert kinds.index("ShipmentShipped") < kinds.index("ShipmentInTransit")
    await check_units(database)


async def test_a_parcel_on_hold_that_its_carrier_has_leaves_when_the_hold_ends(database: Database) -> None:
    shipment = await labeled_parcel(database)
    clock = StoppedClock(datetime.now(UTC))
    context = carrier_desk(database, clock=clock)
    await run_sql(database, "UPDATE fulfillment_orders SET status = 'ON_HOLD'")
    await tell(context, said(shipment, S.IN_TRANSIT, "e1"))
    assert (await now_at(database, shipment)).status is S.LABEL_CREATED

    await run_sql(database, "UPDATE fulfillment_orders SET status = 'OPEN'")
    clock.go_on(11)
    await tracking.apply_due(context)

    assert (await now_at(database, shipment)).status is S.IN_TRANSIT


async def test_a_label_that_is_scanned_by_nobody_moves_nothing(database: Database) -> None:
    shipment = await labeled_parcel(database)

    await tell(
        carrier_desk(database), said(shipment, S.LABEL_CREATED, "e1"), said(shipment, S.PRE_TRANSIT, "e2")
    )

    assert (await now_at(database, shipment)).status is S.LABEL_CREATED


async def test_a_canceled_parcel_that_moves_is_left_to_a_person(database: Database) -> None:
    shipment = await labeled_parcel(database)
    await shipment_changes.cancel(carrier_desk(database), shipment.id, None, unique("k"))

    await tell(carrier_desk(database), said(shipment, S.IN_TRANSIT, "e1"))

    assert (await now_at(database, shipment)).status is S.CANCELED
    (row,) = await run_sql(database, "SELECT state, reason FROM tracking_events")
    assert (row.state, row.reason) == ("SET_ASIDE", "CANCELED_PARCEL")


async def test_what_is_told_of_a_number_that_nobody_has_yet_waits_for_it(database: Database) -> None:
    shipment = await sent_parcel(database)
    clock = StoppedClock(datetime.now(UTC))
    context = carrier_desk(database, clock=clock)
    early = said(shipment, S.IN_TRANSIT, "e1", tracking_number="NEW-1")
    early = type(early)(early.id, early.status, early.occurred_at, tracking_number="NEW-1")

    await tell(context, early)
    await run_sql(database, "UPDATE shipments SET tracking_number = 'NEW-1'")
    clock.go_on(11)
    await tracking.apply_due(context)
    assert (await now_at(database, shipment)).status is S.IN_TRANSIT

    await tell(context, type(early)("e2", S.DELIVERED, early.occurred_at, tracking_number="NOBODYS"))
    clock.go_on(901)
    await tracking.apply_due(context)
    rows = await run_sql(database, "SELECT reason FROM tracking_events WHERE state = 'SET_ASIDE'")
    assert [row.reason for row in rows] == ["UNKNOWN_PARCEL"]

    await run_sql(database, "UPDATE shipments SET tracking_number = 'NOBODYS'")
    await tracking.tell_late(context)
    await tracking.apply_due(context)
    assert (await now_at(database, shipment)).status is S.DELIVERED


async def test_a_delay_is_told_once_for_each_promise_though_nobody_tells(
    database: Database,
) -> None:
    shipment = await sent_parcel(database)
    clock = StoppedClock(datetime.now(UTC))
    context = carrier_desk(database, clock=clock)
    promise = clock.now() + timedelta(days=1)
    await run_sql(database, "UPDATE shipments SET promised_until = :promise", promise=promise)

    assert await tracking.tell_late(context) == 0
    clock.go_on(86_401)
    assert [await tracking.tell_late(context), await tracking.tell_late(context)] == [1, 0]
    await tell(context, said(shipment, S.IN_TRANSIT, "e1", estimated_at=promise + timedelta(days=2)))

    kinds = [kind for kind, _ in await events(database, shipment.order_id)]
    assert kinds.count("ShipmentDelayed") == 1
    listed = (await data_of(database, PROBLEMS))["shipmentProblems"]["edges"]
    assert [edge["node"]["problems"] for edge in listed] == [["LATE"]]


async def test_an_estimate_beyond_the_promise_is_a_delay_at_once(database: Database) -> None:
    shipment = await sent_parcel(database)
    promise = datetime.now(UTC) + timedelta(days=1)
    await run_sql(database, "UPDATE shipments SET promised_until = :promise", promise=promise)

    late = said(shipment, S.IN_TRANSIT, "e1", estimated_at=promise + timedelta(days=2))
    await tell(carrier_desk(database), late)

    kinds = [kind for kind, _ in await events(database, shipment.order_id)]
    assert kinds[-2:] == ["ShipmentInTransit", "ShipmentDelayed"]
    assert (await now_at(database, shipment)).late_told_for == promise


async def test_a_carrier_that_does_not_call_back_is_asked(database: Database) -> None:
    shipment = await sent_parcel(database)
    await CarrierDesk(database.engine).advance(shipment.tracking_number or "", "OUT_FOR_DELIVERY")
    clock = StoppedClock(datetime.now(UTC))
    context = carrier_desk(database, clock=clock)

    assert await tracking.poll_due(context) == 0
    clock.go_on(3_700)
    assert [await tracking.poll_due(context), await tracking.poll_due(context)] == [1, 0]
    await tracking.apply_due(context)

    assert (await now_at(database, shipment)).status is S.OUT_FOR_DELIVERY


async def test_a_phone_follows_one_parcel_by_its_token_and_sees_nothing_else(database: Database) -> None:
    shipment, other = await sent_parcel(database), await sent_parcel(database)
    context, token = carrier_desk(database), tracking_token(shipment.id)
    async with (
        live(database) as feed,
        following(database, feed, FOLLOW, {"token": token}, ANONYMOUS) as answers,
    ):
        await tell(context, said(other, S.IN_TRANSIT, "o1"))
        await tell(
            context, said(shipment, S.IN_TRANSIT, "e1", place="Bonn"), said(shipment, S.DELIVERED, "e2")
        )
        seen = await answers.events(2)
        assert await answers.silent_for(0.1)

    assert [one["kind"] for one in seen] == ["ShipmentInTransit", "ShipmentDelivered"]
    shown = (await data_of(database, SHIPMENT, {"token": token}, ANONYMOUS))["shipment"]
    assert (shown["status"], shown["position"], shown["trackingToken"]) == ("DELIVERED", "Bonn", token)
    assert [event["status"] for event in shown["history"]] == ["DELIVERED", "IN_TRANSIT"]
    for wrong in ("", "x" * 48, tracking_token(shipment.order_id), token[:-4] + "AAAA"):
        result = await execute(database, SHIPMENT, {"token": wrong}, ANONYMOUS)
        assert result.errors is not None
        assert result.data == {"shipment": None}


async def test_staff_tell_what_a_courier_does_not(database: Database) -> None:
    shipment = await sent_parcel(database)
    wanted = {
        "id": encode_id("Shipment", shipment.id),
        "status": "DELIVERED",
        "place": "at the door",
        "idempotencyKey": unique("k"),
    }
    clerk = make_app(Permission.FULFILLMENT_WRITE)

    first = (await data_of(database, ADD, {"input": wanted}, clerk))["shipmentTrackingEventAdd"]
    again = (await data_of(database, ADD, {"input": wanted}, clerk))["shipmentTrackingEventAdd"]

    assert first == again
    assert (first["shipment"]["status"], first["userErrors"]) == ("DELIVERED", [])
    other = {**wanted, "status": "EXCEPTION"}
    reused = (await data_of(database, ADD, {"input": other}, clerk))["shipmentTrackingEventAdd"]
    assert reused["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    late = {**wanted, "status": "IN_TRANSIT", "idempotencyKey": unique("k")}
    unmoved = (await data_of(database, ADD, {"input": late}, clerk))["shipmentTrackingEventAdd"]
    assert unmoved["shipment"]["status"] == "DELIVERED"
    future = {"occurredAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    for changes, path in (
        ({"status": "CANCELED"}, ["status"]),
        (future, ["occurredAt"]),
        ({"occurredAt": "1970-01-01T00:00:00Z"}, ["occurredAt"]),
        ({"occurredAt": "0001-01-01T00:00:00+12:00"}, ["occurredAt"]),
        ({"estimatedAt": "0001-01-01T00:00:00Z"}, ["estimatedAt"]),
        ({"estimatedAt": "9999-12-31T23:59:59-12:00"}, ["estimatedAt"]),
        ({"place": " "}, ["place"]),
    ):
        refused = await data_of(
            database, ADD, {"input": {**late, **changes, "idempotencyKey": unique("k")}}, clerk
        )
        assert [error["path"] for error in refused["shipmentTrackingEventAdd"]["userErrors"]] == [path]


async def test_what_needs_a_person_is_listed_until_it_is_over(database: Database) -> None:
    good, bad = await sent_parcel(database), await sent_parcel(database)
    context = carrier_desk(database)
    await tell(context, said(good, S.IN_TRANSIT, "g1"), said(bad, S.EXCEPTION, "b1"))

    listed = (await data_of(database, PROBLEMS))["shipmentProblems"]["edges"]
    assert [(edge["node"]["problems"], edge["node"]["shipment"]["id"]) for edge in listed] == [
        (["EXCEPTION"], encode_id("Shipment", bad.id))
    ]
    await tell(context, said(bad, S.DELIVERED, "b2"))
    assert (await data_of(database, PROBLEMS))["shipmentProblems"]["edges"] == []


async def test_how_many_statements_what_is_told_takes(database: Database) -> None:
    shipment = await sent_parcel(database)
    context = carrier_desk(database)
    await placed_order(database)
    await run_sql(database, "ANALYZE tracking_events")
    with count_statements(database) as statements:
        await tell(context, said(shipment, S.IN_TRANSIT, "e1"))

    # Storing; leasing; BEGIN, the order, the facts, the parcel, the event, COMMIT.
    assert len(statements) == 8, statements


async def test_a_parcel_whose_stock_does_not_fit_keeps_no_other_from_moving(database: Database) -> None:
    odd, good = await labeled_parcel(database), await sent_parcel(database)
    # Nothing of ours does this: a hand over that finds no units is an error of our own.
    await run_sql(
        database,
        "UPDATE stock_levels SET committed = 0 WHERE location_id = :at",
        at=odd.location_id,
    )

    context = carrier_desk(database)
    async with context.read() as connection:
        for number, one in enumerate((odd, good)):
            await rows.store(
                connection, "sandbox", [said(one, S.IN_TRANSIT, f"e{number}")], now=context.now()
            )
    await tracking.apply_due(context)

    assert (await now_at(database, odd)).status is S.LABEL_CREATED
    assert (await now_at(database, good)).status is S.IN_TRANSIT


async def test_what_was_told_while_a_parcel_could_not_leave_is_told_with_the_next(database: Database) -> None:
    shipment = await labeled_parcel(database)
    context = carrier_desk(database)
    await run_sql(database, "UPDATE fulfillment_orders SET status = 'ON_HOLD'")
    await tell(context, said(shipment, S.IN_TRANSIT, "e1", place="Bonn"))
    assert (await now_at(database, shipment)).status is S.LABEL_CREATED
    await run_sql(database, "UPDATE fulfillment_orders SET status = 'IN_PROGRESS'")

    await tell(context, said(shipment, S.DELIVERED, "e2", place="Ulm"))

    assert (await now_at(database, shipment)).status is S.DELIVERED
    told = await run_sql(database, "SELECT state, reason FROM tracking_events")
    assert {(row.state, row.reason) for row in told} == {("APPLIED", None)}

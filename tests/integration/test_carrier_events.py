"""What carriers told and could not be applied: tried more rarely each time, then left to staff."""

from datetime import UTC, datetime
from typing import Any

from api.scalars import encode_id
from domain.carrier_ports import TrackingUpdate
from domain.shipments import Shipment, ShipmentStatus
from persistence import tracking as rows
from persistence.database import Database
from services import shipment_changes, tracking
from services.access import ANONYMOUS, SYSTEM, Permission
from services.context import ServiceContext
from tests.cart_flows import run_sql
from tests.checkouts import events
from tests.clocks import StoppedClock
from tests.factories import data_of, execute, make_app, unique
from tests.shipping import check_units
from tests.statements import count_statements
from tests.tracked import carrier_desk, labeled_parcel, now_at, said, sent_parcel, tell
from worker import tracking as jobs

S = ShipmentStatus
LIST = """query ($reason: CarrierEventReason, $first: Int, $after: String) {
    carrierEventsSetAside(reason: $reason, first: $first, after: $after) {
        edges { node { id provider trackingNumber status reason error shipment { id } } }
        pageInfo { hasNextPage endCursor } counts { reason count } } }"""
RETRY = """mutation ($input: CarrierEventRetryInput!) { carrierEventRetry(input: $input) {
    carrierEvent { state shipment { id status position } } userErrors { code message path } } }"""
DISMISS = """mutation ($input: CarrierEventDismissInput!) { carrierEventDismiss(input: $input) {
    carrierEvent { state note } userErrors { code path } } }"""
CLERK = make_app(Permission.FULFILLMENT_READ, Permission.FULFILLMENT_WRITE)


async def listed(database: Database, **variables: Any) -> list[dict[str, Any]]:
    found = await data_of(database, LIST, variables, CLERK)
    return [edge["node"] for edge in found["carrierEventsSetAside"]["edges"]]


async def do(database: Database, document: str, **given: Any) -> dict[str, Any]:
    wanted = {"idempotencyKey": unique("k"), **given}
    (answer,) = (await data_of(database, document, {"input": wanted}, CLERK)).values()
    return dict(answer)


async def told_of_nobody(database: Database, *names: str) -> ServiceContext:
    """Let a carrier tell of a number that no parcel has, until that is given up."""
    clock = StoppedClock(datetime.now(UTC))
    context = carrier_desk(database, clock=clock)
    async with context.read() as connection:
        for name in names:
            update = TrackingUpdate(name, S.IN_TRANSIT, clock.now(), place="Bonn", tracking_number="TYPO")
            await rows.store(connection, "sandbox", [update], now=clock.now())
            clock.go_on(1)
    clock.go_on(901)
    await tracking.apply_due(context)
    return context


async def without_units(database: Database, shipment: Shipment, units: int = 0) -> None:
    """Take a parcel's units away from its location, which nothing of ours does; or bring them back."""
    await run_sql(
        database,
        "UPDATE stock_levels SET committed = :units WHERE location_id = :at",
        units=units,
        at=shipment.location_id,
    )


async def test_staff_see_what_was_set_aside_with_its_reason_page_by_page(database: Database) -> None:
    canceled = await labeled_parcel(database)
    await shipment_changes.cancel(carrier_desk(database), canceled.id, None, unique("k"))
    await tell(carrier_desk(database), said(canceled, S.IN_TRANSIT, "e0"))
    context = await told_of_nobody(database, "e1", "e2")

    first, second, third = await listed(database)
    page = (await data_of(database, LIST, {"first": 2}, CLERK))["carrierEventsSetAside"]
    rest = await listed(database, after=page["pageInfo"]["endCursor"])

    assert (first["reason"], first["shipment"]["id"]) == (
        "CANCELED_PARCEL",
        encode_id("Shipment", canceled.id),
    )
    assert (second["reason"], second["trackingNumber"], second["shipment"]) == (
        "UNKNOWN_PARCEL",
        "TYPO",
        None,
    )
    assert (page["pageInfo"]["hasNextPage"], rest) == (True, [third])
    assert await listed(database, reason="UNKNOWN_PARCEL") == [second, third]
    counts = {one["reason"]: one["count"] for one in page["counts"]}
    assert counts == {"UNKNOWN_PARCEL": 2, "CANCELED_PARCEL": 1, "DOES_NOT_FIT": 0, "FAILED": 0}
    await jobs.tell_late(context)
    gauge = jobs.SET_ASIDE.labels("UNKNOWN_PARCEL")
    assert gauge._value.get() == 2
    for actor in (ANONYMOUS, make_app(Permission.FULFILLMENT_WRITE)):
        assert (await execute(database, LIST, {}, actor)).errors is not None


async def test_what_was_set_aside_is_applied_to_the_parcel_that_staff_name(database: Database) -> None:
    shipment = await labeled_parcel(database)
    await told_of_nobody(database, "e1")
    (event,) = await listed(database)
    request = {
        "id": event["id"],
        "shipmentId": encode_id("Shipment", shipment.id),
        "idempotencyKey": unique("k"),
    }

    unnamed = await do(database, RETRY, id=event["id"])
    done = await do(database, RETRY, **request)
    again = await do(database, RETRY, **request)

    assert [(one["code"], one["path"]) for one in unnamed["userErrors"]] == [("NOT_FOUND", ["shipmentId"])]
    assert done == again
    assert done["carrierEvent"] == {
        "state": "APPLIED",
        "shipment": {"id": request["shipmentId"], "status": "IN_TRANSIT", "position": "Bonn"},
    }
    assert await listed(database) == []
    kinds = [kind for kind, _ in await events(database, shipment.order_id)]
    assert kinds.index("ShipmentShipped") < kinds.index("ShipmentInTransit")
    await check_units(database)


async def test_what_still_does_not_fit_is_refused_and_stays_set_aside(database: Database) -> None:
    held, canceled = await labeled_parcel(database), await labeled_parcel(database)
    await shipment_changes.cancel(carrier_desk(database), canceled.id, None, unique("k"))
    await told_of_nobody(database, "e1")
    (event,) = await listed(database)
    await run_sql(database, "UPDATE fulfillment_orders SET status = 'ON_HOLD'")

    for wanted, code in (
        (encode_id("Shipment", held.id), "ILLEGAL_TRANSITION"),
        (encode_id("Shipment", canceled.id), "ILLEGAL_TRANSITION"),
        (encode_id("Shipment", held.order_id), "NOT_FOUND"),
        (event["id"], "NOT_FOUND"),
    ):
        refused = await do(database, RETRY, id=event["id"], shipmentId=wanted)
        assert [one["code"] for one in refused["userErrors"]] == [code], wanted
    assert await listed(database) == [event]


async def test_what_was_dismissed_is_off_the_list_and_never_tried_again(database: Database) -> None:
    shipment = await sent_parcel(database)
    context = await told_of_nobody(database, "e1")
    (event,) = await listed(database)
    request = {"id": event["id"], "note": "another shop's", "idempotencyKey": unique("k")}

    done, again = await do(database, DISMISS, **request), await do(database, DISMISS, **request)
    unexplained = await do(database, DISMISS, id=event["id"], note=" ")
    await run_sql(database, "UPDATE shipments SET tracking_number = 'TYPO'")
    await tracking.tell_late(context)
    await tracking.apply_due(context)

    assert done == again
    assert done["carrierEvent"] == {"state": "DISMISSED", "note": "another shop's"}
    assert [one["path"] for one in unexplained["userErrors"]] == [["note"]]
    assert await listed(database) == []
    assert (await now_at(database, shipment)).status is S.PRE_TRANSIT
    retried = await do(database, RETRY, id=event["id"], shipmentId=encode_id("Shipment", shipment.id))
    assert [one["code"] for one in retried["userErrors"]] == ["ILLEGAL_TRANSITION"]
    trail = await run_sql(database, "SELECT action FROM audit_entries WHERE target_kind = 'carrier_event'")
    assert [row.action for row in trail] == ["CarrierEventDismissed"]


async def test_what_fails_again_and_again_is_put_aside_with_its_error_and_blocks_nobody(
    database: Database,
) -> None:
    odd, good = await labeled_parcel(database), await sent_parcel(database)
    (level,) = await run_sql(
        database, "SELECT committed FROM stock_levels WHERE location_id = :at", at=odd.location_id
    )
    await without_units(database, odd)
    clock = StoppedClock(datetime.now(UTC))
    context = carrier_desk(database, clock=clock)
    await tell(context, said(odd, S.IN_TRANSIT, "e1"), said(good, S.IN_TRANSIT, "e2"))
    assert (await now_at(database, good)).status is S.IN_TRANSIT

    pauses: list[float] = []
    while not (aside := await listed(database)) and len(pauses) < 20:
        (due,) = await run_sql(
            database, "SELECT next_attempt_at AS at FROM tracking_events WHERE state = 'RECEIVED'"
        )
        pauses.append((due.at - clock.now()).total_seconds())
        clock.go_on(pauses[-1])
        await tracking.apply_due(context)
    await tracking.tell_late(context)

    assert pauses == [10, 20, 40, 80, 160, 320, 640]
    assert [(one["reason"], one["error"].split(":")[0]) for one in aside] == [("FAILED", "RuntimeError")]
    assert await tracking.apply_due(context) == 0, "it is tried by nobody but staff"
    await without_units(database, odd, level.committed)
    done = await do(database, RETRY, id=aside[0]["id"])
    assert (done["carrierEvent"]["state"], done["userErrors"]) == ("APPLIED", [])
    assert (await now_at(database, odd)).status is S.IN_TRANSIT


async def test_how_many_statements_the_list_takes(database: Database) -> None:
    canceled = await labeled_parcel(database)
    await shipment_changes.cancel(carrier_desk(database), canceled.id, None, unique("k"))
    await tell(carrier_desk(database), *(said(canceled, S.IN_TRANSIT, f"e{one}") for one in range(3)))
    uncounted = LIST.replace("counts { reason count }", "")

    with count_statements(database) as statements:
        found = await data_of(database, uncounted, {}, SYSTEM)

    assert len(found["carrierEventsSetAside"]["edges"]) == 3
    # The events, whose their parcels are, and those orders' parcels.
    assert len(statements) == 3, statements

"""Labels are bought once, whatever happens in between; what a carrier refuses is for staff to correct."""

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.kernel.errors import IllegalTransition, InvalidInput, LabelRefused, NotFound, VersionConflict
from domain.labels import Correction, LabelOutcome
from domain.parcels import Carriage, TrackingChanges
from domain.shipments import LabelState, ParcelSize, ShipmentStatus
from persistence import labels as rows
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from providers.carriers.sandbox_desk import CarrierDesk
from providers.carriers.sandbox_record import parcels
from services import label_calls, labels, shipment_changes
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import events
from tests.factories import data_of, make_app
from tests.labeled import (
    BY_SANDBOX,
    Died,
    Interrupted,
    carriers_of,
    desk,
    let_it_be_due,
    packed_parcels,
    parcel,
)
from tests.parcels import RECIPIENT, words_of
from tests.shipping import parts_of
from tests.statements import count_statements


async def test_a_packed_parcel_gets_its_label_by_itself(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database)
    context = desk(database)

    assert await label_calls.buy_due(context) == 1
    assert await label_calls.buy_due(context) == 0

    after = await parcel(database, order_id, shipment_id)
    (sold,) = await parcels(database.engine)
    assert (after.status, after.label_state) == (ShipmentStatus.LABEL_CREATED, LabelState.PURCHASED)
    assert (after.tracking_number, after.provider_reference) == (sold.tracking_number, sold.reference)
    assert after.estimated_at == sold.estimated_at
    assert sold.idempotency_key == f"{shipment_id}-1"
    (part,) = (await parts_of(database, order_id)).fulfillment_orders
    assert part.work.value == "LABELED"
    assert (await events(database, order_id))[-2:] == [("ShipmentPacked", 2), ("ShipmentLabelCreated", 3)]
    (document,) = await labels.labels_of(context, [shipment_id])
    assert sold.tracking_number in words_of(document.content)


async def test_buying_a_label_takes_seven_statements(database: Database) -> None:
    await packed_parcels(database)
    context = desk(database)
    with count_statements(database) as statements:
        await label_calls.buy_due(context)

    assert len(_ours(statements)) <= 7, statements


async def test_asking_for_a_label_takes_few_statements_and_asking_for_many_not_many_more(
    database: Database,
) -> None:
    _, (one,) = await packed_parcels(database)
    # Of an order each: who waits for another's lock reads what it locks again.
    many = [(await packed_parcels(database))[1][0] for _ in range(3)]
    context = desk(database)
    with count_statements(database) as first:
        await labels.purchase(context, one, Correction(), None, "one")
    with count_statements(database) as three:
        await labels.purchase_many(context, many, "many")

    assert len(_ours(first)) <= 16, _ours(first)
    assert len(_ours(three)) <= 9 + 6 * 3, _ours(three)


def _ours(statements: Sequence[str]) -> list[str]:
    """Return what is not the sandbox's own."""
    return [one for one in statements if "sandbox_" not in one and "FROM parcel" not in one]


async def test_a_sweep_buys_however_many_labels_are_due(database: Database) -> None:
    await packed_parcels(database, *([1] * 20))
    await packed_parcels(database, *([1] * 5))

    assert await label_calls.buy_due(desk(database)) == 25
    assert len(await parcels(database.engine)) == 25


async def test_many_labels_are_bought_side_by_side(database: Database) -> None:
    _order_id, ids = await packed_parcels(database, *([1] * 12))

    labeled = await labels.purchase_many(desk(database), ids, "today")

    assert [one.shipment_id for one in labeled] == ids
    assert {one.shipment and one.shipment.label_state for one in labeled} == {LabelState.PURCHASED}
    assert len(await parcels(database.engine)) == 12
    again = await labels.purchase_many(desk(database), ids, "today")
    assert again == labeled
    assert len(await parcels(database.engine)) == 12


@pytest.mark.parametrize("when", ["before", "after"])
async def test_whoever_dies_around_the_call_leaves_a_label_that_is_bought_once(
    database: Database, when: str
) -> None:
    order_id, (shipment_id,) = await packed_parcels(database)
    broken = Interrupted(database, **{when: 2})
    for _ in range(2):
        with pytest.raises(Died):
            await label_calls.buy_due(desk(database, carriers={"sandbox": broken}))
        assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.REQUESTED
        await let_it_be_due(database)
        if when == "after":
            break

    assert await label_calls.buy_due(desk(database)) == 1

    (sold,) = await parcels(database.engine)
    after = await parcel(database, order_id, shipment_id)
    assert (after.label_state, after.provider_reference) == (LabelState.PURCHASED, sold.reference)
    created = [kind for kind, _ in await events(database, order_id) if kind == "ShipmentLabelCreated"]
    assert len(created) == 1


async def test_workers_and_requests_at_once_buy_each_label_once(database: Database) -> None:
    order_id, ids = await packed_parcels(database, *([1] * 10))
    contexts = [desk(database) for _ in range(4)]

    await asyncio.gather(
        *(label_calls.buy_due(context) for context in contexts[:2]),
        *(label_calls.buy(context, ids) for context in contexts[2:]),
        labels.purchase_many(desk(database), ids, "all"),
    )

    assert len(await parcels(database.engine)) == 10
    found = (await parts_of(database, order_id)).shipments
    assert {one.label_state for one in found} == {LabelState.PURCHASED}
    kinds = [kind for kind, _ in await events(database, order_id)]
    assert kinds.count("ShipmentLabelCreated") == 10


async def test_two_who_ask_for_the_same_label_at_once_record_it_once(database: Database) -> None:
    """Even where a lease has run out while its holder still waits."""
    order_id, (_shipment_id,) = await packed_parcels(database)
    first, second = desk(database), desk(database)

    async def ask(context: object) -> None:
        await let_it_be_due(database)
        await label_calls.buy_due(context)  # type: ignore[arg-type]

    await asyncio.gather(ask(first), ask(second))

    assert len(await parcels(database.engine)) == 1
    kinds = [kind for kind, _ in await events(database, order_id)]
    assert kinds.count("ShipmentLabelCreated") == 1


async def test_a_carrier_that_is_down_is_asked_again_and_nothing_is_stuck(database: Database) -> None:
    order_id, ids = await packed_parcels(database, 1, 1, 1)
    context, sandbox = desk(database), CarrierDesk(database.engine)
    await sandbox.set_faults(down_for_seconds=60)

    assert await label_calls.buy_due(context) == 3
    assert await label_calls.buy_due(context) == 0
    (first, *_) = await labels.purchase_many(context, ids, "while it is down")
    assert first.shipment is not None
    assert first.error is None
    assert first.shipment.label_state is LabelState.REQUESTED

    await sandbox.set_faults(down_for_seconds=0)
    await let_it_be_due(database)
    assert await label_calls.buy_due(context) == 3
    assert len(await parcels(database.engine)) == 3
    waiting = [one for one in (await parts_of(database, order_id)).shipments if one.tracking_number is None]
    assert waiting == []


async def test_a_carrier_that_hangs_after_it_has_sold_is_asked_what_it_sold(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database)
    sandbox = CarrierDesk(database.engine)
    await sandbox.set_faults(hang=1.0)

    await label_calls.buy_due(desk(database, carrier_time_limit_seconds=0.3))
    assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.REQUESTED
    await let_it_be_due(database)
    await label_calls.buy_due(desk(database, carrier_time_limit_seconds=0.3))

    assert len(await parcels(database.engine)) == 1
    assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.PURCHASED


async def test_what_a_carrier_refuses_is_corrected_and_asked_for_anew(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(
        database, carriage=Carriage("Sandbox Post", "Overnight", "sandbox")
    )
    context = desk(database)
    await label_calls.buy_due(context)
    refused = await parcel(database, order_id, shipment_id)
    assert (refused.status, refused.label_state) == (ShipmentStatus.LABEL_PENDING, LabelState.FAILED)
    assert (await events(database, order_id))[-1] == ("ShipmentLabelFailed", 3)
    assert await label_calls.buy_due(context) == 0

    labeled = await labels.purchase(
        context,
        shipment_id,
        Correction(service="Standard", recipient=RECIPIENT, size=ParcelSize(2_000)),
        3,
        "again",
    )

    assert labeled.error is None
    assert labeled.shipment is not None
    assert labeled.shipment.label_state is LabelState.PURCHASED
    assert (labeled.shipment.service, labeled.shipment.size.weight_grams) == ("Standard", 2_000)
    (sold,) = await parcels(database.engine)
    assert (sold.idempotency_key, sold.service) == (f"{shipment_id}-2", "STANDARD")
    (document,) = await labels.labels_of(context, [shipment_id])
    assert "Ada Lovelace" in words_of(document.content)
    kinds = [kind for kind, _ in await events(database, order_id)]
    assert kinds[-2:] == ["ShipmentLabelFailed", "ShipmentLabelCreated"]


async def test_a_refusal_is_told_to_whoever_asks(database: Database) -> None:
    _, (shipment_id,) = await packed_parcels(database)

    labeled = await labels.purchase_many(desk(database), [shipment_id], "one")
    assert labeled[0].error is None
    _, (heavy,) = await packed_parcels(database, carriage=Carriage("S", "Overnight", "sandbox"))
    (told,) = await labels.purchase_many(desk(database), [heavy], "two")

    assert told.error is not None
    assert (told.error.code, told.error.path) == ("LABEL_REFUSED", ("id",))
    assert "OVERNIGHT" in told.error.message.upper()


async def test_a_location_without_an_address_sends_nothing(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database, address=False)
    await run_sql(database, "UPDATE locations SET address = NULL")
    (told,) = await labels.purchase_many(desk(database), [shipment_id], "one")

    assert getattr(told.error, "refusal", None) == "sender_address_missing"
    assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.FAILED


async def test_a_label_that_was_bought_counts_more_than_a_refusal_under_the_same_key(
    database: Database,
) -> None:
    """Two ask where a lease has run out: one is told no, the other gets the label."""
    order_id, (shipment_id,) = await packed_parcels(database)
    context, now = desk(database), datetime.now(UTC)
    async with context.read() as connection:
        (ask,) = await rows.lease(connection, [shipment_id], now=now, leased_until=now)
    label = await SandboxCarrier(database.engine).buy_label(ask.key, ask.request())
    await label_calls._refuse(context, ask, LabelRefused("no", "not now"))
    assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.FAILED

    await label_calls._conclude(context, ask, label)
    await label_calls._refuse(context, ask, LabelRefused("no", "not now"))

    after = await parcel(database, order_id, shipment_id)
    assert (after.label_state, after.tracking_number) == (LabelState.PURCHASED, label.tracking_number)


async def test_a_number_typed_by_hand_stands_for_a_label_that_was_refused(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database, carriage=Carriage("S", "Overnight", "sandbox"))
    context = desk(database)
    await label_calls.buy_due(context)
    await shipment_changes.update_tracking(context, shipment_id, TrackingChanges(tracking_number="T1"), None)

    after = await parcel(database, order_id, shipment_id)
    assert (after.status, after.label_state) == (ShipmentStatus.LABEL_CREATED, LabelState.NONE)
    assert await label_calls.buy_due(context) == 0


async def test_the_shops_own_delivery_prints_the_same_label_each_time(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(
        database, carriage=Carriage("Own delivery", "Van", "table_rate")
    )
    await label_calls.buy_due(desk(database))

    after = await parcel(database, order_id, shipment_id)
    assert after.label_state is LabelState.PURCHASED
    assert after.tracking_number is not None
    assert after.tracking_number.startswith("OD")
    (document,) = await labels.labels_of(desk(database), [shipment_id])
    assert after.tracking_number in words_of(document.content)


async def test_a_carrier_that_is_not_set_up_is_told(database: Database) -> None:
    _order_id, (shipment_id,) = await packed_parcels(database)
    (told,) = await labels.purchase_many(desk(database, carriers={}), [shipment_id], "one")

    assert getattr(told.error, "refusal", None) == "carrier_missing"


async def test_a_parcel_that_has_its_label_keeps_it_whoever_asks_again(database: Database) -> None:
    _, (shipment_id,) = await packed_parcels(database)
    context = desk(database)
    bought = await labels.purchase(context, shipment_id, Correction(), None, "one")

    again = await labels.purchase(context, shipment_id, Correction(), None, "two")
    assert (again.outcome, again.shipment) == (LabelOutcome.PURCHASED, bought.shipment)
    with pytest.raises(IllegalTransition):
        await labels.purchase(context, shipment_id, Correction(service="EXPRESS"), None, "three")
    replayed = await labels.purchase(context, shipment_id, Correction(), None, "one")
    assert replayed.shipment is not None
    assert len(await parcels(database.engine)) == 1


async def test_asking_for_labels_is_checked(database: Database) -> None:
    _, (shipment_id,) = await packed_parcels(database)
    context = desk(database)
    with pytest.raises(NotFound):
        await labels.purchase(context, uuid4(), Correction(), None, "a")
    with pytest.raises(VersionConflict):
        await labels.purchase(context, shipment_id, Correction(), 99, "b")
    for wrong in (Correction(provider="none"), Correction(size=ParcelSize(0)), Correction(service=" ")):
        with pytest.raises(InvalidInput):
            await labels.purchase(context, shipment_id, wrong, None, "c")
    for ids in ([], [shipment_id, shipment_id], [uuid4() for _ in range(101)]):
        with pytest.raises(InvalidInput):
            await labels.purchase_many(context, ids, "d")
    (unknown,) = await labels.purchase_many(context, [uuid4()], "e")
    assert isinstance(unknown.error, NotFound)
    with pytest.raises(NotFound):
        await labels.labels_of(context, [shipment_id])


async def test_labels_are_for_staff_alone(database: Database) -> None:
    _, (shipment_id,) = await packed_parcels(database, carriage=BY_SANDBOX)
    reader = desk(database, make_app(Permission.FULFILLMENT_READ))
    with pytest.raises(Exception, match=r"fulfillment\.write"):
        await labels.purchase(reader, shipment_id, Correction(), None, "a")
    with pytest.raises(Exception, match=r"fulfillment\.read"):
        await labels.labels_of(desk(database, make_app(Permission.ORDERS_READ)), [shipment_id])


_PURCHASE = """mutation ($input: ShipmentLabelPurchaseInput!) { shipmentLabelPurchase(input: $input) {
    shipment { status trackingNumber label { state format url attempts price { amount currency }
        refusal { code message } contentBase64 } }
    userErrors { __typename code path ... on LabelRefusedError { refusalCode } } } }"""


async def test_staff_buy_a_label_and_read_why_it_was_refused(database: Database) -> None:
    _, (shipment_id,) = await packed_parcels(database, carriage=Carriage("S", "Overnight", "sandbox"))
    carriers = carriers_of(database)

    async def purchase(**changes: Any) -> dict[str, Any]:
        given = {"id": encode_id("Shipment", shipment_id), "idempotencyKey": str(uuid4()), **changes}
        done = await data_of(database, _PURCHASE, {"input": given}, carriers=carriers)
        return dict(done["shipmentLabelPurchase"])

    refused = await purchase()
    assert refused["userErrors"] == [
        {
            "__typename": "LabelRefusedError",
            "code": "LABEL_REFUSED",
            "path": ["id"],
            "refusalCode": "unknown_service",
        }
    ]
    assert refused["shipment"]["label"]["refusal"]["code"] == "unknown_service"
    recipient = {"name": "A", "line1": "B 1", "city": "Berlin", "country": "DE", "postalCode": "1"}
    wrong = await purchase(recipient=recipient)
    assert [one["path"] for one in wrong["userErrors"]] == [["recipient", "postalCode"]]

    done = await purchase(serviceCode="EXPRESS", recipient={**recipient, "postalCode": "10115"})

    assert done["userErrors"] == []
    label = done["shipment"]["label"]
    assert (label["state"], label["format"], label["refusal"]) == ("PURCHASED", "PDF", None)
    assert done["shipment"]["trackingNumber"] in words_of(b64decode(label["contentBase64"]))


async def test_a_label_is_not_shown_to_who_may_not_see_it(database: Database) -> None:
    order_id, _ = await packed_parcels(database)
    query = """query ($id: ID!) { order(ref: { id: $id }) { shipments { status label { state } } } }"""
    given = {"id": encode_id("Order", order_id)}

    shown = await data_of(database, query, given, make_app(Permission.ORDERS_READ))
    assert shown["order"]["shipments"] == [{"status": "LABEL_PENDING", "label": None}]
    both = make_app(Permission.ORDERS_READ, Permission.FULFILLMENT_READ)
    shown = await data_of(database, query, given, both)
    assert shown["order"]["shipments"][0]["label"] == {"state": "REQUESTED"}

"""Labels of parcels that are canceled: given back, also where nobody knew that they were bought."""

from uuid import uuid4

import pytest

from domain.shipments import LabelState, ShipmentStatus
from persistence.database import Database
from providers.carriers.sandbox_desk import CarrierDesk
from providers.carriers.sandbox_record import parcels
from services import label_calls, shipment_changes
from tests.cart_flows import run_sql
from tests.labeled import Died, Interrupted, desk, let_it_be_due, packed_parcels, parcel


async def test_the_label_of_a_canceled_parcel_is_given_back(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database)
    context = desk(database)
    await label_calls.buy_due(context)
    await shipment_changes.cancel(context, shipment_id, None, str(uuid4()))

    assert await label_calls.buy_due(context) == 1
    assert await label_calls.buy_due(context) == 0
    (sold,) = await parcels(database.engine)
    assert sold.voided_at is not None
    assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.VOIDED


async def test_a_parcel_canceled_before_it_was_asked_for_buys_nothing(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database)
    context = desk(database)
    await shipment_changes.cancel(context, shipment_id, None, str(uuid4()))

    await label_calls.buy_due(context)

    assert await parcels(database.engine) == []
    assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.VOIDED


async def test_a_label_bought_while_its_parcel_was_canceled_is_given_back(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database)
    context = desk(database)
    with pytest.raises(Died):
        await label_calls.buy_due(desk(database, carriers={"sandbox": Interrupted(database, after=1)}))
    await shipment_changes.cancel(context, shipment_id, None, str(uuid4()))
    await let_it_be_due(database)

    await label_calls.buy_due(context)

    (sold,) = await parcels(database.engine)
    assert sold.voided_at is not None
    after = await parcel(database, order_id, shipment_id)
    assert (after.status, after.label_state) == (ShipmentStatus.CANCELED, LabelState.VOIDED)


async def test_a_canceled_parcel_waits_for_a_label_that_may_still_be_sold(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database)
    context = desk(database)
    with pytest.raises(Died):
        await label_calls.buy_due(desk(database, carriers={"sandbox": Interrupted(database, before=1)}))
    await shipment_changes.cancel(context, shipment_id, None, str(uuid4()))
    await let_it_be_due(database)
    await label_calls.buy_due(context)
    assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.REQUESTED

    await run_sql(database, "UPDATE shipments SET label_requested_at = now() - interval '3 minutes'")
    await let_it_be_due(database)
    await label_calls.buy_due(context)
    assert (await parcel(database, order_id, shipment_id)).label_state is LabelState.VOIDED


async def test_a_label_the_carrier_does_not_take_back_is_told_to_staff(database: Database) -> None:
    order_id, (shipment_id,) = await packed_parcels(database)
    context = desk(database)
    await label_calls.buy_due(context)
    number = (await parcel(database, order_id, shipment_id)).tracking_number
    assert number is not None
    await CarrierDesk(database.engine).advance(number, "IN_TRANSIT")
    await shipment_changes.cancel(context, shipment_id, None, str(uuid4()))

    await label_calls.buy_due(context)
    assert await label_calls.buy_due(context) == 0

    (row,) = await run_sql(database, "SELECT label_state, label_kept_at, label_error FROM shipments")
    assert row.label_state == "PURCHASED"
    assert row.label_kept_at is not None
    assert "does not take" in row.label_error

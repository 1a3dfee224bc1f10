"""How the demo's staff send an order: a parcel for each fulfillment order, its label, and off it goes.

From there the sandbox carrier takes over: what it tells moves the parcel on until it is delivered.
"""

import asyncio
from uuid import uuid4

from app.demo_shop.client import Client, Json, RequestFailed
from app.demo_shop.delivery import CARRIER, PROVIDER
from app.demo_shop.shoppers import Placed

_SERVICE = "STANDARD"
_OPEN = {"OPEN", "IN_PROGRESS"}
# The catalogue has no weights: what a unit is taken to weigh, within what the carrier takes.
_GRAMS_A_UNIT = 40
_GRAMS_AT_MOST = 30_000
_LOOKS_FOR_LABELS = 40
_BETWEEN_LOOKS_SECONDS = 0.25

_WORK = """query Work($ref: OrderRef!) {
  order(ref: $ref) { fulfillmentOrders { id status lines { id quantity quantityShipped quantityShort } } }
}"""


async def send(staff: Client, order: Placed) -> int:
    """Pack, label and hand over all of the order that is there; return the number of parcels.

    Raises RequestFailed when something of it was refused.
    """
    found = (await staff.execute(_WORK, ref={"id": order.id}))["order"]
    parts = [part for part in found["fulfillmentOrders"] if part["status"] in _OPEN]
    packed = [await _pack(staff, part) for part in parts]
    ids = [parcel["id"] for parcels in packed for parcel in parcels]
    if ids:
        await _label(staff, ids)
        await _each(staff, "shipmentsHandOver", ids)
    return len(ids)


async def _pack(staff: Client, part: Json) -> list[Json]:
    lines = [
        {"id": line["id"], "quantity": units}
        for line in part["lines"]
        if (units := line["quantity"] - line["quantityShipped"] - line["quantityShort"]) > 0
    ]
    if not lines:
        return []
    grams = min(_GRAMS_AT_MOST, _GRAMS_A_UNIT * sum(line["quantity"] for line in lines))
    made = await staff.mutate(
        "shipmentCreate",
        "shipments { id }",
        fulfillmentOrderId=part["id"],
        parcels=[{"lines": lines, "weightGrams": grams}],
        carrier=CARRIER,
        service=_SERVICE,
        provider=PROVIDER,
        idempotencyKey=str(uuid4()),
    )
    _expect_done(made)
    parcels: list[Json] = made["shipments"]
    return parcels


async def _label(staff: Client, ids: list[str]) -> None:
    # The background work may be buying the same labels at this moment: then they are there in the next.
    for _ in range(_LOOKS_FOR_LABELS):
        results = await _each(staff, "shipmentsLabelPurchase", ids)
        if all(one["shipment"]["status"] != "LABEL_PENDING" for one in results):
            return
        await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
    raise RequestFailed("not sent: there is no label yet")


async def _each(staff: Client, mutation: str, ids: list[str]) -> list[Json]:
    done = await staff.mutate(
        mutation,
        "results { shipment { status } userErrors { message } }",
        ids=ids,
        idempotencyKey=str(uuid4()),
    )
    for one in (done, *done["results"]):
        _expect_done(one)
    results: list[Json] = done["results"]
    return results


def _expect_done(payload: Json) -> None:
    if payload["userErrors"]:
        raise RequestFailed(f"not sent: {payload['userErrors'][0]['message']}")

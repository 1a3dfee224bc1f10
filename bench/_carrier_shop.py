"""A shop with its own rate beside a carrier's services, and what its shoppers and packers send."""

import random
from typing import Any
from uuid import uuid4

from bench._http import Connection, Operation

CHANNEL = "outage"
OWN = "Own vans"
THEIRS = "Sandbox Parcels"
SANDBOX = "sandbox"
_SKUS = [f"PARCEL-{number:02}" for number in range(20)]
_UNITS = 100_000
_ERRORS = "userErrors { code message path }"


def _mutation(field: str, kind: str, answer: str = "") -> Operation:
    return Operation(
        field, f"mutation($input: {kind}!) {{ {field}(input: $input) {{ {answer} {_ERRORS} }} }}"
    )


CREATE = _mutation("cartCreate", "CartCreateInput", "cartToken")
UPDATE = _mutation("cartUpdate", "CartUpdateInput", "cart { id }")
REFRESH = _mutation(
    "cartDeliveryOptionsRefresh",
    "CartDeliveryOptionsRefreshInput",
    "cart { deliveryOptions { id carrier service } } complete",
)
SELECT = _mutation("cartDeliveryOptionSelect", "CartDeliveryOptionSelectInput", "cart { id }")
PLACE = _mutation("orderPlace", "OrderPlaceInput", "order { id }")
PACK = _mutation("shipmentCreate", "ShipmentCreateInput", "shipments { id }")
PURCHASE = _mutation(
    "shipmentLabelPurchase", "ShipmentLabelPurchaseInput", "shipment { status label { state attempts } }"
)
HAND_OVER = _mutation("shipmentsHandOver", "ShipmentsHandOverInput", "results { userErrors { message } }")
PARTS = Operation(
    "order", "query($ref: OrderRef!) { order(ref: $ref) { fulfillmentOrders { id lines { id quantity } } } }"
)
_SENDER = {
    "name": "The shop",
    "line1": "1 Market Street",
    "city": "San Francisco",
    "region": "CA",
    "postalCode": "94105",
    "country": "US",
}


async def set_up(staff: Connection) -> None:
    """Make a location with an address, a channel with a rate and two services, and goods with weights."""
    service = {"channel": CHANNEL, "provider": SANDBOX, "carrier": THEIRS}
    services = [{**service, "code": code} for code in ("EXPRESS", "STANDARD")]
    steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("locationCreate", "LocationCreateInput", {"code": "HALL", "name": "Hall", "address": _SENDER}),
        (
            "channelCreate",
            "ChannelCreateInput",
            {"slug": CHANNEL, "name": "Outage", "currency": "USD", "locationCodes": ["HALL"]},
        ),
        (
            "deliveryRateCreate",
            "DeliveryRateCreateInput",
            {"channel": CHANNEL, "carrier": OWN, "service": "Standard", "price": _usd("7.90")},
        ),
        *(("deliveryServiceCreate", "DeliveryServiceCreateInput", one) for one in services),
    )
    for field, kind, given in steps:
        await staff.call(_mutation(field, kind), input=given)
    for number, sku in enumerate(_SKUS):
        variant = {
            "sku": sku,
            "name": "Plain",
            "weightGrams": 200 + 50 * number,
            "prices": [{"channel": CHANNEL, "price": _usd("19.99")}],
        }
        await staff.call(
            _mutation("productCreate", "ProductCreateInput"), input={"name": sku, "variants": [variant]}
        )
        received = {
            "variant": {"sku": sku},
            "locationCode": "HALL",
            "delta": _UNITS,
            "reason": "RECEIVED",
            "idempotencyKey": sku,
        }
        await staff.call(_mutation("stockAdjust", "StockAdjustInput"), input=received)


def cart_of() -> dict[str, Any]:
    """Return the input of a new cart with two products."""
    lines = [{"variant": {"sku": sku}, "quantity": 1} for sku in random.sample(_SKUS, 2)]
    return {"channel": CHANNEL, "lines": lines, "idempotencyKey": str(uuid4())}


def destination() -> dict[str, str]:
    """Return where a shopper lives."""
    return {
        "name": "Ada Shopper",
        "line1": f"{random.randint(1, 2000)} Amphitheatre Parkway",
        "city": "Mountain View",
        "region": "CA",
        "postalCode": "94043",
        "country": "US",
    }


def parcel(part: dict[str, Any], provider: str) -> dict[str, Any]:
    """Return the input that packs a part of an order into one parcel."""
    lines = [{"id": line["id"], "quantity": line["quantity"]} for line in part["lines"]]
    return {
        "fulfillmentOrderId": part["id"],
        "parcels": [{"lines": lines, "weightGrams": 900}],
        "carrier": OWN if provider != SANDBOX else THEIRS,
        "service": "STANDARD",
        "provider": provider,
        "idempotencyKey": str(uuid4()),
    }


def _usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}

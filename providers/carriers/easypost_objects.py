"""What goes to EasyPost and comes back: weights in ounces, measures in inches, prices as text.

https://docs.easypost.com/docs/shipments has the objects.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlsplit

from domain.addresses import Address
from domain.carrier_ports import (
    CarrierRefused,
    CarrierUnavailable,
    CustomsLine,
    Label,
    LabelFormat,
    LabelRequest,
    RateQuote,
    RateRequest,
)
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.shipments import ParcelSize

Object = dict[str, Any]

# The avoirdupois ounce and the inch are exact in metric units.
_GRAMS_AN_OUNCE: Final = Decimal("28.349523125")
_MM_AN_INCH: Final = Decimal("25.4")
_TENTH: Final = Decimal("0.1")
_LONGEST_DESCRIPTION: Final = 45


def plain(answer: Any) -> Object:
    """Return an object of the library as plain JSON."""
    if hasattr(answer, "to_dict"):
        answer = answer.to_dict()
    found: Object = json.loads(json.dumps(answer, default=_plain_part))
    return found


def rating(request: RateRequest, parcel: ParcelSize) -> Object:
    """Return what asks for the prices of one parcel; raises CarrierRefused without its weight."""
    return {
        "from_address": _address(request.sender),
        "to_address": _address(request.recipient),
        "parcel": _parcel(parcel),
    }


def selling(key: str, request: LabelRequest) -> Object:
    """Return what makes the shipment whose label is bought; `key` is its reference."""
    params = {
        "reference": key,
        "from_address": _address(request.sender),
        "to_address": _address(request.recipient),
        "parcel": _parcel(request.parcel),
        "options": {"label_format": "PDF", "label_size": "4x6", "print_custom_1": request.reference},
    }
    if request.sender.country != request.recipient.country:
        params["customs_info"] = _customs(request)
    return params


def returning(key: str, request: LabelRequest) -> Object:
    """Return what makes a shipment that comes back from the customer, who is the request's sender.

    With `is_return` the addresses are those of the way out, and EasyPost switches them:
    https://docs.easypost.com/docs/shipments/returns.
    """
    params = selling(key, request)
    params["from_address"], params["to_address"] = params["to_address"], params["from_address"]
    params["is_return"] = True
    if "customs_info" in params:
        params["customs_info"]["contents_type"] = "returned_goods"
    return params


def quotes_of(shipments: Sequence[Object]) -> list[RateQuote]:
    """Return what carriers ask for all parcels together, of services that take each of them."""
    by_service: list[dict[tuple[str, str, str], Object]] = [
        {(rate["carrier"], rate["service"], rate["currency"]): rate for rate in shipment["rates"]}
        for shipment in shipments
    ]
    found = []
    for key in by_service[0] if by_service else ():
        rates = [rates[key] for rates in by_service if key in rates]
        if len(rates) < len(shipments):
            continue
        carrier, service, currency = key
        price = sum(_price(rate).amount_minor for rate in rates)
        days: list[int | None] = [
            rate.get("delivery_days") or rate.get("est_delivery_days") for rate in rates
        ]
        slowest = None if None in days else max(day for day in days if day is not None)
        quote = RateQuote(carrier, service, f"{carrier}/{service}", Money(price, currency), slowest, slowest)
        found.append(quote)
    return found


def rate_of(shipment: Object, service_code: str) -> Object:
    """Return the rate of a service, named as CARRIER/SERVICE or (the cheapest of that name) SERVICE.

    Raises CarrierRefused where no carrier offers it, with what they said instead.
    """
    carrier, _, service = service_code.casefold().rpartition("/")
    offered = [
        rate
        for rate in shipment.get("rates") or ()
        if rate["service"].casefold() == service and carrier in {"", rate["carrier"].casefold()}
    ]
    if not offered:
        said = "; ".join(str(one.get("message")) for one in shipment.get("messages") or ())
        names = ", ".join(f"{one['carrier']}/{one['service']}" for one in shipment.get("rates") or ())
        reason = said or f"there are {names or 'no services'}"
        raise CarrierRefused("service_not_offered", f"{service_code} is not offered: {reason}"[:500])
    return min(offered, key=lambda rate: Decimal(rate["rate"]))


def label_of(shipment: Object, document: bytes, kind: LabelFormat) -> Label:
    """Return the label of a shipment that has one."""
    tracker = shipment.get("tracker") or {}
    arrives = tracker.get("est_delivery_date")
    rate = shipment.get("selected_rate")
    return Label(
        shipment["id"],
        shipment["tracking_code"],
        document,
        kind,
        tracking_url=tracker.get("public_url"),
        price=_price(rate) if rate else None,
        estimated_at=moment_of(arrives) if arrives else None,
    )


def format_of(url: str) -> LabelFormat:
    """Return what kind of document is at an address of EasyPost's; raises CarrierUnavailable."""
    ending = urlsplit(url).path.rpartition(".")[2].upper()
    try:
        return LabelFormat(ending)
    except ValueError:
        raise CarrierUnavailable from None


def moment_of(told: str) -> datetime:
    """Return a moment as EasyPost writes it; raises ValueError, also for one without a zone."""
    moment = datetime.fromisoformat(told)
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment


def _price(rate: Mapping[str, Any]) -> Money:
    try:
        return Money.from_decimal(Decimal(rate["rate"]), rate["currency"])
    except (InvalidOperation, InvalidInput) as error:
        raise CarrierUnavailable from error


def _address(address: Address) -> Object:
    named = {
        "name": address.name,
        "company": address.company,
        "street1": address.line1,
        "street2": address.line2,
        "city": address.city,
        "state": address.region,
        "zip": address.postal_code,
        "country": address.country,
        "phone": address.phone,
    }
    return {name: value for name, value in named.items() if value is not None}


def _parcel(parcel: ParcelSize) -> Object:
    if parcel.weight_grams is None:
        raise CarrierRefused("weight_missing", "EasyPost needs to know what the parcel weighs")
    sides = {"length": parcel.length_mm, "width": parcel.width_mm, "height": parcel.height_mm}
    measures = {name: _inches(side) for name, side in sides.items() if side is not None}
    # All three or none: two sides are no box.
    return {"weight": _ounces(parcel.weight_grams), **(measures if len(measures) == len(sides) else {})}


def _customs(request: LabelRequest) -> Object:
    return {
        "contents_type": "merchandise",
        "restriction_type": "none",
        "non_delivery_option": "return",
        "customs_certify": True,
        "customs_signer": request.sender.name,
        "customs_items": [_customs_item(line, request.sender.country) for line in request.contents],
    }


def _customs_item(line: CustomsLine, origin: str) -> Object:
    if line.weight_grams is None:
        raise CarrierRefused("weight_missing", f"customs need to know what {line.sku} weighs")
    return {
        "description": line.name[:_LONGEST_DESCRIPTION],
        "quantity": line.quantity,
        "value": str(line.unit_value.amount * line.quantity),
        "currency": line.unit_value.currency,
        "weight": _ounces(line.weight_grams * line.quantity),
        "origin_country": origin,
        "code": line.sku[:_LONGEST_DESCRIPTION],
    }


def _ounces(grams: int) -> float:
    """Return a weight in ounces, rounded up to the next tenth: EasyPost takes one decimal."""
    return float((grams / _GRAMS_AN_OUNCE).quantize(_TENTH, ROUND_UP))


def _inches(millimetres: int) -> float:
    return float((millimetres / _MM_AN_INCH).quantize(_TENTH, ROUND_UP))


def _plain_part(part: Any) -> Any:
    return part.to_dict() if hasattr(part, "to_dict") else str(part)

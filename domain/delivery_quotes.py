"""Delivery quotes: what carriers ask for a cart's delivery, kept while the question stays the same."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID, uuid5

import orjson

from domain.addresses import Address
from domain.carrier_ports import RateQuote
from domain.cartonization import Goods
from domain.kernel.errors import InvalidInput
from domain.kernel.money import MAX_AMOUNT_MINOR
from domain.kernel.quantities import require_text
from domain.shipping import MAX_DAYS, MAX_NAME_LENGTH, MAX_POSITION, DeliveryRate

MAX_SERVICES = 50
"""Most services of carriers that a channel may offer."""

MAX_PROVIDER_LENGTH = 40
MAX_CODE_LENGTH = 100
_CODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._:/&+()-]*[A-Za-z0-9.+)])?")
MAX_MARKUP_PPM = 1_000_000
"""As much again as the carrier asks for."""


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """A carrier's service that a channel offers, and at what price.

    The price is the carrier's, plus `markup_ppm` parts per million of it, plus `markup_minor` in the
    channel's currency. `provider` is the carrier's port and `code` its own name of the service; `name` and
    `carrier` are shown instead of what the carrier says.
    """

    id: UUID
    provider: str
    code: str
    name: str | None = None
    carrier: str | None = None
    markup_ppm: int = 0
    markup_minor: int = 0
    handling_days: int = 0
    position: int = 0
    version: int = 1


@dataclass(frozen=True, slots=True)
class QuotesOfProvider:
    """What one carrier's port has quoted for a cart, as it is offered; empty: it does not go there."""

    provider: str
    fingerprint: str
    expires_at: datetime
    offers: tuple[DeliveryRate, ...]


def fresh(quotes: QuotesOfProvider, fingerprint_now: str, now: datetime) -> bool:
    """Say whether quotes still hold: they are of the same goods to the same place, and not too old."""
    return quotes.fingerprint == fingerprint_now and now < quotes.expires_at


def fingerprint(address: Address | None, goods: Sequence[Goods]) -> str:
    """Return what stands for a question to carriers: the same goods to the same place have the same."""
    place = None
    if address is not None:
        place = [address.country, address.region, address.postal_code, address.city, address.line1]
    asked = [place, sorted(_facts(one) for one in goods)]
    return hashlib.sha256(orjson.dumps(asked)).hexdigest()


def offers_of(
    cart_id: UUID, services: Iterable[DeliveryService], quotes: Iterable[RateQuote], currency: str
) -> list[DeliveryRate]:
    """Return what is offered of a carrier's quotes: the services that the channel has, in its currency.

    A service keeps its id in one cart, however often it is quoted, so that a choice stays one.
    """
    by_code = {quote.code.casefold(): quote for quote in quotes if quote.price.currency == currency}
    return [
        _offer(uuid5(cart_id, str(service.id)), service, by_code[service.code.casefold()])
        for service in services
        if service.code.casefold() in by_code
    ]


def marked_up(price_minor: int, service: DeliveryService) -> int:
    """Return a carrier's price with the mark-up, half a minor unit rounded up."""
    share = Decimal(price_minor) * service.markup_ppm / 1_000_000
    return min(
        price_minor + int(share.quantize(Decimal(1), ROUND_HALF_UP)) + service.markup_minor,
        MAX_AMOUNT_MINOR,
    )


def to_json(offer: DeliveryRate) -> dict[str, Any]:
    """Return an offer as it is stored with its quotes."""
    return {
        "id": str(offer.id),
        "carrier": offer.carrier,
        "service": offer.service,
        "code": offer.code,
        "priceMinor": offer.price_minor,
        "minDays": offer.min_days,
        "maxDays": offer.max_days,
        "handlingDays": offer.handling_days,
    }


def from_json(provider: str, stored: Mapping[str, Any]) -> DeliveryRate:
    """Return the offer that `to_json` made a record of."""
    return DeliveryRate(
        UUID(stored["id"]),
        stored["carrier"],
        stored["service"],
        stored["priceMinor"],
        min_days=stored["minDays"],
        max_days=stored["maxDays"],
        handling_days=stored["handlingDays"],
        provider=provider,
        code=stored["code"],
    )


def check(service: DeliveryService) -> DeliveryService:
    """Return the service cleaned; raises InvalidInput naming the field."""
    if not 0 <= service.markup_ppm <= MAX_MARKUP_PPM:
        raise InvalidInput("must be between 0 and 100", "markupPercent")
    if not 0 <= service.handling_days <= MAX_DAYS:
        raise InvalidInput(f"must be between 0 and {MAX_DAYS}", "handlingDays")
    if not -MAX_POSITION <= service.position <= MAX_POSITION:
        raise InvalidInput(f"must be between {-MAX_POSITION} and {MAX_POSITION}", "position")
    name, carrier = service.name, service.carrier
    return replace(
        service,
        provider=require_text(service.provider, MAX_PROVIDER_LENGTH, "provider"),
        code=require_text(service.code, MAX_CODE_LENGTH, "code"),
        name=None if name is None else require_text(name, MAX_NAME_LENGTH, "name"),
        carrier=None if carrier is None else require_text(carrier, MAX_NAME_LENGTH, "carrier"),
    )


def check_code(code: str) -> str:
    """Return a service's code cleaned; raises InvalidInput where no carrier names a service like that."""
    cleaned = require_text(code, MAX_CODE_LENGTH, "code")
    if _CODE.fullmatch(cleaned) is None:
        raise InvalidInput(
            "must be Latin letters and digits, with spaces or . _ : / & + ( ) - inside", "code"
        )
    return cleaned


def _offer(offer_id: UUID, service: DeliveryService, quote: RateQuote) -> DeliveryRate:
    return DeliveryRate(
        offer_id,
        service.carrier or quote.carrier,
        service.name or quote.service,
        marked_up(quote.price.amount_minor, service),
        min_days=_days(quote.min_days),
        max_days=_days(quote.max_days),
        handling_days=service.handling_days,
        provider=service.provider,
        code=service.code,
    )


def _days(days: int | None) -> int | None:
    return days if days is not None and 0 <= days <= MAX_DAYS else None


def _facts(goods: Goods) -> list[Any]:
    box = goods.box
    sides = None if box is None else [box.length_mm, box.width_mm, box.height_mm]
    return [goods.key, goods.quantity, goods.weight_grams, sides]

"""What the sandbox carrier asks: a plain formula by weight and distance, the same in every currency.

Prices are in minor units of whatever currency is asked in, so that 490 is 4.90 EUR and 490 JPY.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from domain.addresses import Address
from domain.carrier_ports import CarrierRefused, RateQuote, RateRequest
from domain.kernel.money import Money
from domain.shipments import ParcelSize

CARRIER: Final = "Sandbox Post"

HEAVIEST_GRAMS: Final = 31_500
"""The heaviest parcel it takes."""

UNDELIVERABLE: Final = "undeliverable"
"""A word in the first line of an address for which no label is sold."""

_GRAMS_ASSUMED: Final = 1_000
# Cubic millimetres that count as a gram: 5,000 cubic centimetres are a kilogram.
_CUBIC_MM_A_GRAM: Final = 5_000
_GRAMS_A_STEP: Final = 500


class Zone(Enum):
    """How far it is; the value is the factor of the price."""

    LOCAL = 1
    DOMESTIC = 2
    INTERNATIONAL = 5


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its price in minor units and the days it takes, least and most, in each zone."""

    code: str
    name: str
    base_minor: int
    step_minor: int
    days: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

    def price_minor(self, zone: Zone, grams: int) -> int:
        """Return what a parcel of `grams` costs: the base, and each half kilogram or part of one."""
        return (self.base_minor + self.step_minor * -(-grams // _GRAMS_A_STEP)) * zone.value

    def days_to(self, zone: Zone) -> tuple[int, int]:
        """Return the least and most days it takes."""
        return self.days[list(Zone).index(zone)]


SERVICES: Final = {
    service.code: service
    for service in (
        Service("EXPRESS", "Express", 900, 60, ((1, 1), (1, 1), (2, 3))),
        Service("STANDARD", "Standard", 400, 30, ((1, 2), (2, 3), (4, 7))),
        Service("ECONOMY", "Economy", 250, 15, ((2, 3), (3, 5), (7, 14))),
    )
}
"""What it offers, by code."""


def quotes(request: RateRequest) -> Sequence[RateQuote]:
    """Return what each service costs for all parcels together; nothing where one is too heavy."""
    weights = [_charged_grams(parcel) for parcel in request.parcels]
    if any(_is_too_heavy(parcel) for parcel in request.parcels):
        return []
    zone = zone_of(request.sender, request.recipient)
    found = []
    for service in SERVICES.values():
        price = sum(service.price_minor(zone, grams) for grams in weights)
        least, most = service.days_to(zone)
        found.append(
            RateQuote(CARRIER, service.name, service.code, Money(price, request.value.currency), least, most)
        )
    return found


def priced(code: str, sender: Address, recipient: Address, parcel: ParcelSize) -> tuple[Service, int, int]:
    """Return the service of a label, its price in minor units and the most days it takes.

    Raises CarrierRefused for an unknown service, a parcel that is too heavy, and an undeliverable address.
    """
    service = service_of(code)
    if _is_too_heavy(parcel):
        raise CarrierRefused("too_heavy", f"a parcel may weigh {HEAVIEST_GRAMS} g at most")
    if UNDELIVERABLE in recipient.line1.casefold():
        raise CarrierRefused("address_undeliverable", "the recipient's address is not known")
    zone = zone_of(sender, recipient)
    return service, service.price_minor(zone, _charged_grams(parcel)), service.days_to(zone)[1]


def zone_of(sender: Address, recipient: Address) -> Zone:
    """Return how far it is: the same two first characters of the postal code are near."""
    if sender.country != recipient.country:
        return Zone.INTERNATIONAL
    near = (sender.postal_code or "")[:2] == (recipient.postal_code or "")[:2]
    return Zone.LOCAL if near else Zone.DOMESTIC


def _is_too_heavy(parcel: ParcelSize) -> bool:
    return (parcel.weight_grams or 0) > HEAVIEST_GRAMS


def _charged_grams(parcel: ParcelSize) -> int:
    grams = parcel.weight_grams or _GRAMS_ASSUMED
    if parcel.length_mm is None or parcel.width_mm is None or parcel.height_mm is None:
        return grams
    volume = parcel.length_mm * parcel.width_mm * parcel.height_mm
    return max(grams, -(-volume // _CUBIC_MM_A_GRAM))


def service_of(code: str) -> Service:
    """Return a service by its code, however it is written; raises CarrierRefused."""
    service = SERVICES.get(code.upper())
    if service is None:
        raise CarrierRefused("unknown_service", f"there is no service {code}, only {', '.join(SERVICES)}")
    return service

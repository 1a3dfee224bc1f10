"""Delivery options: which ways of delivery there are for some goods to some place, and what each costs.

Rates of the table apply by zone or country and by their bands, weighed over the parcels that the goods make.
What carriers have quoted applies as long as it was asked for the same goods to the same place.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from uuid import UUID

from domain.addresses import Address
from domain.boxes import ShippingBox
from domain.calendars import WorkCalendar
from domain.cartonization import Goods, Packing, pack
from domain.delivery_quotes import QuotesOfProvider, fingerprint, fresh
from domain.delivery_zones import DeliveryZone, zone_of
from domain.shipping import DeliveryRate

_MM3_OF_ML = 1_000


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """What delivery is decided by, besides the rates themselves.

    `zones` stand in the order they are tried, `origins` are the calendars of the places that would ship.
    """

    zones: tuple[DeliveryZone, ...] = ()
    boxes: tuple[ShippingBox, ...] = ()
    origins: tuple[WorkCalendar, ...] = ()
    quotes: tuple[QuotesOfProvider, ...] = ()


NO_DELIVERY_RULES = DeliveryRules()


@dataclass(frozen=True, slots=True)
class Consignment:
    """Goods to be delivered: `value_minor` is what they cost before discounts."""

    address: Address | None
    goods: tuple[Goods, ...]
    value_minor: int
    customer_group: str | None = None
    """Who buys, as far as prices of delivery go by it."""

    @property
    def volume_ml(self) -> int:
        """What the goods take up, begun millilitres counted whole; what nobody measured counts nothing."""
        return -(-sum(one.volume_mm3 * one.quantity for one in self.goods) // _MM3_OF_ML)

    @property
    def fingerprint(self) -> str:
        """Stands for what carriers are asked about."""
        return fingerprint(self.address, self.goods)

    def packing(self, rules: DeliveryRules) -> Packing:
        """Return the parcels it makes."""
        return pack(self.goods, rules.boxes)


def applicable(
    rates: Iterable[DeliveryRate],
    rules: DeliveryRules,
    consignment: Consignment,
    now: datetime,
    discounted_minor: Callable[[], int],
) -> list[DeliveryRate]:
    """Return the ways of delivery there are, each at its price: those of the table first, in its order.

    `discounted_minor` says what the goods cost after discounts; it is only asked where a rate may be free.
    """
    facts = _facts(rules, consignment, discounted_minor)
    found = [priced for rate in rates if (priced := _offered(rate, facts)) is not None]
    return [*found, *quoted(rules.quotes, consignment, now)]


def offered(
    rate: DeliveryRate, rules: DeliveryRules, consignment: Consignment, discounted_minor: Callable[[], int]
) -> DeliveryRate | None:
    """Return a rate of the table at the price it has for a consignment; None where it does not apply."""
    return _offered(rate, _facts(rules, consignment, discounted_minor))


def quoted(quotes: Sequence[QuotesOfProvider], consignment: Consignment, now: datetime) -> list[DeliveryRate]:
    """Return what carriers have quoted for just this consignment, while it holds."""
    if not quotes:
        return []
    print_of = consignment.fingerprint
    return [rate for one in quotes if fresh(one, print_of, now) for rate in one.offers]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What every rate of a table is compared with: found once, however many there are."""

    country: str | None
    zone_id: UUID | None
    packing: Packing
    volume_ml: int
    value_minor: int
    discounted_minor: Callable[[], int]
    customer_group: str | None


def _facts(rules: DeliveryRules, consignment: Consignment, discounted_minor: Callable[[], int]) -> _Facts:
    address = consignment.address
    zone = zone_of(rules.zones, address)
    return _Facts(
        None if address is None else address.country,
        None if zone is None else zone.id,
        consignment.packing(rules),
        consignment.volume_ml,
        consignment.value_minor,
        cache(discounted_minor),
        consignment.customer_group,
    )


def _offered(rate: DeliveryRate, facts: _Facts) -> DeliveryRate | None:
    if rate.zone_id is not None and rate.zone_id != facts.zone_id:
        return None
    weight_grams = facts.packing.billable_grams(rate.dimensional_divisor)
    if not rate.applies(facts.country, weight_grams, facts.value_minor, facts.volume_ml):
        return None
    group = facts.customer_group
    goods_minor = None if rate.free_from(group) is None else facts.discounted_minor()
    return replace(rate, price_minor=rate.price_for(weight_grams, goods_minor, group))
